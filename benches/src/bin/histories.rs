//! Writes battles to the embedded log of a data folder, to measure audits and starts on: nobody has to play a million events.

use std::path::PathBuf;

use clap::Parser;
use nimaora_benches::{BenchError, History};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_runtime::Clock;

#[derive(Parser)]
struct Args {
    /// The data folder; its log must not be in use.
    #[arg(long)]
    data_dir: PathBuf,
    /// How many battles.
    #[arg(long, default_value_t = 100)]
    battles: u64,
    /// Players of each.
    #[arg(long, default_value_t = 200)]
    players: u64,
    /// Attacks of each, in turns of 100.
    #[arg(long, default_value_t = 10_000)]
    attacks: u64,
}

/// Attacks of one battle before those of the next one.
const TURN: u64 = 100;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.data_dir)?;
    let log = EmbeddedLog::open(&args.data_dir, EmbeddedConfig::new(Clock::system()))?;
    let mut histories: Vec<_> = (1..=args.battles).map(History::new).collect();
    for history in &mut histories {
        history.begin(&*log, args.players).await?;
    }
    let mut left = args.attacks;
    while left > 0 {
        let turn = left.min(TURN);
        for history in &mut histories {
            history.attack(&*log, turn).await?;
        }
        left -= turn;
    }
    log.close().await;
    Ok(())
}

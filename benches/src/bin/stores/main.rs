//! Whether the read models keep up: PostgreSQL behind a PgBouncer and Redis, started here and stopped at the end.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin stores
//!
//! 1. Events are appended straight to a log at a rate, and a projection writes them to the tables and the boards: how old an event is
//!    when each of them holds it.
//! 2. The tables are built anew from the same log, beside those in use.
//! 3. A server is put under load, and one player attacks another: how long until Redis has the target's new score.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

mod lag;
mod servers;
mod shown;

use clap::{Parser, ValueEnum};
use nimaora_benches::BenchError;
use nimaora_local_servers::scratch;

use servers::Servers;

/// What is measured, and how.
#[derive(Parser, Debug)]
pub(crate) struct Args {
    /// Events a second that are appended to the log.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) events_per_second: u64,
    /// How long they are, in seconds.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Battles that the events are about.
    #[arg(long, default_value_t = 20)]
    pub(crate) battles: u64,
    /// Players in each of them.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) players: u64,
    /// The log.
    #[arg(long, value_enum, default_value_t = LogKind::Embedded)]
    pub(crate) log: LogKind,
    /// Operations a second of the load on the server.
    #[arg(long, default_value_t = 2_300)]
    pub(crate) load_per_second: u64,
    /// Players of that load.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) load_users: u64,
    /// Which of the measurements are made.
    #[arg(long, value_enum, default_values_t = [Part::Lag, Part::Shown])]
    pub(crate) part: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogKind {
    Embedded,
    Jetstream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The lag, and building the tables anew.
    Lag,
    /// From a command to the board.
    Shown,
}

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    let folder = scratch()?;
    let mut rows = Vec::new();
    // Each part has stores of its own: they belong to its log.
    for part in &args.part {
        let dir = folder.path().join(format!("{part:?}").to_lowercase());
        let mut servers = Servers::start(&dir).await?;
        rows.extend(match part {
            Part::Lag => lag::measure(&args, &servers, &dir).await?,
            Part::Shown => shown::measure(&args, &servers).await?,
        });
        servers.stop().await;
    }
    println!("| what | target | measured |\n|---|---|---|");
    for (what, target, measured) in rows {
        println!("| {what} | {target} | {measured} |");
    }
    Ok(())
}

/// A line of the result: what, what it must be, what it was.
pub(crate) type Row = (String, &'static str, String);

/// Half of them are below the first, 99 of 100 below the second; and the largest.
pub(crate) fn quantiles(mut millis: Vec<f64>) -> String {
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (millis.len() as f64 * share) as usize;
        millis.get(index.min(millis.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    format!("{:.1} ms / {:.1} ms, at most {:.1} ms ({} samples)", at(0.5), at(0.99), at(1.0), millis.len())
}

//! How much memory a server takes: idle, and with a battle of many participants in every role.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin memory
//!
//! What the battle takes in its writer alone is measured by `cargo run --release -p nimaora-command-service --example
//! writer_memory`.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::time::Duration;

use clap::Parser;
use nimaora_benches::{Battle, BenchError, Child};
use tokio::time::sleep;

/// What is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Participants of the battle.
    #[arg(long, default_value_t = 20_000)]
    participants: usize,
}

/// After how long a server that does nothing is at rest.
const REST: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    let server = Child::server()?;
    sleep(REST).await;
    let idle = server.resident_bytes()?;
    println!("idle server: {:.1} MiB resident (target: under 64)", mebibytes(idle));
    Battle::running(&server, args.participants).await?;
    sleep(REST).await;
    let full = server.resident_bytes()?;
    println!(
        "with a running battle of {} participants: {:.1} MiB resident, {:.1} MiB more, all roles together",
        args.participants,
        mebibytes(full),
        mebibytes(full.saturating_sub(idle))
    );
    Ok(())
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

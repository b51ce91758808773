//! The log over the EventStoreDB protocol, as the official Rust client gets it: durable appends beside a bare echo and UmaDB's server
//! in turns within one run, a catch-up, and a filtered subscription that is resumed after a restart.
//!
//!     python3 -m pip install --target target/tools/umadb umadb
//!     cargo run --release -p nimaora-benches --bin log_clients -- --umadb target/tools/umadb
#![allow(clippy::print_stdout, reason = "a measurement for people")]

mod appends;
mod echo;
mod messages;
mod reading;
mod serving;

use std::path::PathBuf;

use clap::Parser;
use nimaora_benches::BenchError;

/// What is measured, and how.
#[derive(Clone, Parser, Debug)]
struct Args {
    /// Tasks that append at a time.
    #[arg(long, default_value_t = 64)]
    tasks: usize,
    /// Bytes of an event.
    #[arg(long, default_value_t = 256)]
    event_bytes: usize,
    /// Rounds of each kind, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round lasts, in seconds.
    #[arg(long, default_value_t = 3)]
    round_seconds: u64,
    /// Events in the log that is read.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Where pip put UmaDB's server. Without it, UmaDB is left out.
    #[arg(long)]
    umadb: Option<PathBuf>,
    /// Serves the log in this folder.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
    /// Runs as the echo.
    #[arg(long, hide = true)]
    echo: bool,
    /// Runs as a server that answers appends and does nothing.
    #[arg(long, hide = true)]
    hollow: bool,
}

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    if args.echo {
        return echo::serve().await;
    }
    if args.hollow {
        return echo::serve_hollow().await;
    }
    if let Some(folder) = &args.serve {
        return serving::serve(folder).await;
    }
    appends::measure(&args).await?;
    reading::measure(&args).await
}

/// What came out as a failure of the bench.
fn failed(error: impl std::fmt::Display) -> BenchError {
    BenchError::Invalid(error.to_string())
}

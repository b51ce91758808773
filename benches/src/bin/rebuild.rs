//! How fast tables and board are made from the embedded log.
//!
//!     cargo run --release -p nimaora-benches --bin rebuild -- [--attacks N] [--players N] [--tables sqlite|pgbouncer]
//!
//! With `pgbouncer` the tables are in a PostgreSQL server that is started here, behind a PgBouncer.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use nimaora_benches::{BenchError, History};
use nimaora_change_bus::MemoryBus;
use nimaora_event_log::EventLog;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_local_servers::{PgBouncer, Postgres, scratch};
use nimaora_projection_service::{Config, Deps, Projection};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Clock, Health, Shutdown};

/// What is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Attacks in the battle.
    #[arg(long, default_value_t = 500_000)]
    attacks: u64,
    /// Players in the battle.
    #[arg(long, default_value_t = 2_000)]
    players: u64,
    /// Where the tables are.
    #[arg(long, value_enum, default_value_t = Tables::Sqlite)]
    tables: Tables,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tables {
    Sqlite,
    Pgbouncer,
}

/// How often the same is measured.
const RUNS: u32 = 3;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    let folder = scratch()?;
    let clock = Clock::system();
    let log = EmbeddedLog::open(&folder.path().join("log"), EmbeddedConfig::new(clock.clone()))?;
    let mut history = History::new(1);
    history.begin(&*log, args.players).await?;
    history.attack(&*log, args.attacks).await?;
    let head = log.status().await?.head;
    println!("{head} events in the log: {} joins and {} attacks", args.players, args.attacks);
    for run in 1..=RUNS {
        let dir = folder.path().join(format!("run-{run}"));
        std::fs::create_dir_all(&dir)?;
        match args.tables {
            Tables::Sqlite => {
                let file = dir.join("read-models.sqlite");
                let tables = Arc::new(SqliteReadModels::open(&file, SqliteConfig::default()).await?);
                make(Arc::<SqliteReadModels>::clone(&tables), &log, &clock, &history, head).await?;
                tables.close().await;
            }
            Tables::Pgbouncer => postgres(&dir, &log, &clock, &history, head).await?,
        }
    }
    log.close().await;
    Ok(())
}

async fn postgres(
    dir: &Path,
    log: &Arc<EmbeddedLog>,
    clock: &Clock,
    history: &History,
    head: u64,
) -> Result<(), BenchError> {
    let server = Postgres::start(&dir.join("postgres"), &[]).await?;
    let pool = PgBouncer::start(&dir.join("pgbouncer"), &server, 10, &[]).await?;
    let tables = PostgresReadModels::connect(PostgresConfig::new(&pool.url("postgres"))?).await?;
    let tables = Arc::new(tables);
    make(Arc::<PostgresReadModels>::clone(&tables), log, clock, history, head).await?;
    tables.close().await;
    Ok(())
}

async fn make(
    tables: Arc<dyn ReadModels>,
    log: &Arc<EmbeddedLog>,
    clock: &Clock,
    history: &History,
    head: u64,
) -> Result<(), BenchError> {
    let leaderboard = Arc::new(MemoryLeaderboard::default());
    let deps = Deps {
        log: Arc::<EmbeddedLog>::clone(log),
        leaderboard: Arc::<MemoryLeaderboard>::clone(&leaderboard),
        read_models: Arc::clone(&tables),
        bus: Arc::new(MemoryBus::default()),
    };
    let (shutdown, began) = (Shutdown::new(), Instant::now());
    let handle = Projection::start(deps, Config::new(clock.clone(), 1), &shutdown, &Health::default());
    handle.caught_up().await?;
    let seconds = began.elapsed().as_secs_f64();
    let parked = handle.status().parked;
    println!("made in {seconds:.2} s: {:.0} events/s, {parked} parked", head as f64 / seconds);
    let top = (leaderboard.top(history.battle, 100).await?, tables.top(history.battle, 100).await?);
    println!("board and tables agree on the first 100: {}", top.0 == top.1);
    shutdown.finish(Duration::from_secs(30)).await;
    Ok(())
}

//! Measures how fast tables and board are rebuilt from the embedded log.
//!
//!     cargo run --release -p nimaora-projection-service --example rebuild -- [ATTACKS] [PLAYERS] [TABLES]
//!
//! TABLES is `sqlite`, or `pgbouncer` for a PostgreSQL server that is started here, behind a PgBouncer.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use nimaora_change_bus::MemoryBus;
use nimaora_domain::event::{AttackLanded, BattleCreated, BattleStarted, ParticipantJoined};
use nimaora_domain::{
    Balance, BattleId, CommandId, Event, ParticipantId, Rules, SessionId, Timestamp, Username, codec,
};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, ChainHead, Envelope, EventLog, Expected, NewEvent, envelope};
use nimaora_local_servers::{PgBouncer, Postgres, scratch};
use nimaora_projection_service::{Config, Deps, Projection};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Clock, Health, Shutdown};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What everybody begins with.
const INITIAL: Balance = Balance { points: 100_000, shields: 10, arrows: 100_000 };
/// How often the same is measured.
const RUNS: u32 = 3;
/// How many events go in the log at once.
const APPEND_EVENTS: usize = 1_024;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let attacks: u64 = arguments.next().map_or(Ok(500_000), |text| text.parse())?;
    let players: u64 = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let kind = arguments.next().unwrap_or_else(|| "sqlite".to_owned());
    let folder = scratch()?;
    let home = folder.path().join("log");
    let clock = Clock::system();
    let log = EmbeddedLog::open(&home, EmbeddedConfig::new(clock.clone()))?;
    let battle = fill(&log, attacks, players).await?;
    let head = log.status().await?.head;
    println!("{head} events in the log: {players} joins and {attacks} attacks");
    match kind.as_str() {
        "sqlite" => {
            for run in 1..=RUNS {
                let file = folder.path().join(format!("read-models-{run}.db"));
                let tables = Arc::new(SqliteReadModels::open(&file, SqliteConfig::default()).await?);
                rebuild(Arc::<SqliteReadModels>::clone(&tables), &log, &clock, battle, head).await?;
                tables.close().await;
            }
        }
        "pgbouncer" => {
            for run in 1..=RUNS {
                let server = Postgres::start(&folder.path().join(format!("postgres-{run}")), &[]).await?;
                let dir = folder.path().join(format!("pgbouncer-{run}"));
                let pool = PgBouncer::start(&dir, &server, 10, &[]).await?;
                let config = PostgresConfig::new(&pool.url("postgres"))?;
                let tables = Arc::new(PostgresReadModels::connect(config).await?);
                rebuild(Arc::<PostgresReadModels>::clone(&tables), &log, &clock, battle, head).await?;
                tables.close().await;
            }
        }
        other => return Err(format!("'{other}' is neither sqlite nor pgbouncer").into()),
    }
    log.close().await;
    Ok(())
}

async fn rebuild(
    tables: Arc<dyn ReadModels>,
    log: &Arc<EmbeddedLog>,
    clock: &Clock,
    battle: BattleId,
    head: u64,
) -> Outcome<()> {
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
    println!(
        "rebuilt in {seconds:.2} s: {:.0} events/s, {} parked",
        head as f64 / seconds,
        handle.status().parked,
    );
    let (ours, theirs) = (leaderboard.top(battle, 100).await?, tables.top(battle, 100).await?);
    println!("board and tables agree on the first 100: {}", ours == theirs);
    shutdown.finish(Duration::from_secs(30)).await;
    Ok(())
}

/// Fills the log with one battle.
async fn fill(log: &EmbeddedLog, attacks: u64, players: u64) -> Outcome<BattleId> {
    let battle = BattleId(Uuid::from_u128(1));
    let mut writing = Writing { log, battle, chain: ChainHead::default(), revision: 0, waiting: Vec::new() };
    let (questions, rules) = (Vec::new(), Rules::default());
    let (title, join_code) = ("rebuild".to_owned(), "REBUILD".to_owned());
    let (starts_at, ends_at) = (None, None);
    let created = BattleCreated { title, rules, questions, starts_at, ends_at, join_code };
    writing.add(Event::BattleCreated(created)).await?;
    for n in 0..players {
        writing.add(joined(n)?).await?;
    }
    writing.add(Event::BattleStarted(BattleStarted { started_at: Timestamp::from_millis(1) })).await?;
    let mut rng = fastrand::Rng::with_seed(7);
    let mut balances = vec![INITIAL; usize::try_from(players)?];
    for _ in 0..attacks {
        let (attacker, step) = (rng.u64(0..players), rng.u64(1..players));
        let event = attack(&mut balances, attacker, (attacker + step) % players)?;
        writing.add(Event::AttackLanded(event)).await?;
    }
    writing.flush().await?;
    Ok(battle)
}

fn attack(balances: &mut [Balance], attacker: u64, target: u64) -> Outcome<AttackLanded> {
    let (from, to) = (usize::try_from(attacker)?, usize::try_from(target)?);
    balances[from].arrows = balances[from].arrows.saturating_sub(1);
    let blocked = balances[to].shields > 0;
    let points_deducted = u32::from(!blocked && balances[to].points > 0);
    balances[to].shields -= u32::from(blocked);
    balances[to].points -= points_deducted;
    Ok(AttackLanded {
        attacker_id: participant(attacker),
        target_id: participant(target),
        blocked,
        points_deducted,
        attacker_balance: balances[from],
        target_balance: balances[to],
    })
}

fn participant(n: u64) -> ParticipantId {
    // Spread like real ones, whose last half is random.
    ParticipantId(Uuid::from_u64_pair(0x019a_0000_0000_7000 + n / 16, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn joined(n: u64) -> Outcome<Event> {
    let username = Username::new(&format!("player {n}")).map_err(|violation| violation.description)?;
    Ok(Event::ParticipantJoined(ParticipantJoined {
        participant_id: participant(n),
        username,
        session_id: SessionId(Uuid::from_u128(n.into())),
        balance: INITIAL,
    }))
}

struct Writing<'a> {
    log: &'a EmbeddedLog,
    battle: BattleId,
    chain: ChainHead,
    revision: u64,
    waiting: Vec<NewEvent>,
}

impl Writing<'_> {
    async fn add(&mut self, event: Event) -> Outcome<()> {
        let command_id = CommandId(Uuid::from_u128(self.revision.into()));
        let surrounded = Envelope {
            command_id,
            correlation_id: command_id.0,
            causation_id: command_id.0,
            actor: "system".to_owned(),
            time: Timestamp::from_millis(1_795_484_834_123 + i64::try_from(self.revision)?),
            traceparent: None,
        };
        let encoded = codec::encode(&event);
        let (stream, id) = (self.battle.stream(), command_id.event_id(0));
        let (event_type, data) = (encoded.event_type, encoded.data);
        let revision = self.revision;
        let sealed = envelope::seal(&stream, revision, id, event_type, data, &surrounded, &mut self.chain);
        self.revision += 1;
        self.waiting.push(sealed);
        if self.waiting.len() == APPEND_EVENTS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Outcome<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let events = std::mem::take(&mut self.waiting);
        let stream = self.battle.stream().into();
        self.log.append(Append { stream, expected: Expected::Any, events }).await?;
        Ok(())
    }
}

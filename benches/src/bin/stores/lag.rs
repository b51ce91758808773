//! How old an event is when the tables and the boards hold it, while events come at a rate; then the tables built anew.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nimaora_benches::{BenchError, History};
use nimaora_change_bus::MemoryBus;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::log::SharedLog;
use nimaora_local_servers::{Nats, NatsOptions};
use nimaora_projection_service::parity::BoardsBeside;
use nimaora_projection_service::rebuild::{Progress, Rebuild};
use nimaora_projection_service::{Config, Deps, Projection};
use nimaora_read_models::postgres::PostgresReadModels;
use nimaora_read_models::redis::RedisLeaderboard;
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Clock, Health, Shutdown};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::servers::Servers;
use crate::{Args, LogKind, Row, quantiles};

/// How often events are appended: a part of a second's each time, spread over the battles.
const TICK: Duration = Duration::from_millis(10);
/// How often the stores are looked at. It adds half of this to what is measured.
const LOOK_INTERVAL: Duration = Duration::from_millis(4);
/// How long the last events may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An append: in which battle, its last position, and when it was acknowledged.
type Appended = (usize, u64, Instant);

/// Appends that one of the stores does not hold yet, and how old the others were when it did, in milliseconds.
#[derive(Default)]
struct Waiting {
    appended: Mutex<VecDeque<Appended>>,
    ages_ms: Mutex<Vec<f64>>,
}

impl Waiting {
    fn push(&self, appended: Appended) {
        self.appended.lock().push_back(appended);
    }

    /// Takes out what is held by now.
    fn held(&self, is_held: impl Fn(usize, u64) -> bool) {
        let now = Instant::now();
        let mut ages = self.ages_ms.lock();
        self.appended.lock().retain(|&(battle, position, acknowledged)| {
            let held = is_held(battle, position);
            if held {
                ages.push((now - acknowledged).as_secs_f64() * 1_000.0);
            }
            !held
        });
    }

    fn is_empty(&self) -> bool {
        self.appended.lock().is_empty()
    }
}

pub(crate) async fn measure(args: &Args, servers: &Servers, dir: &Path) -> Result<Vec<Row>, BenchError> {
    let clock = Clock::system();
    let (log, _nats) = open_log(args.log, dir, &clock).await?;
    let (tables, leaderboard) = (servers.tables().await?, servers.leaderboard()?);
    let mut histories: Vec<History> = (1..=args.battles).map(History::new).collect();
    for history in &mut histories {
        history.begin(&*log, args.players).await?;
    }
    let deps = Deps {
        log: Arc::clone(&log),
        leaderboard: Arc::<RedisLeaderboard>::clone(&leaderboard),
        read_models: Arc::<PostgresReadModels>::clone(&tables),
        bus: Arc::new(MemoryBus::default()),
    };
    let (shutdown, config) = (Shutdown::new(), Config::new(clock, 1));
    let handle = Projection::start(deps, config.clone(), &shutdown, &Health::default());
    handle.caught_up().await?;

    let battles: Vec<_> = histories.iter().map(|history| history.battle).collect();
    let waiting: [Arc<Waiting>; 2] = Default::default();
    let looking = shutdown.child();
    let (in_tables, of_tables) = (Arc::clone(&tables), Arc::clone(&waiting[0]));
    looking.spawn(async move {
        loop {
            if let Ok(found) = in_tables.checkpoints().await {
                of_tables.held(|_, position| position <= found.tables);
            }
            sleep(LOOK_INTERVAL).await;
        }
    });
    let (on_boards, of_boards) = (Arc::clone(&leaderboard), Arc::clone(&waiting[1]));
    looking.spawn(async move {
        loop {
            if let Ok(found) = on_boards.held(&battles).await {
                of_boards.held(|battle, position| found[battle].is_some_and(|held| position <= held));
            }
            sleep(LOOK_INTERVAL).await;
        }
    });
    let rate = append(args, &log, &mut histories, &waiting).await?;
    let give_up = Instant::now() + PATIENCE;
    while waiting.iter().any(|waiting| !waiting.is_empty()) {
        if Instant::now() > give_up {
            return Err(BenchError::Invalid("the stores do not hold what was appended".to_owned()));
        }
        sleep(LOOK_INTERVAL).await;
    }
    let lost = handle.status();
    let [in_tables, on_boards] =
        waiting.map(|waiting| quantiles(std::mem::take(&mut waiting.ages_ms.lock())));
    let anew = rebuild(&log, &tables, leaderboard, config, &shutdown).await?;
    shutdown.finish(PATIENCE).await;
    tables.close().await;
    let what =
        format!("{rate:.0} events a second straight to the log ({:?}), {} parked", args.log, lost.parked);
    Ok(vec![
        (format!("{what}: age in the tables, P50 / P99"), "P99 < 250 ms", in_tables),
        ("the same: age on the boards in Redis, P50 / P99".to_owned(), "P99 < 250 ms", on_boards),
        ("tables built anew in PostgreSQL, compared and exchanged".to_owned(), "≥ 100,000 a second", anew),
    ])
}

async fn open_log(kind: LogKind, dir: &Path, clock: &Clock) -> Result<(SharedLog, Option<Nats>), BenchError> {
    match kind {
        LogKind::Embedded => {
            Ok((EmbeddedLog::open(&dir.join("log"), EmbeddedConfig::new(clock.clone()))?, None))
        }
        LogKind::Jetstream => {
            let nats = Nats::start(&dir.join("nats"), NatsOptions::default()).await?;
            let config = JetStreamConfig::new(&nats.url(), clock.clone());
            let log = JetStreamLog::connect(config).await;
            Ok((log.map_err(|error| BenchError::Invalid(error.to_string()))?, Some(nats)))
        }
    }
}

/// Appends at the rate for the time; answers which rate it was.
async fn append(
    args: &Args,
    log: &SharedLog,
    histories: &mut [History],
    waiting: &[Arc<Waiting>; 2],
) -> Result<f64, BenchError> {
    let ticks = args.seconds * 1_000 / TICK.as_millis() as u64;
    let each = (args.events_per_second * TICK.as_millis() as u64 / 1_000 / args.battles).max(1);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (began, mut events) = (Instant::now(), 0);
    for _ in 0..ticks {
        tick.tick().await;
        let appends = histories.iter_mut().enumerate().map(|(battle, history)| async move {
            let appended = history.attack(&**log, each).await?;
            for waiting in waiting {
                waiting.push((battle, appended.last_position, Instant::now()));
            }
            Ok::<_, BenchError>(())
        });
        futures::future::try_join_all(appends).await?;
        events += each * args.battles;
    }
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

/// Builds the tables anew and exchanges them.
async fn rebuild(
    log: &SharedLog,
    tables: &Arc<PostgresReadModels>,
    leaderboard: Arc<RedisLeaderboard>,
    config: Config,
    shutdown: &Shutdown,
) -> Result<String, BenchError> {
    let progress = watch::Sender::new(Progress::default());
    let told = progress.subscribe();
    let tables = Arc::<PostgresReadModels>::clone(tables);
    let boards = BoardsBeside { leaderboard, tables: Arc::<PostgresReadModels>::clone(&tables) };
    let rebuild =
        Rebuild { log: Arc::clone(log), tables, boards, config, shutdown: shutdown.clone(), progress };
    let began = Instant::now();
    let rebuilt = rebuild.run(false).await.map_err(|error| BenchError::Invalid(error.to_string()))?;
    let (seconds, events) = (began.elapsed().as_secs_f64(), told.borrow().events);
    Ok(format!(
        "{:.0} a second ({events} events, {seconds:.2} s, {} rows differ)",
        events as f64 / seconds,
        rebuilt.comparison.differing
    ))
}

//! One playing process of a load: joins, listens, plays, and hands over what its players were told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crew::Crew;
use super::error::LoadError;
use super::facts::Slot;
use super::link::{CHUNK, Message, Order};
use super::listener::{Listener, OPENING_MAX};
use super::pacer::Pacer;
use super::plan::{Arrivals, joins};
use super::time::now_us;

/// Operations of one process under way at a time. When it is reached further ones wait, and their lag shows it.
const IN_FLIGHT_MAX: usize = 10_000;
/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Each player that waits for the start sends a heartbeat in each round of so many seconds.
const HEARTBEAT_ROUND_S: u32 = 30;
/// How long alerts may still come after the last attack was answered.
const ALERTS_TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is looked whether they all came.
const ALERTS_CHECK_EVERY: Duration = Duration::from_millis(50);
/// How often a list of attacks is asked for before it is given up, and the pause between.
const FETCH_TRIES: u32 = 20;
const FETCH_PAUSE: Duration = Duration::from_millis(500);
/// Files of a process that are no player's socket.
const FILES_OTHER: u64 = 100;

/// Follows the orders to the end, or says why it cannot.
pub(super) async fn run(orders: mpsc::Receiver<Order>, messages: mpsc::Sender<Message>) {
    if let Err(error) = follow(orders, &messages).await {
        // The leader may be gone already.
        let _ = messages.send(Message::Failed { reason: error.to_string() }).await;
    }
}

async fn follow(
    mut orders: mpsc::Receiver<Order>,
    messages: &mpsc::Sender<Message>,
) -> Result<(), LoadError> {
    let Some(Order::Join(setup)) = orders.recv().await else {
        return Ok(());
    };
    raise_files(setup.players)?;
    let worker = Worker {
        crew: Arc::new(Crew::new(setup)?),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let _stop = worker.stop.clone().drop_guard();
    worker.tell_progress(messages.clone());
    let waiting = worker.keep_alive();
    worker.join().await?;
    let participants = worker.participants();
    tell(messages, Message::Joined { participants }).await;

    let Some(Order::Play { everyone }) = orders.recv().await else {
        return Ok(());
    };
    waiting.cancel();
    let message = worker.play(everyone).await?;
    let facts = std::mem::take(&mut *worker.crew.facts.lock());
    for chunk in facts.chunks(CHUNK) {
        tell(messages, Message::Facts(chunk.to_vec())).await;
    }
    tell(messages, message).await;

    let Some(Order::Settle { landed, position }) = orders.recv().await else {
        return Ok(());
    };
    worker.settle(&landed, position).await;
    worker.hand_over(messages).await;
    Ok(())
}

struct Worker {
    crew: Arc<Crew>,
    /// Ends listeners and everything else that runs beside.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    fn tell_progress(&self, messages: mpsc::Sender<Message>) {
        let (crew, stop) = (Arc::clone(&self.crew), self.stop.clone());
        self.tasks.spawn(async move {
            let mut ticks = interval(PROGRESS_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                tell(&messages, Message::Progress(crew.counters.progress())).await;
            }
        });
    }

    /// Sends heartbeats for those who wait for the start, so that nobody lapses in a long joining phase.
    fn keep_alive(&self) -> CancellationToken {
        let (crew, stop) = (Arc::clone(&self.crew), self.stop.child_token());
        let stopped = stop.clone();
        self.tasks.spawn(async move {
            let mut ticks = interval(Duration::from_secs(1));
            let mut second = 0;
            while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
                for player in (second..crew.setup.players).step_by(HEARTBEAT_ROUND_S as usize) {
                    crew.beat_unmeasured(player).await;
                }
                second = (second + 1) % HEARTBEAT_ROUND_S;
            }
        });
        stop
    }

    /// Lets all players join at their pace, each opening its socket at once, and waits until all of them listen.
    async fn join(&self) -> Result<(), LoadError> {
        let setup = &self.crew.setup;
        let pace = setup.offer.joins_per_minute * setup.share();
        let began_us = now_us();
        let mut pacer = Pacer::start(joins(setup.players, pace), began_us, None)?;
        let opening = Arc::new(Semaphore::new(OPENING_MAX));
        let mut joining = JoinSet::new();
        while let Some(arrival) = pacer.due.recv().await {
            let (ready, is_ready) = oneshot::channel();
            let listener = Listener {
                crew: Arc::clone(&self.crew),
                player: arrival.player,
                opening: Arc::clone(&opening),
                stop: self.stop.clone(),
            };
            let (crew, tasks) = (Arc::clone(&self.crew), self.tasks.clone());
            joining.spawn(async move {
                crew.join(arrival.player, began_us + arrival.at_us).await?;
                tasks.spawn(listener.run(ready));
                let failed = |reason: String| LoadError::Player {
                    player: crew.slot(arrival.player),
                    action: "open its socket",
                    reason,
                };
                match is_ready.await {
                    Ok(opened) => opened.map_err(|error| failed(error.to_string())),
                    Err(_) => Err(failed("it was stopped".to_owned())),
                }
            });
            while let Some(joined) = joining.try_join_next() {
                flatten(joined)?;
            }
        }
        while let Some(joined) = joining.join_next().await {
            flatten(joined)?;
        }
        Ok(())
    }

    fn participants(&self) -> Vec<String> {
        let id = |player: &super::crew::Player| player.identity.get().map(|i| i.participant_id.clone());
        self.crew.players.iter().filter_map(id).collect()
    }

    /// The measured phase: sends what is due when it is due, whatever became of what was sent before.
    async fn play(&self, everyone: Vec<String>) -> Result<Message, LoadError> {
        // Set once: there is one measured phase.
        let _ = self.crew.everyone.set(everyone);
        let setup = &self.crew.setup;
        let cpu_before = nimaora_runtime::process::usage().cpu_seconds;
        let duration = Duration::from_millis(setup.duration_ms);
        let arrivals =
            Arrivals::new(setup.seed, setup.offer.rate_rps * setup.share(), duration, setup.players);
        let began_us = now_us();
        self.crew.began_us.store(began_us, Ordering::Relaxed);
        let mut pacer = Pacer::start(arrivals, began_us, Some(super::time::micros(duration)))?;
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let acting = TaskTracker::new();
        while let Some(arrival) = pacer.due.recv().await {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { break };
            let crew = Arc::clone(&self.crew);
            acting.spawn(async move {
                crew.act(arrival, began_us + arrival.at_us).await;
                drop(permit);
            });
        }
        let not_sent = pacer.not_sent();
        acting.close();
        // Every operation ends: each attempt and the time for repeats are bounded.
        acting.wait().await;
        let mut record = std::mem::take(&mut *self.crew.record.lock());
        record.not_sent = not_sent;
        let cpu_seconds = nimaora_runtime::process::usage().cpu_seconds - cpu_before;
        Ok(Message::Played { record: Box::new(record), cpu_seconds })
    }

    /// Waits until the alerts of the attacks that landed have come, then lets those who lost their socket fetch what they missed.
    async fn settle(&self, landed: &[(Slot, u64)], position: u64) {
        let deadline = Instant::now() + ALERTS_TIMEOUT;
        while landed.iter().any(|alert| self.is_missing(alert)) && Instant::now() < deadline {
            sleep(ALERTS_CHECK_EVERY).await;
        }
        let mut players: Vec<_> =
            landed.iter().filter(|a| self.is_missing(a)).map(|a| self.player(a.0)).collect();
        players.sort_unstable();
        players.dedup();
        for player in players {
            if self.crew.players[player as usize].reconnects.load(Ordering::Relaxed) > 0 {
                self.fetch(player, position).await;
            }
        }
    }

    fn is_missing(&self, (slot, position): &(Slot, u64)) -> bool {
        !self.crew.players[self.player(*slot) as usize].inbox.lock().has(*position)
    }

    fn player(&self, slot: Slot) -> u32 {
        slot - self.crew.setup.first
    }

    async fn fetch(&self, player: u32, position: u64) {
        let Some(identity) = self.crew.players[player as usize].identity.get() else {
            return;
        };
        for _ in 0..FETCH_TRIES {
            if self.crew.fetch_attacks(player, identity, position).await.is_ok() {
                return;
            }
            sleep(FETCH_PAUSE).await;
        }
    }

    /// Ends the listening and hands over the alerts.
    async fn hand_over(&self, messages: &mpsc::Sender<Message>) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        tell(messages, Message::Progress(self.crew.counters.progress())).await;
        let (mut alerts, mut reconnects) = (Vec::new(), 0);
        for player in &self.crew.players {
            alerts.extend(std::mem::take(&mut *player.inbox.lock()).into_alerts());
            reconnects += u64::from(player.reconnects.load(Ordering::Relaxed));
        }
        for chunk in alerts.chunks(CHUNK) {
            tell(messages, Message::Alerts(chunk.to_vec())).await;
        }
        let board_faults = std::mem::take(&mut *self.crew.board_faults.lock());
        tell(messages, Message::Settled { reconnects, board_faults }).await;
    }
}

/// Says something to the leader; when it is gone, nobody needs to hear it.
async fn tell(messages: &mpsc::Sender<Message>, message: Message) {
    let _ = messages.send(message).await;
}

fn flatten(joined: Result<Result<(), LoadError>, tokio::task::JoinError>) -> Result<(), LoadError> {
    joined.unwrap_or_else(|error| {
        Err(LoadError::Io { action: "let a player join", source: std::io::Error::other(error) })
    })
}

/// Lets this process open as many files as the system allows, and checks that they are enough.
fn raise_files(players: u32) -> Result<(), LoadError> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| LoadError::Io { action: "raise the limit of open files", source: error.into() })?;
    let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if u64::from(players) + FILES_OTHER > files_max {
        return Err(LoadError::Files { sockets: players, files_max });
    }
    Ok(())
}

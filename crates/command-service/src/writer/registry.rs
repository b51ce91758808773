//! The writers of the battles that are live here: finding them, opening them, and letting them go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use nimaora_domain::{AnswerKey, Battle, BattleId, Command, Participant, ParticipantId, Phase, Status};
use nimaora_event_log::Direction;
use nimaora_event_log::log::SharedLog;
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::Presence;
use parking_lot::RwLock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::config::Config;
use crate::error::CommandError;
use crate::metrics;
use crate::ownership::{Owner, Ownership};
use crate::snapshot::Snapshots;
use crate::writer::actor::Writer;
use crate::writer::order::Order;
use crate::writer::roster::{Look, Roster};

/// Enough that two cores seldom meet on one lock.
const SHARDS: usize = 16;
/// How often an order is tried on a writer that ends at this very moment.
const TRIES_MAX: usize = 8;

type Doors = HashMap<BattleId, Door, RandomState>;

/// What others have of a writer.
struct Door {
    mailbox: mpsc::Sender<Order>,
    roster: Arc<Roster>,
    /// Tells the writer to finish what it has and go.
    retire: Arc<Notify>,
}

/// What every writer works with.
pub(crate) struct Parts {
    pub(crate) log: SharedLog,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) answer_key: AnswerKey,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) shutdown: Shutdown,
}

/// What the writers share.
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    hasher: RandomState,
    /// An order is put in a mailbox under the reading lock, and a writer leaves under the writing lock only while its mailbox is
    /// empty; so no order is ever put where nobody looks.
    doors: [RwLock<Doors>; SHARDS],
    live: AtomicUsize,
}

/// The writers of all live battles. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writers(Arc<Shared>);

impl Writers {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            parts,
            hasher: RandomState::new(),
            doors: std::array::from_fn(|_| RwLock::default()),
            live: AtomicUsize::new(0),
        }))
    }

    /// What the writers work with.
    pub(crate) fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// How a participant stands in a battle; `None` where its writer is not live or has not read the battle yet.
    pub(crate) fn look(&self, battle_id: BattleId, participant_id: ParticipantId) -> Option<Look> {
        self.0.roster(battle_id, |roster| roster.look(participant_id))
    }

    /// Whether a battle is over; `None` where its writer is not live or has not read the battle yet.
    pub(crate) fn is_over(&self, battle_id: BattleId) -> Option<bool> {
        self.0.roster(battle_id, Roster::is_over)
    }

    /// Puts an order in the mailbox of its battle's writer, which is opened if it is not live.
    pub(crate) async fn submit(&self, battle_id: BattleId, order: Order) -> Result<(), CommandError> {
        let mut order = order;
        for _ in 0..TRIES_MAX {
            // Also a writer that is live takes nothing more.
            if self.0.parts.shutdown.is_requested() {
                return Err(CommandError::Draining);
            }
            order = match self.0.offer(battle_id, order)? {
                None => return Ok(()),
                Some(order) => order,
            };
            // Whoever makes up ids does not get a writer for each.
            if !matches!(order.command, Command::CreateBattle { .. }) {
                self.0.must_exist(battle_id).await?;
            }
            order = match self.open(battle_id, order)? {
                None => return Ok(()),
                Some(order) => order,
            };
        }
        Err(CommandError::MailboxFull)
    }

    /// Starts a writer with its first order. The order comes back if somebody else was faster.
    fn open(&self, battle_id: BattleId, order: Order) -> Result<Option<Order>, CommandError> {
        let mut doors = self.0.shard(battle_id).write();
        // A writer closes its mailbox when the server stops; another one beside it would only lose to it.
        if self.0.parts.shutdown.is_requested() {
            return Err(CommandError::Draining);
        }
        let there = doors.get(&battle_id);
        if there.is_some_and(|door| !door.mailbox.is_closed()) {
            return Ok(Some(order));
        }
        if there.is_none() {
            self.0.count_in()?;
        }
        let (sender, mailbox) = mpsc::channel(self.0.parts.config.mailbox_commands_max);
        if let Err(TrySendError::Full(order) | TrySendError::Closed(order)) = sender.try_send(order) {
            return Ok(Some(order));
        }
        let (roster, retire) = (Arc::new(Roster::default()), Arc::new(Notify::new()));
        let door = Door { mailbox: sender, roster: Arc::clone(&roster), retire: Arc::clone(&retire) };
        doors.insert(battle_id, door);
        let writer = Writer::new(battle_id, Arc::clone(&self.0), mailbox, roster, retire);
        self.0.parts.shutdown.spawn(writer.run());
        Ok(None)
    }
}

impl Writers {
    /// Lets go of battles that other nodes take, until the server stops.
    pub(crate) async fn let_go_taken(self) {
        let parts = self.parts();
        let mut taken = parts.ownership.taken();
        loop {
            tokio::select! {
                () = parts.shutdown.requested() => return,
                battle = taken.recv() => match battle {
                    Ok(battle_id) => self.0.retire(battle_id),
                    Err(RecvError::Lagged(_)) => self.0.retire_taken(),
                    Err(RecvError::Closed) => return,
                }
            }
        }
    }
}

impl Shared {
    fn retire(&self, battle_id: BattleId) {
        if let Some(door) = self.shard(battle_id).read().get(&battle_id) {
            door.retire.notify_one();
        }
    }

    /// Looks through all live battles: some that were taken went by.
    fn retire_taken(&self) {
        for doors in &self.doors {
            for (battle_id, door) in doors.read().iter() {
                if matches!(self.parts.ownership.known(*battle_id), Some(Owner::Other(_))) {
                    door.retire.notify_one();
                }
            }
        }
    }

    fn shard(&self, battle_id: BattleId) -> &RwLock<Doors> {
        &self.doors[(self.hasher.hash_one(battle_id) % SHARDS as u64) as usize]
    }

    /// Puts an order in its battle's mailbox. It comes back if the battle is not live.
    fn offer(&self, battle_id: BattleId, order: Order) -> Result<Option<Order>, CommandError> {
        match self.shard(battle_id).read().get(&battle_id).map(|door| door.mailbox.try_reserve()) {
            Some(Ok(place)) => {
                place.send(order);
                Ok(None)
            }
            Some(Err(TrySendError::Full(()))) => Err(CommandError::MailboxFull),
            Some(Err(TrySendError::Closed(()))) | None => Ok(Some(order)),
        }
    }

    /// What a battle's roster tells. That of a writer that takes no more orders tells nothing: it may be of the past.
    fn roster<T>(&self, battle_id: BattleId, tell: impl FnOnce(&Roster) -> Option<T>) -> Option<T> {
        let doors = self.shard(battle_id).read();
        doors.get(&battle_id).filter(|door| !door.mailbox.is_closed()).and_then(|door| tell(&door.roster))
    }

    fn count_in(&self) -> Result<(), CommandError> {
        let live = self.live.fetch_add(1, Ordering::Relaxed) + 1;
        if live > self.parts.config.writers_max {
            self.live.fetch_sub(1, Ordering::Relaxed);
            return Err(CommandError::WritersFull);
        }
        metrics::writers_live(live);
        Ok(())
    }

    async fn must_exist(&self, battle_id: BattleId) -> Result<(), CommandError> {
        let first = self.parts.log.read_stream(&battle_id.stream(), 0, Direction::Forwards, 1).await?;
        if first.is_empty() { Err(nimaora_domain::Refusal::BattleUnknown.into()) } else { Ok(()) }
    }

    /// Lets a writer go, unless an order came at the last moment. Answers whether it is gone.
    pub(crate) fn leave(
        &self,
        battle_id: BattleId,
        mailbox: &mpsc::Receiver<Order>,
        roster: &Arc<Roster>,
    ) -> bool {
        let mut doors = self.shard(battle_id).write();
        if !mailbox.is_empty() {
            return false;
        }
        // A writer that was retired may have a successor already.
        let own = doors.get(&battle_id).is_some_and(|door| Arc::ptr_eq(&door.roster, roster));
        if own {
            doors.remove(&battle_id);
            // Under the lock: whoever opens the next writer has claimed the battle anew.
            self.parts.ownership.release(battle_id);
            let live = self.live.fetch_sub(1, Ordering::Relaxed) - 1;
            metrics::writers_live(live);
        }
        true
    }

    /// Begins to wait for signs of life of everybody who is active in a battle that runs. Whoever was heard of later stays so.
    pub(crate) async fn expect_presence(&self, battle_id: BattleId, battle: &Battle) {
        if battle.phase() != Phase::Running {
            return;
        }
        let now_ms = self.parts.clock.now_ms();
        // The battle's first command waits for this; presence answers promptly or not at all.
        let participants = battle.participants().iter();
        let active: Vec<_> =
            participants.filter(|p| p.status() == Status::Active).map(Participant::id).collect();
        if let Err(error) = self.parts.presence.touch_all(battle_id, &active, now_ms).await {
            tracing::debug!(%battle_id, %error, "presence was not recorded");
            metrics::presence_failed();
        }
    }

    /// Waits for nobody of a battle any more. The timers do so too, when they hear of its end from the log; but they may be faster
    /// than the roster, and a sign of life in between would be kept.
    pub(crate) async fn forget_presence(&self, battle_id: BattleId) {
        if self.parts.presence.forget_battle(battle_id).await.is_err() {
            metrics::presence_failed();
        }
    }
}

//! The writers of the battles that are live here: finding them, opening them, and letting them go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use nimaora_domain::{AnswerKey, Battle, BattleId, Command, Phase, Status};
use nimaora_event_log::Direction;
use nimaora_event_log::log::SharedLog;
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::Presence;
use parking_lot::RwLock;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::config::Config;
use crate::error::CommandError;
use crate::metrics;
use crate::presence::prompt;
use crate::snapshot::Snapshots;
use crate::writer::actor::Writer;
use crate::writer::order::Order;

/// Enough that two cores seldom meet on one lock.
const SHARDS: usize = 16;
/// How often an order is tried on a writer that ends at this very moment.
const TRIES_MAX: usize = 8;

type Mailboxes = HashMap<BattleId, mpsc::Sender<Order>, RandomState>;

/// What every writer works with.
pub(crate) struct Shared {
    pub(crate) log: SharedLog,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) answer_key: AnswerKey,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) shutdown: Shutdown,
    hasher: RandomState,
    /// An order is put in a mailbox under the reading lock, and a writer leaves under the writing lock only while its mailbox is
    /// empty; so no order is ever put where nobody looks.
    mailboxes: [RwLock<Mailboxes>; SHARDS],
    live: AtomicUsize,
}

/// The writers of all live battles. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Writers(Arc<Shared>);

/// What every writer is made from.
pub(crate) struct Parts {
    pub(crate) log: SharedLog,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) answer_key: AnswerKey,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) shutdown: Shutdown,
}

impl Writers {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { log, presence, answer_key, clock, config, snapshots, shutdown } = parts;
        Self(Arc::new(Shared {
            log,
            presence,
            answer_key,
            clock,
            config,
            snapshots,
            shutdown,
            hasher: RandomState::new(),
            mailboxes: std::array::from_fn(|_| RwLock::default()),
            live: AtomicUsize::new(0),
        }))
    }

    /// What the writers work with.
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// Puts an order in the mailbox of its battle's writer, which is opened if it is not live.
    pub(crate) async fn submit(&self, battle_id: BattleId, order: Order) -> Result<(), CommandError> {
        let mut order = order;
        for _ in 0..TRIES_MAX {
            // Also a writer that is live takes nothing more.
            if self.0.shutdown.is_requested() {
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
        let mut mailboxes = self.0.shard(battle_id).write();
        // A writer closes its mailbox when the server stops; another one beside it would only lose to it.
        if self.0.shutdown.is_requested() {
            return Err(CommandError::Draining);
        }
        let there = mailboxes.get(&battle_id);
        if there.is_some_and(|mailbox| !mailbox.is_closed()) {
            return Ok(Some(order));
        }
        if there.is_none() {
            self.0.count_in()?;
        }
        let (sender, mailbox) = mpsc::channel(self.0.config.mailbox_commands_max);
        if let Err(TrySendError::Full(order) | TrySendError::Closed(order)) = sender.try_send(order) {
            return Ok(Some(order));
        }
        mailboxes.insert(battle_id, sender);
        self.0.shutdown.spawn(Writer::new(battle_id, Arc::clone(&self.0), mailbox).run());
        Ok(None)
    }
}

impl Shared {
    fn shard(&self, battle_id: BattleId) -> &RwLock<Mailboxes> {
        &self.mailboxes[(self.hasher.hash_one(battle_id) % SHARDS as u64) as usize]
    }

    /// Puts an order in its battle's mailbox. It comes back if the battle is not live.
    fn offer(&self, battle_id: BattleId, order: Order) -> Result<Option<Order>, CommandError> {
        match self.shard(battle_id).read().get(&battle_id).map(mpsc::Sender::try_reserve) {
            Some(Ok(place)) => {
                place.send(order);
                Ok(None)
            }
            Some(Err(TrySendError::Full(()))) => Err(CommandError::MailboxFull),
            Some(Err(TrySendError::Closed(()))) | None => Ok(Some(order)),
        }
    }

    fn count_in(&self) -> Result<(), CommandError> {
        let live = self.live.fetch_add(1, Ordering::Relaxed) + 1;
        if live > self.config.writers_max {
            self.live.fetch_sub(1, Ordering::Relaxed);
            return Err(CommandError::WritersFull);
        }
        metrics::writers_live(live);
        Ok(())
    }

    async fn must_exist(&self, battle_id: BattleId) -> Result<(), CommandError> {
        let first = self.log.read_stream(&battle_id.stream(), 0, Direction::Forwards, 1).await?;
        if first.is_empty() { Err(nimaora_domain::Refusal::BattleUnknown.into()) } else { Ok(()) }
    }

    /// Lets a writer go, unless an order came at the last moment. Answers whether it is gone.
    pub(crate) fn leave(&self, battle_id: BattleId, mailbox: &mpsc::Receiver<Order>) -> bool {
        let mut mailboxes = self.shard(battle_id).write();
        if !mailbox.is_empty() {
            return false;
        }
        if mailboxes.remove(&battle_id).is_some() {
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
        let now_ms = self.clock.now_ms();
        let touch_all = async {
            for participant in battle.participants().iter().filter(|p| p.status() == Status::Active) {
                self.presence.touch(battle_id, participant.id(), now_ms).await?;
            }
            Ok(())
        };
        // The battle's first command waits for this, so it has a deadline as a whole.
        if let Err(error) = prompt(touch_all).await {
            tracing::debug!(%battle_id, %error, "presence was not recorded");
            metrics::presence_failed();
        }
    }
}

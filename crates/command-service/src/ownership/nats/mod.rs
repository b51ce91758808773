//! Leases in a NATS key-value bucket.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | [`NatsOwnershipConfig`] |
//! | [`view`] | what this node knows: who lives, who owns what |
//! | [`bucket`] | reading and writing the bucket, each call with a deadline |
//! | [`tasks`] | the heartbeat, the watch, and giving battles up |
//! | [`tidying`] | removing what crashed nodes left behind |
//!
//! One bucket holds both the nodes (`node.<id>`) and the owners (`battle.<id>`), so that one watch brings both in order: a node that
//! sees its own heartbeat come back has seen every change of owner before it.

mod bucket;
pub mod config;
mod tasks;
mod tidying;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use async_nats::jetstream;
use async_trait::async_trait;
use nimaora_domain::BattleId;
use nimaora_runtime::Shutdown;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::timeout;
use uuid::Uuid;

use self::bucket::{Bucket, Claimed};
use self::tidying::Traces;
use self::view::{Claim, View};
use super::{Owner, Ownership, OwnershipError, TAKEN_MAX};
use crate::metrics;

pub use self::config::NatsOwnershipConfig;

/// How many claims are made at a time, those of one battle one after the other.
const CLAIM_LOCKS: usize = 64;
/// How often a claim is tried again because somebody else changed the entry.
const CLAIM_TRIES_MAX: usize = 4;
/// How many battles may wait to be given up in the bucket. When it is reached, the entry stays: others ask this node, which claims
/// the battle again.
const RELEASES_MAX: usize = 16_384;

/// Leases in a NATS key-value bucket.
pub struct NatsOwnership {
    shared: Arc<Shared>,
    releases: mpsc::Sender<(BattleId, u64)>,
    hasher: RandomState,
    /// Of all that wait for a battle nobody owns, one claims it.
    claims: [tokio::sync::Mutex<()>; CLAIM_LOCKS],
}

/// What the calls and the tasks share.
struct Shared {
    config: NatsOwnershipConfig,
    bucket: Bucket,
    view: RwLock<View>,
    /// Entries that were deleted and whose traces are still in the bucket.
    traces: Mutex<Traces>,
    taken: broadcast::Sender<BattleId>,
    /// Battles that are to be given up in the bucket, or are being.
    given_up: AtomicUsize,
    /// Asks for a heartbeat now.
    beat: Notify,
    /// The tasks; they end when this adapter has left, or is dropped.
    tasks: Shutdown,
}

impl NatsOwnership {
    /// Connects, and begins to tell the others that this node lives. Where NATS is down, it goes on trying; this waits for it no
    /// longer than the deadline of a call.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub async fn connect(config: NatsOwnershipConfig) -> Result<Self, OwnershipError> {
        let unusable = |reason: String| OwnershipError::Unavailable { reason };
        config.check().map_err(unusable)?;
        let options = async_nats::ConnectOptions::new()
            .name("nimaora ownership")
            .connection_timeout(config::CONNECT_TIMEOUT)
            .ping_interval(config::PING_EVERY)
            .retry_on_initial_connect()
            .reconnect_delay_callback(|_| config::RECONNECT_EVERY);
        let servers: Vec<&str> = config.url.split(',').collect();
        let client = options.connect(servers).await.map_err(|error| unusable(error.to_string()))?;
        let context = jetstream::new(client);
        let (releases, to_release) = mpsc::channel(RELEASES_MAX);
        let view = View::new(Arc::from(config.node.as_str()), Uuid::new_v4());
        let shared = Arc::new(Shared {
            bucket: Bucket::new(context, config.bucket.clone(), config.replicas),
            view: RwLock::new(view),
            traces: Mutex::default(),
            taken: broadcast::Sender::new(TAKEN_MAX),
            given_up: AtomicUsize::new(0),
            beat: Notify::new(),
            tasks: Shutdown::new(),
            config,
        });
        shared.tasks.spawn(tasks::beat(Arc::clone(&shared)));
        shared.tasks.spawn(tasks::watch(Arc::clone(&shared)));
        shared.tasks.spawn(tidying::run(Arc::clone(&shared)));
        shared.tasks.spawn(tasks::release(Arc::clone(&shared), to_release));
        drop(timeout(bucket::CALL_TIMEOUT, shared.until_current()).await);
        let claims = std::array::from_fn(|_| tokio::sync::Mutex::default());
        Ok(Self { shared, releases, hasher: RandomState::new(), claims })
    }

    async fn claim(&self, battle_id: BattleId) -> Result<Owner, OwnershipError> {
        let lock = (self.hasher.hash_one(battle_id) % CLAIM_LOCKS as u64) as usize;
        let _one_at_a_time = self.claims[lock].lock().await;
        for _ in 0..CLAIM_TRIES_MAX {
            let claim = self.shared.view.read().claim(battle_id);
            let (over, record) = match claim {
                Claim::Settled(owner) => return Ok(owner),
                Claim::Leaving => return Err(OwnershipError::Leaving),
                Claim::Over(over, record) => (over, record),
            };
            let entry = match self.shared.bucket.claim(battle_id, over, &record).await {
                Ok(Claimed::Mine(revision)) => {
                    if over.is_some() {
                        metrics::taken_over();
                    }
                    Some((revision, record))
                }
                Ok(Claimed::Theirs(entry)) => entry,
                // The bucket went away meanwhile: the next look at the view decides without it.
                Err(reason) => {
                    self.shared.view.write().lose_sight();
                    tracing::debug!(%battle_id, %reason, "a battle was not claimed");
                    continue;
                }
            };
            self.shared.learn(battle_id, entry);
        }
        Err(OwnershipError::Unavailable { reason: "others claim the battle at the same time".to_owned() })
    }
}

impl Shared {
    /// Takes note of who owns a battle.
    fn learn(&self, battle_id: BattleId, entry: Option<(u64, view::Lease)>) {
        let (taken, owned) = {
            let mut view = self.view.write();
            (view.learn(battle_id, entry), view.owned())
        };
        metrics::battles_owned(owned);
        if taken {
            // Without a receiver nobody has a writer that could be let go.
            drop(self.taken.send(battle_id));
        }
    }

    /// Waits until this node has seen its own sign of life.
    async fn until_current(&self) {
        while !self.view.read().is_current() {
            tokio::time::sleep(config::LOOK_EVERY).await;
        }
    }
}

#[async_trait]
impl Ownership for NatsOwnership {
    fn known(&self, battle_id: BattleId) -> Option<Owner> {
        self.shared.view.read().known(battle_id)
    }

    async fn owner(&self, battle_id: BattleId) -> Result<Owner, OwnershipError> {
        match self.known(battle_id) {
            Some(owner) => Ok(owner),
            None => self.claim(battle_id).await,
        }
    }

    fn release(&self, battle_id: BattleId) {
        let released = self.shared.view.write().release(battle_id);
        let Some(revision) = released else { return };
        self.shared.given_up.fetch_add(1, Ordering::Relaxed);
        if self.releases.try_send((battle_id, revision)).is_err() {
            self.shared.given_up.fetch_sub(1, Ordering::Relaxed);
            tracing::debug!(%battle_id, "too many battles are given up at once; the others ask here for this one");
        }
    }

    fn stop_claiming(&self) {
        self.shared.view.write().leave();
        self.shared.beat.notify_one();
    }

    async fn leave(&self) {
        self.stop_claiming();
        let mine = self.shared.view.read().mine();
        for battle_id in mine {
            self.release(battle_id);
        }
        let bucket = &self.shared.bucket;
        let given_up = async {
            while self.shared.given_up.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(config::LOOK_EVERY).await;
            }
        };
        drop(timeout(config::LEAVE_TIMEOUT, given_up).await);
        let node = self.shared.view.write().left();
        if let Err(reason) = bucket.forget_node(&node).await {
            tracing::info!(%reason, "the other nodes were not told that this one left; they will see that it is silent");
        }
    }

    fn taken(&self) -> broadcast::Receiver<BattleId> {
        self.shared.taken.subscribe()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

impl Drop for NatsOwnership {
    fn drop(&mut self) {
        self.shared.tasks.request();
    }
}

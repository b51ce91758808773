//! The bus between processes, on core NATS.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | where NATS is; how a connection is made |
//! | `wire` | subjects and messages |
//! | `publisher` | numbers what it publishes, and beats |
//! | `hub` | what is followed here; compares beats with what arrived |
//! | `channel` | one lane of a battle: one subscription for all its followers |
//! | `relay` | what the nodes of the realtime service tell each other |
//! | `inbox` | what waits for one follower |
//!
//! Core NATS delivers at most once. Here nothing is lost unnoticed: each batch has a number within its battle and lane, and
//! each second a publisher tells which numbers were the last, in beats that are numbered too. A number that is left out, a
//! beat that does not come, another publisher and a connection that was lost all tell the followers that they lagged.

mod channel;
pub mod config;
mod hub;
mod inbox;
mod publisher;
mod relay;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use nimaora_domain::BattleId;
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use self::config::{NatsBusConfig, NatsBusError};
use self::hub::Hub;
use self::inbox::Inbox;
use self::publisher::{Publisher, connected, unavailable};
use crate::bus::{BusError, BusMessage, ChangeBus, Changes};
use crate::change::ChangeBatch;
use crate::lane::Lane;

/// The bus between processes. Clones share its connection.
#[derive(Clone)]
pub struct NatsBus {
    inner: Arc<Inner>,
}

struct Inner {
    client: async_nats::Client,
    publisher: Arc<Publisher>,
    hub: Arc<Hub>,
    follow_timeout: Duration,
    /// Counts connections and full queues.
    troubles: watch::Receiver<u64>,
    /// Ends when the bus is dropped.
    _watching: Task,
    /// There once something was published.
    beating: OnceCell<Task>,
}

/// A task that ends with its value.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NatsBus {
    /// Connects. Afterwards it connects again by itself, whatever happens to the servers.
    ///
    /// # Errors
    /// [`NatsBusError::Url`] when the URL is not one, [`NatsBusError::Unavailable`] when no server answers in time.
    pub async fn connect(config: &NatsBusConfig) -> Result<Self, NatsBusError> {
        let (troubles, mut seen) = watch::channel(0);
        let client = config.connect(troubles).await?;
        let publish_timeout = Duration::from_millis(config.publish_timeout_ms);
        let publisher = Arc::new(Publisher::new(client.clone(), publish_timeout));
        let hub = Arc::new(Hub::new(client.clone(), Arc::clone(&publisher)));
        let late = || NatsBusError::Unavailable { reason: "no subscription in time".to_owned() };
        // The first connection is no trouble to anybody; it is not to be taken for one later.
        let first = timeout(publish_timeout, seen.wait_for(|connections| *connections > 0)).await;
        first.ok().and_then(|first| first.ok().map(|_| ())).ok_or_else(late)?;
        let beats = timeout(publish_timeout, client.subscribe(wire::BEATS)).await;
        let beats = beats.ok().and_then(Result::ok).ok_or_else(late)?;
        let troubles = seen.clone();
        let watching = Task(tokio::spawn(Arc::clone(&hub).watch(beats, seen)).abort_handle());
        let follow_timeout = Duration::from_millis(config.follow_timeout_ms);
        let beating = OnceCell::new();
        let inner = Inner { client, publisher, hub, follow_timeout, troubles, _watching: watching, beating };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Inner {
    /// Begins to beat with the first publication, so that who only follows is not taken for a publisher.
    async fn begin_to_beat(&self) -> Result<(), BusError> {
        let begin = async || {
            let questions = self.publisher.questions().await?;
            let running = Arc::clone(&self.publisher).run(questions);
            Ok(Task(tokio::spawn(running).abort_handle()))
        };
        self.beating.get_or_try_init(begin).await.map(|_| ())
    }
}

#[async_trait]
impl ChangeBus for NatsBus {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        connected(&self.inner.client)?;
        self.inner.begin_to_beat().await?;
        self.inner.publisher.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        connected(&self.inner.client)?;
        let (inner, inbox) = (Arc::clone(&self.inner), Arc::<Inbox>::default());
        let follower = Follower { inner, battle_id, lanes: lanes.to_vec(), inbox };
        let hub = &self.inner.hub;
        let channels: Vec<_> = lanes.iter().map(|lane| hub.join(battle_id, *lane, &follower.inbox)).collect();
        let all = try_join_all(channels.iter().map(|channel| hub::until_ready(channel)));
        match timeout(self.inner.follow_timeout, all).await {
            Ok(Ok(_)) => Ok(Box::new(follower)),
            Ok(Err(reason)) => Err(unavailable(reason)),
            Err(_) => Err(unavailable("NATS did not take the subscription in time")),
        }
    }
}

struct Follower {
    inner: Arc<Inner>,
    battle_id: BattleId,
    lanes: Vec<Lane>,
    inbox: Arc<Inbox>,
}

#[async_trait]
impl Changes for Follower {
    async fn next(&mut self) -> Result<BusMessage, BusError> {
        self.inbox.next().await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        for lane in &self.lanes {
            self.inner.hub.leave(self.battle_id, *lane, &self.inbox);
        }
    }
}

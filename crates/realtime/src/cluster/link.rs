//! A node's side of the relay: what it says, and the others that it hears.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::message::{NodeId, Say};
use super::outgoing::{Outgoing, Words, outgoing};
use crate::bounded::Sender;
use crate::metrics;

/// How long it may take until the relay has what the others must be told. Then they are not told.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);
/// A node that was not heard for so long is gone, unless nothing at all is heard.
const GONE_AFTER: Duration = Duration::from_secs(6);
/// A node that does not hear itself for so long hears nobody.
const DEAF_AFTER: Duration = Duration::from_millis(2_500);

/// A node's side of the relay.
pub(crate) struct Link {
    pub(crate) id: NodeId,
    outgoing: Sender<Words>,
    /// The other nodes, and when each was last heard.
    peers: Mutex<AHashMap<NodeId, Instant>>,
    /// When this node last heard what it said itself.
    heard_itself_at: Mutex<Instant>,
    /// Whether the others have had the time to say that they live.
    is_settled: watch::Sender<bool>,
    /// Whether this node has nothing to say any more.
    ended: CancellationToken,
    lives: AtomicU64,
}

/// The other nodes could not be told.
#[derive(Debug)]
pub(crate) struct Untold;

impl Link {
    pub(crate) fn new() -> (Self, Outgoing) {
        let (outgoing, waiting) = outgoing();
        let link = Self {
            id: Uuid::new_v4(),
            outgoing,
            peers: Mutex::default(),
            heard_itself_at: Mutex::new(Instant::now()),
            is_settled: watch::Sender::new(false),
            ended: CancellationToken::new(),
            lives: AtomicU64::new(0),
        };
        (link, waiting)
    }

    /// Says something to all others. Never waits.
    pub(crate) fn say(&self, say: Say) {
        if self.outgoing.try_send(Words::Of(say)).is_err() {
            metrics::relay_dropped();
        }
    }

    /// Says something to all others, known or not, and waits until it is handed to the relay.
    pub(crate) async fn tell(&self, says: Vec<Say>) -> Result<(), Untold> {
        let (told, is_told) = oneshot::channel();
        self.outgoing.try_send(Words::Told(says, told)).map_err(|_| Untold)?;
        match timeout(TELL_TIMEOUT, is_told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Untold),
        }
    }

    /// From now on this node says only what waits to be said.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Waits until the node has closed its sockets.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Says it if anybody is known who could hear it. Who comes later asks.
    pub(crate) fn say_to_peers(&self, say: impl FnOnce() -> Say) {
        if !self.peers.lock().is_empty() {
            self.say(say());
        }
    }

    /// The other nodes.
    pub(crate) fn peers(&self) -> Vec<NodeId> {
        self.peers.lock().keys().copied().collect()
    }

    /// Whether of all nodes this one speaks for those that are gone.
    pub(crate) fn speaks_for_others(&self) -> bool {
        self.peers.lock().keys().all(|peer| self.id < *peer)
    }

    /// A number above all that this node gave before: of a channel's life, or of a count.
    pub(crate) fn next_number(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Something of this node came back to it.
    pub(super) fn heard_itself(&self) {
        *self.heard_itself_at.lock() = Instant::now();
    }

    /// Another node was heard; answers whether it was not known.
    pub(super) fn heard(&self, peer: NodeId) -> bool {
        self.peers.lock().insert(peer, Instant::now()).is_none()
    }

    pub(super) fn forget(&self, peer: NodeId) {
        self.peers.lock().remove(&peer);
    }

    /// The nodes that are silent for too long; they are known no more. Nobody is while this node hears nothing at all.
    pub(super) fn take_silent(&self) -> Vec<NodeId> {
        let now = Instant::now();
        let mut peers = self.peers.lock();
        if now.duration_since(*self.heard_itself_at.lock()) > DEAF_AFTER {
            peers.values_mut().for_each(|heard_at| *heard_at = now);
            return Vec::new();
        }
        let silent = |heard_at: &Instant| now.duration_since(*heard_at) > GONE_AFTER;
        let gone = peers.iter().filter(|(_, heard_at)| silent(heard_at)).map(|(peer, _)| *peer).collect();
        peers.retain(|_, heard_at| !silent(heard_at));
        gone
    }

    pub(super) fn settle(&self) {
        self.is_settled.send_replace(true);
    }

    /// Waits until those who live have had the time to say so.
    pub(crate) async fn settled(&self) {
        // The sender lives as long as this link.
        let _ = self.is_settled.subscribe().wait_for(|settled| *settled).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = Uuid::from_u128(1);

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_is_gone_unless_nothing_is_heard() {
        let (link, _outgoing) = Link::new();
        assert!(link.heard(PEER));
        assert!(!link.heard(PEER));
        tokio::time::advance(GONE_AFTER * 2).await;
        assert!(link.take_silent().is_empty(), "this node is deaf");
        tokio::time::advance(GONE_AFTER / 2).await;
        link.heard_itself();
        assert!(link.take_silent().is_empty());
        tokio::time::advance(GONE_AFTER).await;
        link.heard_itself();
        assert_eq!(link.take_silent(), [PEER]);
        assert!(link.heard(PEER), "one that comes back is as a new one");
    }
}

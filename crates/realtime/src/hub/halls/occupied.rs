//! Which channels have sockets on any node, for those who are told when one gets its first and loses its last. Kept only where
//! somebody is told. All nodes know all of it, and the one that speaks for others tells what is vacated.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;

use crate::cluster::NodeId;

/// How long a channel may be empty before it is told, in milliseconds: a page that is loaded anew goes unnoticed.
const GRACE_MS: u64 = 3_000;

/// Channels with sockets.
#[derive(Default)]
pub(super) struct Occupied {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    channels: AHashMap<Arc<str>, Where>,
    /// Channels without sockets, and when that is told. Some may have sockets again.
    leaving: VecDeque<(u64, Arc<str>)>,
}

#[derive(Default)]
struct Where {
    is_here: bool,
    elsewhere: AHashSet<NodeId>,
    /// When it has lost its last socket.
    left_ms: Option<u64>,
}

impl Occupied {
    /// The channel has a socket on this node; answers whether it had none on any.
    pub(super) fn opened(&self, channel: &Arc<str>) -> bool {
        let mut inner = self.inner.lock();
        let at = inner.channels.entry(Arc::clone(channel)).or_default();
        let is_first = !at.is_occupied() && at.left_ms.is_none();
        at.is_here = true;
        at.left_ms = None;
        is_first
    }

    /// The channel has no socket on this node any more.
    pub(super) fn closed(&self, channel: &Arc<str>, now_ms: u64) {
        self.inner.lock().change(channel, now_ms, |at| at.is_here = false);
    }

    /// Another node has sockets of these channels.
    pub(super) fn opened_elsewhere(&self, node: NodeId, channels: Vec<Arc<str>>) {
        let mut inner = self.inner.lock();
        for channel in channels {
            let at = inner.channels.entry(channel).or_default();
            at.elsewhere.insert(node);
            at.left_ms = None;
        }
    }

    /// Another node has no socket of the channel any more.
    pub(super) fn closed_elsewhere(&self, node: NodeId, channel: &Arc<str>, now_ms: u64) {
        self.inner.lock().change(channel, now_ms, |at| {
            at.elsewhere.remove(&node);
        });
    }

    /// Another node is gone.
    pub(super) fn forget(&self, node: NodeId, now_ms: u64) {
        let mut inner = self.inner.lock();
        let lost = inner.channels.iter().filter(|(_, at)| at.elsewhere.contains(&node));
        let lost: Vec<_> = lost.map(|(channel, _)| Arc::clone(channel)).collect();
        for channel in lost {
            inner.change(&channel, now_ms, |at| {
                at.elsewhere.remove(&node);
            });
        }
    }

    /// The channels on this node.
    pub(super) fn here(&self) -> Vec<Arc<str>> {
        let inner = self.inner.lock();
        let here = inner.channels.iter().filter(|(_, at)| at.is_here);
        here.map(|(channel, _)| Arc::clone(channel)).collect()
    }

    /// Channels that lost their last socket a while ago.
    pub(super) fn take_vacated(&self, now_ms: u64) -> Vec<Arc<str>> {
        let mut inner = self.inner.lock();
        let mut vacated = Vec::new();
        while inner.leaving.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            let Some((_, channel)) = inner.leaving.pop_front() else { break };
            let left_ms = inner.channels.get(&channel).and_then(|at| at.left_ms);
            if left_ms.is_some_and(|left_ms| left_ms + GRACE_MS <= now_ms) {
                inner.channels.remove(&channel);
                vacated.push(channel);
            }
        }
        vacated
    }
}

impl Inner {
    fn change(&mut self, channel: &Arc<str>, now_ms: u64, how: impl FnOnce(&mut Where)) {
        let Some(at) = self.channels.get_mut(channel) else { return };
        how(at);
        if !at.is_occupied() {
            at.left_ms = Some(now_ms);
            self.leaving.push_back((now_ms + GRACE_MS, Arc::clone(channel)));
        }
    }
}

impl Where {
    fn is_occupied(&self) -> bool {
        self.is_here || !self.elsewhere.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NODE: NodeId = Uuid::from_u128(1);

    fn channel() -> Arc<str> {
        "news".into()
    }

    #[test]
    fn a_channel_is_occupied_once_and_vacated_a_while_after_its_last_socket() {
        let occupied = Occupied::default();
        assert!(occupied.opened(&channel()));
        occupied.opened_elsewhere(NODE, vec![channel()]);
        occupied.closed(&channel(), 0);
        assert!(occupied.take_vacated(GRACE_MS * 2).is_empty(), "it is open elsewhere");
        assert!(!occupied.opened(&channel()));
        occupied.closed_elsewhere(NODE, &channel(), 0);
        occupied.closed(&channel(), 10_000);
        assert!(!occupied.opened(&channel()), "a page was loaded anew");
        occupied.closed(&channel(), 11_000);
        assert!(occupied.take_vacated(10_000 + GRACE_MS).is_empty());
        assert_eq!(occupied.take_vacated(11_000 + GRACE_MS), [channel()]);
        assert!(occupied.opened(&channel()));
    }

    #[test]
    fn what_a_node_that_died_had_is_vacated() {
        let occupied = Occupied::default();
        occupied.opened_elsewhere(NODE, vec![channel()]);
        occupied.forget(NODE, 0);
        assert_eq!(occupied.take_vacated(GRACE_MS), [channel()]);
    }
}

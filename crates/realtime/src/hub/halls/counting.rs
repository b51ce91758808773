//! How many sockets listen to a channel, on all nodes, for those who listen: `pusher_internal:subscription_count`. Where the application has
//! asked for it.

use ahash::AHashMap;

use crate::cluster::{NodeId, Sockets};

/// The shortest time between two counts, in milliseconds; of a channel with many sockets, where each count goes to all of them.
const INTERVAL_MS: u64 = 1_000;
const INTERVAL_OF_MANY_MS: u64 = 5_000;
/// So many sockets are many; the protocol's own bound.
const MANY: usize = 100;

/// A channel's sockets.
#[derive(Debug, Default)]
pub(super) struct Counting {
    elsewhere: AHashMap<NodeId, Peer>,
    /// What the other nodes were told of this one.
    said: usize,
    /// What those who listen were told, and when they may be told the next.
    told: usize,
    next_at_ms: u64,
}

#[derive(Debug, Default)]
struct Peer {
    sockets: Sockets,
    /// Looks at it since it last said how many it has.
    looks: u32,
}

/// Looks at a peer that says nothing before it is asked.
const LOOKS_MAX: u32 = 3;

/// What is to be done about the count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The other nodes are told that so many are here.
    pub(super) say: Option<usize>,
    /// Those who listen are told that there are so many.
    pub(super) tell: Option<usize>,
    /// It is to be looked at again.
    pub(super) again: bool,
}

impl Counting {
    /// Another node has so many, if that is not older than what is known.
    pub(super) fn heard(&mut self, node: NodeId, sockets: Sockets) {
        let peer = self.elsewhere.entry(node).or_default();
        peer.looks = 0;
        peer.sockets = peer.sockets.max(sockets);
    }

    /// Some time has passed; answers with the nodes that have said nothing for long, and are to be asked.
    pub(super) fn look_at_peers(&mut self) -> Vec<NodeId> {
        let counted = self.elsewhere.iter_mut().filter(|(_, peer)| peer.sockets.count > 0);
        let looked = counted.map(|(node, peer)| {
            peer.looks += 1;
            (*node, peer.looks)
        });
        looked.filter(|(_, looks)| *looks >= LOOKS_MAX).map(|(node, _)| node).collect()
    }

    /// Whether of all nodes with sockets this one tells the application.
    pub(super) fn speaks(&self, own: NodeId) -> bool {
        self.elsewhere.iter().all(|(node, peer)| peer.sockets.count == 0 || own < *node)
    }

    /// Another node is gone.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.elsewhere.remove(&node);
    }

    /// What is due when so many are here.
    pub(super) fn due(&mut self, here: usize, now_ms: u64) -> Due {
        let say = (here != self.said).then_some(here);
        self.said = here;
        let total = here + self.elsewhere.values().map(|peer| peer.sockets.count).sum::<usize>();
        if total == self.told {
            return Due { say, ..Due::default() };
        }
        if now_ms < self.next_at_ms {
            return Due { say, tell: None, again: true };
        }
        self.told = total;
        self.next_at_ms = now_ms + if total >= MANY { INTERVAL_OF_MANY_MS } else { INTERVAL_MS };
        Due { say, tell: Some(total), again: false }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_count_is_told_once_it_has_changed_and_not_too_often() {
        let node = Uuid::from_u128(1);
        let mut counting = Counting::default();
        assert_eq!(counting.due(1, 0), Due { say: Some(1), tell: Some(1), again: false });
        assert_eq!(counting.due(1, 1), Due::default());
        counting.heard(node, Sockets { number: 1, count: 2 });
        assert_eq!(counting.due(2, 2), Due { say: Some(2), tell: None, again: true });
        assert_eq!(counting.due(2, INTERVAL_MS), Due { say: None, tell: Some(4), again: false });
        counting.heard(node, Sockets { number: 3, count: 200 });
        counting.heard(node, Sockets { number: 2, count: 7 });
        assert_eq!(counting.due(2, 2 * INTERVAL_MS).tell, Some(202));
        counting.forget(node);
        assert!(counting.due(2, 3 * INTERVAL_MS).again);
        assert_eq!(counting.due(2, 2 * INTERVAL_MS + INTERVAL_OF_MANY_MS).tell, Some(2));
    }

    #[test]
    fn a_node_whose_end_was_not_heard_is_asked_and_one_of_those_with_sockets_speaks() {
        let (low, own, high) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let mut counting = Counting::default();
        counting.heard(high, Sockets { number: 1, count: 1 });
        assert!(counting.speaks(own));
        counting.heard(low, Sockets { number: 1, count: 1 });
        assert!(!counting.speaks(own));
        counting.heard(low, Sockets { number: 2, count: 0 });
        assert!(counting.speaks(own), "it has none any more");
        for _ in 1..LOOKS_MAX {
            assert!(counting.look_at_peers().is_empty());
        }
        assert_eq!(counting.look_at_peers(), [high]);
        counting.heard(high, Sockets { number: 2, count: 0 });
        assert!(counting.look_at_peers().is_empty());
    }
}

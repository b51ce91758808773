//! What this node knows of the others: who lives, and who owns what. Pure but for the clock; nothing here waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use nimaora_domain::BattleId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::{Owner, Peer};
use super::bucket::Identity;
use super::config::{BLIND_AFTER, DEAD_AFTER, DOUBT_AFTER};

/// What the bucket says of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeRecord {
    /// Where its gRPC server listens.
    pub(super) url: Arc<str>,
    /// A number that is another one after each start.
    pub(super) incarnation: Uuid,
    /// Whether it claims nothing any more.
    pub(super) leaving: bool,
}

/// What the bucket says of a battle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The owner's name.
    pub(super) node: Arc<str>,
    /// The owner's incarnation.
    pub(super) incarnation: Uuid,
}

struct Node {
    record: NodeRecord,
    /// The revision of its entry.
    revision: u64,
    heard_at: Instant,
}

struct Entry {
    revision: u64,
    /// Whether it was told since the watch began. What was not is not in the bucket any more.
    told: bool,
    /// `None` once it was given up.
    lease: Option<Lease>,
}

/// What to do about a battle whose owner is not known.
pub(super) enum Claim {
    /// Its owner is known after all.
    Settled(Owner),
    /// This node claims nothing, and there is no other.
    Leaving,
    /// It is to be claimed over this revision of its entry, or where there is none.
    Over(Option<u64>, Lease),
}

/// What this node knows.
pub(super) struct View {
    me: Lease,
    leaving: bool,
    left: bool,
    nodes: HashMap<Arc<str>, Node, RandomState>,
    /// As many as battles are live on all nodes together.
    owners: HashMap<BattleId, Entry, RandomState>,
    owned: usize,
    /// The bucket that the revisions are of.
    bucket: Option<Identity>,
    /// Whether the watch began anew and this node's heartbeat has not come back since.
    retelling: bool,
    /// When the last heartbeat that was taken was sent.
    renewed_at: Option<Instant>,
    /// When this node's own heartbeat was last seen to come back.
    seen_at: Option<Instant>,
    /// Since when it comes back without a gap.
    seen_since: Instant,
}

impl View {
    pub(super) fn new(node: Arc<str>, incarnation: Uuid) -> Self {
        Self {
            me: Lease { node, incarnation },
            leaving: false,
            left: false,
            nodes: HashMap::default(),
            owners: HashMap::default(),
            owned: 0,
            bucket: None,
            retelling: false,
            renewed_at: None,
            seen_at: None,
            seen_since: Instant::now(),
        }
    }

    /// This node has given everything up and tells no more that it lives. Answers its name.
    pub(super) fn left(&mut self) -> Arc<str> {
        self.left = true;
        Arc::clone(&self.me.node)
    }

    /// Whether it has.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    /// This node's record, as it is to stand in the bucket.
    pub(super) fn record(&self, url: &str) -> NodeRecord {
        NodeRecord { url: url.into(), incarnation: self.me.incarnation, leaving: self.leaving }
    }

    /// Whether the view is not older than a moment.
    pub(super) fn is_current(&self) -> bool {
        self.seen_at.is_some_and(|at| at.elapsed() < BLIND_AFTER)
    }

    /// The bucket did not answer: the view counts as old until a heartbeat comes back.
    pub(super) fn lose_sight(&mut self) {
        self.seen_at = None;
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    /// A heartbeat that was sent then was taken.
    pub(super) fn renewed(&mut self, sent_at: Instant) {
        self.renewed_at = Some(sent_at);
    }

    /// How many battles this node owns.
    pub(super) fn owned(&self) -> usize {
        self.owned
    }

    /// The battles that this node owns.
    pub(super) fn mine(&self) -> Vec<BattleId> {
        let mine = self.owners.iter().filter(|(_, entry)| entry.lease.as_ref() == Some(&self.me));
        mine.map(|(battle_id, _)| *battle_id).collect()
    }

    pub(super) fn known(&self, battle_id: BattleId) -> Option<Owner> {
        let lease = self.owners.get(&battle_id)?.lease.as_ref()?;
        if *lease == self.me {
            let believes = self.renewed_at.is_some_and(|at| at.elapsed() < DOUBT_AFTER);
            return believes.then_some(Owner::Me);
        }
        self.living(lease).map(Owner::Other)
    }

    /// What to do about a battle whose owner is not known.
    ///
    /// Where the bucket is out of sight nothing can be claimed, and nobody else can claim either: this node goes on with what it
    /// owns, and the nodes agree about the rest by the battles' ids.
    pub(super) fn claim(&self, battle_id: BattleId) -> Claim {
        let entry = self.owners.get(&battle_id);
        let lease = entry.and_then(|entry| entry.lease.as_ref());
        if let Some(owner) = self.known(battle_id) {
            return Claim::Settled(owner);
        }
        if self.leaving {
            return self.elect(battle_id).map_or(Claim::Leaving, |peer| Claim::Settled(Owner::Other(peer)));
        }
        if !self.is_current() {
            let mine = lease == Some(&self.me);
            let elected = if mine { None } else { self.elect(battle_id) };
            return Claim::Settled(elected.map_or(Owner::Me, Owner::Other));
        }
        // A node of which nothing was heard yet may live all the same, until it was listened for long enough.
        let unheard = lease.is_some_and(|lease| !self.nodes.contains_key(&lease.node));
        if unheard && self.seen_since.elapsed() < DEAD_AFTER && lease != Some(&self.me) {
            return self.elect(battle_id).map_or(Claim::Leaving, |peer| Claim::Settled(Owner::Other(peer)));
        }
        let over = entry.map(|entry| entry.revision);
        Claim::Over(over, self.me.clone())
    }

    /// The node that is to have a battle for which there is no lease, this one excepted if it is leaving. `None` is this node.
    fn elect(&self, battle_id: BattleId) -> Option<Peer> {
        let weigh = |node: &str| {
            let bytes = battle_id.0.as_bytes().iter().chain(node.as_bytes());
            crc32c::crc32c(&bytes.copied().collect::<Vec<_>>())
        };
        let current = self.is_current();
        let lives = |node: &Node| !node.record.leaving && (!current || node.heard_at.elapsed() < DEAD_AFTER);
        let others = self.nodes.iter().filter(|(name, node)| **name != self.me.node && lives(node));
        let (name, node) = others.max_by_key(|(name, _)| weigh(name))?;
        let mine = !self.leaving && weigh(&self.me.node) > weigh(name);
        (!mine).then(|| Peer { node: Arc::clone(name), url: Arc::clone(&node.record.url) })
    }

    fn living(&self, lease: &Lease) -> Option<Peer> {
        let node = self.nodes.get(&lease.node)?;
        // While this node hears nothing at all, silence says nothing about the others.
        let heard = node.heard_at.elapsed() < DEAD_AFTER || !self.is_current();
        let lives = heard && node.record.incarnation == lease.incarnation;
        lives.then(|| Peer { node: Arc::clone(&lease.node), url: Arc::clone(&node.record.url) })
    }

    /// A node's heartbeat was seen, or that it left.
    pub(super) fn hear(&mut self, name: &str, revision: u64, record: Option<NodeRecord>) {
        let now = Instant::now();
        let Some(record) = record else {
            self.nodes.remove(name);
            return;
        };
        if *name == *self.me.node && record.incarnation == self.me.incarnation {
            if !self.is_current() {
                self.seen_since = now;
                // Nobody could be heard meanwhile.
                for node in self.nodes.values_mut() {
                    node.heard_at = now;
                }
            }
            self.seen_at = Some(now);
            // All that is older than the heartbeat was told before it.
            if std::mem::take(&mut self.retelling) {
                self.keep(|entry| entry.told);
            }
        }
        self.nodes.insert(name.into(), Node { record, revision, heard_at: now });
    }

    /// Takes note of who owns a battle; older news than what is known changes nothing. Answers whether another node has it now.
    pub(super) fn learn(&mut self, battle_id: BattleId, entry: Option<(u64, Lease)>) -> bool {
        let Some((revision, lease)) = entry else {
            self.forget(battle_id, u64::MAX);
            return false;
        };
        if let Some(known) = self.owners.get_mut(&battle_id).filter(|known| known.revision >= revision) {
            known.told |= known.revision == revision;
            return false;
        }
        let mine = lease == self.me;
        let before = self.owners.insert(battle_id, Entry { revision, told: true, lease: Some(lease) });
        let was_mine = before.and_then(|entry| entry.lease).is_some_and(|lease| lease == self.me);
        self.owned = self.owned + usize::from(mine) - usize::from(was_mine);
        !mine
    }

    /// A battle's entry was deleted in this revision.
    pub(super) fn forget(&mut self, battle_id: BattleId, revision: u64) {
        if self.owners.get(&battle_id).is_some_and(|known| known.revision < revision)
            && let Some(entry) = self.owners.remove(&battle_id)
        {
            self.owned -= usize::from(entry.lease.is_some_and(|lease| lease == self.me));
        }
    }

    /// Gives a battle up. Answers the revision of its entry, if this node owned it.
    pub(super) fn release(&mut self, battle_id: BattleId) -> Option<u64> {
        let entry = self.owners.get_mut(&battle_id)?;
        let lease = entry.lease.take_if(|lease| *lease == self.me)?;
        self.owned -= usize::from(lease == self.me);
        Some(entry.revision)
    }

    /// The watch begins anew, and all is told again. Until then this node goes on with what it owns; unless this is another bucket
    /// than before, where somebody else can have claimed what it had. Answers whether it is the same one.
    pub(super) fn begin(&mut self, bucket: Identity) -> bool {
        let same = self.bucket.replace(bucket).is_none_or(|before| before == bucket);
        let me = self.me.clone();
        self.keep(|entry| same && entry.lease.as_ref() == Some(&me));
        self.owners.values_mut().for_each(|entry| entry.told = false);
        self.retelling = true;
        same
    }

    fn keep(&mut self, wanted: impl Fn(&Entry) -> bool) {
        self.owners.retain(|_, entry| wanted(entry));
        let mine = self.owners.values().filter(|entry| entry.lease.as_ref() == Some(&self.me));
        self.owned = mine.count();
    }

    /// Whether this node is the one that tidies up: the first by name of those that live. While two believe to be it, one finds
    /// nothing to do.
    pub(super) fn is_keeper(&self) -> bool {
        let lives = |node: &Node| node.heard_at.elapsed() < DEAD_AFTER && !node.record.leaving;
        let mut others = self.nodes.iter().filter(|(name, node)| **name != self.me.node && lives(node));
        self.is_current() && !self.leaving && others.all(|(name, _)| self.me.node < *name)
    }

    /// The entries of nodes that were silent for so long, with their revisions. None while this node itself has not listened for
    /// that long.
    pub(super) fn silent_for(&self, silence: Duration) -> Vec<(Arc<str>, u64)> {
        if !self.has_listened_for(silence) {
            return Vec::new();
        }
        let silent = self.nodes.iter().filter(|(_, node)| node.heard_at.elapsed() >= silence);
        silent.map(|(name, node)| (Arc::clone(name), node.revision)).collect()
    }

    /// The leases of nodes that are not there any more, or were started anew since, with their revisions, at most `limit`.
    pub(super) fn abandoned(&self, silence: Duration, limit: usize) -> Vec<(BattleId, u64)> {
        if !self.has_listened_for(silence) {
            return Vec::new();
        }
        let gone = |lease: &Lease| {
            let node = self.nodes.get(&lease.node);
            *lease != self.me && node.is_none_or(|node| node.record.incarnation != lease.incarnation)
        };
        let abandoned = self.owners.iter().filter(|(_, entry)| entry.lease.as_ref().is_some_and(gone));
        abandoned.take(limit).map(|(battle_id, entry)| (*battle_id, entry.revision)).collect()
    }

    fn has_listened_for(&self, silence: Duration) -> bool {
        self.is_current() && self.seen_since.elapsed() >= silence
    }
}

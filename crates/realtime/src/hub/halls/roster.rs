//! Who is in a presence channel, over all its nodes, and which of them are shown. Pure: it is told the time, and answers with what
//! there is to do.
//!
//! Each user is one member however many sockets it has, on whichever nodes. Past a bound only some are shown: whoever was shown stays
//! so until it goes, a newcomer is shown where one went, and all else is told as a count. When the channel has become small again, or
//! too few of those who are shown are left, everybody gets the roster anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::cluster::{Here, NodeId, Version};

/// A user's id, as text.
pub(crate) type UserId = Arc<str>;
/// What is to be known of a user, as JSON.
pub(crate) type Info = Arc<str>;

/// Who is in a channel.
pub(crate) struct Roster {
    /// This node.
    own: NodeId,
    /// Members that are shown.
    shown_max: usize,
    members: AHashMap<UserId, Member>,
    shown: BTreeMap<UserId, Info>,
    /// Whether there are members who are not shown, or were until the last tick.
    is_sampled: bool,
    peers: AHashMap<NodeId, Peer>,
    /// Users without a socket here, and until when they may come back unnoticed. Some may have come back.
    leaving: VecDeque<(u64, UserId)>,
    /// Members that this node counts in.
    here: usize,
    version: Version,
}

struct Member {
    info: Info,
    /// Sockets on this node.
    sockets: u32,
    /// Whether this node counts it in: it has sockets here, or had until a moment ago.
    is_here: bool,
    /// When the last socket here went.
    left_at_ms: u64,
    /// Whether this node ever counted it in.
    was_here: bool,
    /// Other nodes that count it in.
    elsewhere: u32,
}

#[derive(Default)]
struct Peer {
    version: Version,
    users: AHashSet<UserId>,
    /// The parts of its roster that have come.
    parts: Option<Here>,
    /// Looks at it since it last said where it stands.
    looks: u32,
}

/// Something to be done after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Viewers are told of a new member.
    Added(UserId, Info),
    /// Viewers are told that a member went.
    Removed(UserId),
    /// Viewers are told how many there are.
    Count,
    /// Viewers get the roster anew.
    Renew,
    /// The other nodes are told that a user came to this one.
    Came(UserId, Info, Version),
    /// The other nodes are told that a user went from this one, and whether it is nowhere now.
    Went(UserId, Version, bool),
    /// That node is asked who is there.
    Ask(NodeId),
    /// The application is told that a user came, who was nowhere before.
    Arrived(UserId),
    /// The application is told that a user went, who is nowhere now.
    Departed(UserId),
}

/// Looks at a peer that says nothing before it is asked.
const LOOKS_MAX: u32 = 3;

impl Roster {
    /// Nobody yet. `life` is the number of the channel's life on this node, `own`.
    pub(crate) fn new(own: NodeId, shown_max: usize, life: u64) -> Self {
        Self {
            own,
            shown_max: shown_max.max(1),
            members: AHashMap::new(),
            shown: BTreeMap::new(),
            is_sampled: false,
            peers: AHashMap::new(),
            leaving: VecDeque::new(),
            here: 0,
            version: Version { life, change: 0 },
        }
    }

    /// How many members there are.
    pub(crate) fn count(&self) -> usize {
        self.members.len()
    }

    /// Whether some members are not shown.
    pub(crate) fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// What this node has said so far.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Whether this node counts nobody in.
    pub(crate) fn is_empty_here(&self) -> bool {
        self.here == 0
    }

    /// The ids of all members.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &UserId> {
        self.members.keys()
    }

    /// A socket of this user came to this node.
    pub(crate) fn join(&mut self, id: &UserId, info: &Info) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_new = self.appear(id, info, &mut effects);
        let Some(member) = self.members.get_mut(id) else { return effects };
        member.sockets += 1;
        if !std::mem::replace(&mut member.is_here, true) {
            member.was_here = true;
            self.here += 1;
            self.version.change += 1;
            effects.push(Effect::Came(Arc::clone(id), Arc::clone(info), self.version));
        }
        if is_new {
            effects.push(Effect::Arrived(Arc::clone(id)));
            if self.is_sampled {
                effects.push(Effect::Count);
            }
        }
        effects
    }

    /// A socket of this user left; answers whether it was the last on this node, which is noticed after `grace_ms`.
    pub(crate) fn leave(&mut self, id: &UserId, now_ms: u64, grace_ms: u64) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        member.sockets = member.sockets.saturating_sub(1);
        if member.sockets > 0 {
            return false;
        }
        member.left_at_ms = now_ms;
        self.leaving.push_back((now_ms.saturating_add(grace_ms), Arc::clone(id)));
        true
    }

    /// Counts out those whose time to come back is over, and shows others when too few are shown. Answers whether to look again soon.
    pub(crate) fn tick(&mut self, now_ms: u64, grace_ms: u64) -> (Vec<Effect>, bool) {
        let mut effects = Vec::new();
        while self.leaving.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            let Some((_, id)) = self.leaving.pop_front() else { break };
            let Some(member) = self.members.get_mut(&id) else { continue };
            let is_back = member.sockets > 0 || member.left_at_ms.saturating_add(grace_ms) > now_ms;
            if is_back || !member.is_here {
                continue;
            }
            member.is_here = false;
            self.here -= 1;
            self.version.change += 1;
            let is_last = self.vanish_if_nowhere(&id, &mut effects);
            effects.push(Effect::Went(Arc::clone(&id), self.version, is_last));
            if is_last {
                effects.push(Effect::Departed(id));
            }
        }
        self.show_more(&mut effects);
        (effects, !self.leaving.is_empty())
    }

    /// Another node says that a user came to it.
    pub(crate) fn came(&mut self, node: NodeId, version: Version, id: &UserId, info: &Info) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.follows(node, version, &mut effects)
            && self.peers.entry(node).or_default().users.insert(Arc::clone(id))
        {
            self.appear(id, info, &mut effects);
            if let Some(member) = self.members.get_mut(id) {
                member.elsewhere += 1;
            }
            if self.is_sampled {
                effects.push(Effect::Count);
            }
        }
        effects
    }

    /// Another node says that a user went from it.
    pub(crate) fn went(&mut self, node: NodeId, version: Version, id: &UserId, is_last: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        let was_here = self.members.get(id).is_some_and(|member| member.was_here);
        if self.follows(node, version, &mut effects)
            && self.peers.entry(node).or_default().users.remove(id)
            && self.gone_from_a_peer(id, &mut effects)
            // It went from both nodes in one moment, and each believed it on the other; one of them tells.
            && !is_last
            && was_here
            && self.own < node
        {
            effects.push(Effect::Departed(Arc::clone(id)));
        }
        effects
    }

    /// Another node says who is there; answers also whether that was all of it.
    pub(crate) fn here(&mut self, node: NodeId, here: Here) -> (Vec<Effect>, bool) {
        let mut effects = Vec::new();
        let peer = self.peers.entry(node).or_default();
        peer.looks = 0;
        let collected = match peer.parts.take() {
            Some(mut parts)
                if here.part > 0 && parts.version == here.version && parts.part + 1 == here.part =>
            {
                parts.members.extend(here.members);
                Here { part: here.part, ..parts }
            }
            _ if here.part == 0 => here,
            // A part before it was lost; it will be asked for again.
            _ => return (effects, false),
        };
        if collected.part + 1 < collected.parts {
            peer.parts = Some(collected);
            return (effects, false);
        }
        peer.version = collected.version;
        let users: AHashSet<UserId> = collected.members.iter().map(|(id, _)| Arc::clone(id)).collect();
        let before = std::mem::replace(&mut peer.users, users);
        let added: Vec<_> = collected.members.into_iter().filter(|(id, _)| !before.contains(id)).collect();
        let removed: Vec<_> = before.iter().filter(|id| !self.peers[&node].users.contains(*id)).collect();
        for id in removed {
            self.gone_from_a_peer(id, &mut effects);
        }
        for (id, info) in added {
            self.appear(&id, &info, &mut effects);
            if let Some(member) = self.members.get_mut(&id) {
                member.elsewhere += 1;
            }
        }
        if self.is_sampled {
            effects.push(Effect::Count);
        }
        (effects, true)
    }

    /// Another node says where it stands.
    pub(crate) fn still(&mut self, node: NodeId, version: Version) -> Option<Effect> {
        let peer = self.peers.entry(node).or_default();
        peer.looks = 0;
        // What is older than what is known was said before it.
        (peer.version < version).then_some(Effect::Ask(node))
    }

    /// Some time has passed; nodes that say nothing of their members are asked.
    pub(crate) fn look_at_peers(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (node, peer) in self.peers.iter_mut().filter(|(_, peer)| !peer.users.is_empty()) {
            peer.looks += 1;
            if peer.looks >= LOOKS_MAX {
                effects.push(Effect::Ask(*node));
            }
        }
        effects
    }

    /// Another node is gone, and with it those who were there only. `tells` when this node tells the application in its place.
    pub(crate) fn forget(&mut self, node: NodeId, tells: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(peer) = self.peers.remove(&node) {
            for id in peer.users {
                if self.gone_from_a_peer(&id, &mut effects) && tells {
                    effects.push(Effect::Departed(id));
                }
            }
        }
        effects
    }

    /// The members that this node counts in, for the others.
    pub(crate) fn members_here(&self) -> Vec<(UserId, Info)> {
        let here = self.members.iter().filter(|(_, member)| member.is_here);
        here.map(|(id, member)| (Arc::clone(id), Arc::clone(&member.info))).collect()
    }

    /// What a subscriber is shown, itself always.
    pub(crate) fn presence(&self, own: Option<&UserId>) -> Presence<'_> {
        let own = own
            .filter(|id| !self.shown.contains_key(*id))
            .and_then(|id| self.members.get_key_value(id).map(|(id, member)| (id, &member.info)));
        Presence { shown: &self.shown, own, count: self.members.len() }
    }

    /// Whether this is what the peer said next; a gap is asked about, a repeat passed over.
    fn follows(&mut self, node: NodeId, version: Version, effects: &mut Vec<Effect>) -> bool {
        let known = self.peers.entry(node).or_default().version;
        let begins = version.life > known.life && version.change == 1;
        if begins {
            // Whoever was there in the channel's former life there has gone, though nobody said so here.
            let before = std::mem::take(&mut self.peers.entry(node).or_default().users);
            for id in &before {
                self.gone_from_a_peer(id, effects);
            }
        }
        let is_next = begins || (version.life == known.life && version.change == known.change + 1);
        let peer = self.peers.entry(node).or_default();
        if is_next {
            peer.version = version;
            peer.looks = 0;
        } else if version > known {
            effects.push(Effect::Ask(node));
        }
        is_next
    }

    /// Somebody is there, perhaps for the first time; answers whether it was.
    fn appear(&mut self, id: &UserId, info: &Info, effects: &mut Vec<Effect>) -> bool {
        if self.members.contains_key(id) {
            return false;
        }
        let member = Member {
            info: Arc::clone(info),
            sockets: 0,
            is_here: false,
            left_at_ms: 0,
            was_here: false,
            elsewhere: 0,
        };
        self.members.insert(Arc::clone(id), member);
        if self.shown.len() < self.shown_max {
            self.shown.insert(Arc::clone(id), Arc::clone(info));
            effects.push(Effect::Added(Arc::clone(id), Arc::clone(info)));
        } else {
            self.is_sampled = true;
        }
        true
    }

    fn gone_from_a_peer(&mut self, id: &UserId, effects: &mut Vec<Effect>) -> bool {
        if let Some(member) = self.members.get_mut(id) {
            member.elsewhere = member.elsewhere.saturating_sub(1);
        }
        self.vanish_if_nowhere(id, effects)
    }

    /// Whether the member is nowhere any more.
    fn vanish_if_nowhere(&mut self, id: &UserId, effects: &mut Vec<Effect>) -> bool {
        let is_nowhere = |member: &Member| !member.is_here && member.elsewhere == 0;
        if !self.members.get(id).is_some_and(is_nowhere) {
            return false;
        }
        self.members.remove(id);
        if self.shown.remove(id).is_some() {
            effects.push(Effect::Removed(Arc::clone(id)));
        }
        if self.is_sampled {
            effects.push(Effect::Count);
        }
        true
    }

    /// A tenth of room below the bound keeps a channel at the bound from changing its ways with each member.
    fn show_more(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_sampled {
            return;
        }
        let is_small = self.members.len() <= self.shown_max - self.shown_max / 10;
        let are_few_shown =
            self.shown.len() < self.shown_max.div_ceil(2) && self.shown.len() < self.members.len();
        if !is_small && !are_few_shown {
            return;
        }
        let hidden = self.members.iter().filter(|(id, _)| !self.shown.contains_key(*id));
        let more: Vec<_> = hidden
            .take(self.shown_max - self.shown.len())
            .map(|(id, member)| (Arc::clone(id), Arc::clone(&member.info)))
            .collect();
        self.shown.extend(more);
        self.is_sampled = !is_small;
        effects.push(Effect::Renew);
    }
}

/// Members as a subscriber is shown them, in the protocol's form.
pub(crate) struct Presence<'a> {
    shown: &'a BTreeMap<UserId, Info>,
    /// The subscriber itself, unless it is among those.
    own: Option<(&'a UserId, &'a Info)>,
    count: usize,
}

impl<'a> Presence<'a> {
    fn members(&self) -> impl Iterator<Item = (&'a UserId, &'a Info)> {
        self.shown.iter().chain(self.own)
    }
}

struct Ids<'a>(&'a Presence<'a>);
struct Hash<'a>(&'a Presence<'a>);

impl Serialize for Presence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(3))?;
        fields.serialize_entry("ids", &Ids(self))?;
        fields.serialize_entry("hash", &Hash(self))?;
        fields.serialize_entry("count", &self.count)?;
        fields.end()
    }
}

impl Serialize for Ids<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut ids = serializer.serialize_seq(None)?;
        for (id, _) in self.0.members() {
            ids.serialize_element(&**id)?;
        }
        ids.end()
    }
}

impl Serialize for Hash<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hash = serializer.serialize_map(None)?;
        for (id, info) in self.0.members() {
            // It was JSON when it came in; a node that says otherwise is not believed.
            let info: Option<&RawValue> = serde_json::from_str(info).ok();
            hash.serialize_entry(&**id, &info)?;
        }
        hash.end()
    }
}

#[cfg(test)]
mod tests;

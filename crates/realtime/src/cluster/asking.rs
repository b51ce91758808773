//! Questions to all nodes at once: which channels there are, and who is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::message::{NodeId, Say};
use super::parts::{cut, text_bytes};
use crate::channel::Channel;
use crate::hub::Hub;

/// How long the other nodes may take. Then the question fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Questions without an answer at a time. When it is reached, a further one fails.
const OPEN_MAX: usize = 1_000;
/// Users of one channel that are told in one message.
const USERS_AT_ONCE: usize = 1_000;

/// A channel's numbers in a message, at most.
const STATE_BYTES: usize = 100;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Query {
    /// Only this channel.
    pub(crate) channel: Option<Arc<str>>,
    /// Only channels whose names begin so.
    pub(crate) prefix: Option<Arc<str>>,
    /// Also the ids of their members.
    pub(crate) users: bool,
    /// Only how many sockets there are, under an empty name.
    pub(crate) connections: bool,
}

/// A channel on one node, or on all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelState {
    /// Sockets that listen.
    pub(crate) sockets: usize,
    /// Members on all nodes, in a presence channel.
    pub(crate) members: Option<usize>,
    /// Their ids, if they were asked for.
    pub(crate) users: Vec<Arc<str>>,
}

/// Channels by their names.
pub(crate) type States = BTreeMap<Arc<str>, ChannelState>;

impl ChannelState {
    /// Whether somebody is there. A member may have no socket for a moment.
    pub(crate) fn is_occupied(&self) -> bool {
        self.sockets > 0 || self.members.is_some_and(|members| members > 0)
    }

    /// Each node knows the members of all; sockets are its own.
    fn merge(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.members = self.members.max(other.members);
        let users: BTreeSet<_> = self.users.drain(..).chain(other.users).collect();
        self.users = users.into_iter().collect();
    }
}

/// Questions to the other nodes that have no answer yet.
#[derive(Default)]
pub(crate) struct Questions {
    next: AtomicU64,
    open: Mutex<AHashMap<u64, Open>>,
}

struct Open {
    waiting: AHashSet<NodeId>,
    states: States,
    done: Option<oneshot::Sender<States>>,
}

/// Takes the question back, however it ends.
struct Asked<'a> {
    questions: &'a Questions,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.questions.open.lock().remove(&self.id);
    }
}

impl Questions {
    /// Another node has answered; `is_last` when that was all of it.
    pub(crate) fn answered(
        &self,
        node: NodeId,
        id: u64,
        is_last: bool,
        channels: Vec<(Arc<str>, ChannelState)>,
    ) {
        let mut open = self.open.lock();
        let Some(question) = open.get_mut(&id) else { return };
        merge(&mut question.states, channels);
        if is_last {
            question.waiting.remove(&node);
        }
        question.finish();
    }

    /// Another node is gone, and with it its sockets.
    pub(crate) fn forget(&self, node: NodeId) {
        for question in self.open.lock().values_mut() {
            question.waiting.remove(&node);
            question.finish();
        }
    }
}

impl Open {
    fn finish(&mut self) {
        if self.waiting.is_empty()
            && let Some(done) = self.done.take()
        {
            // Nobody waits any more when the question was taken back.
            let _ = done.send(std::mem::take(&mut self.states));
        }
    }
}

fn merge(states: &mut States, channels: Vec<(Arc<str>, ChannelState)>) {
    for (channel, state) in channels {
        states.entry(channel).or_default().merge(state);
    }
}

impl Hub {
    /// The channels of all nodes; an error when one of them does not answer.
    pub(crate) async fn channel_states(&self, query: Query) -> Result<States, ()> {
        let mut states = States::new();
        merge(&mut states, self.own_states(&query));
        let peers = self.link.peers();
        if peers.is_empty() {
            return Ok(states);
        }
        let (done, answer) = oneshot::channel();
        let asked = {
            let mut open = self.questions.open.lock();
            if open.len() >= OPEN_MAX {
                return Err(());
            }
            let id = self.questions.next.fetch_add(1, Ordering::Relaxed);
            open.insert(id, Open { waiting: peers.into_iter().collect(), states, done: Some(done) });
            Asked { questions: &self.questions, id }
        };
        self.link.say(Say::Ask { id: asked.id, query });
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(states)) => Ok(states),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }

    /// Answers another node's question.
    pub(crate) fn answer(&self, to: NodeId, id: u64, query: &Query) {
        let channels = self.own_states(query).into_iter().flat_map(in_pieces).collect();
        let parts = cut(channels, |(name, state): &(Arc<str>, ChannelState)| {
            let users = state.users.iter().map(|id| text_bytes(id));
            text_bytes(name) + STATE_BYTES + users.sum::<usize>()
        });
        let last = parts.len() - 1;
        for (nth, channels) in parts.into_iter().enumerate() {
            self.link.say(Say::Tell { to, id, is_last: nth == last, channels });
        }
    }

    /// The channels of this node.
    fn own_states(&self, query: &Query) -> Vec<(Arc<str>, ChannelState)> {
        if query.connections {
            return vec![(
                "".into(),
                ChannelState { sockets: self.sockets.count(), ..ChannelState::default() },
            )];
        }
        let mut states = self.halls.states(query);
        let of_rooms = match &query.channel {
            // An alert waits for a battle's inboxes: for one channel nothing else is looked at.
            Some(name) => Channel::parse(name)
                .ok()
                .into_iter()
                .map(|channel| {
                    let sockets = self.rooms.sockets(&channel);
                    (Arc::clone(name), sockets)
                })
                .filter(|(_, sockets)| *sockets > 0)
                .collect(),
            None => self.rooms.states(query.prefix.as_deref().unwrap_or_default()),
        };
        states.extend(
            of_rooms
                .into_iter()
                .map(|(name, sockets)| (name, ChannelState { sockets, ..ChannelState::default() })),
        );
        states
    }
}

/// A channel whose users fit into one message each.
fn in_pieces((name, mut state): (Arc<str>, ChannelState)) -> Vec<(Arc<str>, ChannelState)> {
    let more = state.users.split_off(state.users.len().min(USERS_AT_ONCE));
    let piece = |users: &[Arc<str>]| {
        // What is not told twice is not counted twice.
        (Arc::clone(&name), ChannelState { users: users.to_vec(), ..ChannelState::default() })
    };
    let more: Vec<_> = more.chunks(USERS_AT_ONCE).map(piece).collect();
    std::iter::once((name, state)).chain(more).collect()
}

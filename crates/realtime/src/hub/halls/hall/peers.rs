//! What a channel says to the other nodes, and hears of them.

use std::sync::Arc;

use super::{Hall, Inner};
use crate::cluster::{Here, Link, NodeId, Say, Sockets, Stand, Version, cut, text_bytes};

impl Hall {
    /// Whether the other nodes were asked who is there.
    pub(in crate::hub::halls) fn is_asked(&self) -> bool {
        self.asked.lock().is_some()
    }

    /// These nodes are asked now, unless some were before; answers whether they are.
    pub(in crate::hub::halls) fn begin_to_ask(&self, nodes: Vec<NodeId>) -> bool {
        let mut asked = self.asked.lock();
        if asked.is_some() {
            return false;
        }
        *asked = Some(nodes.into_iter().collect());
        self.answered.notify_waiters();
        true
    }

    /// Waits until all that were asked have answered or are gone.
    pub(in crate::hub::halls) async fn answers(&self) {
        loop {
            let answered = self.answered.notified();
            if self.asked.lock().as_ref().is_some_and(|asked| asked.is_empty()) {
                return;
            }
            answered.await;
        }
    }

    /// Those that have not answered are waited for no longer; what they say later comes in later.
    pub(in crate::hub::halls) fn give_up_waiting(&self) {
        if let Some(asked) = &mut *self.asked.lock() {
            asked.clear();
        }
        self.answered.notify_waiters();
    }

    fn answered_by(&self, node: NodeId) {
        if self.asked.lock().as_mut().is_some_and(|asked| asked.remove(&node)) {
            self.answered.notify_waiters();
        }
    }

    /// Something another node says of this channel.
    pub(in crate::hub::halls) fn hear(&self, link: &Link, node: NodeId, say: Say) {
        let mut inner = self.inner.lock();
        let sockets = match &say {
            Say::Count { sockets, .. } => Some(*sockets),
            Say::Here(here) => here.sockets,
            _ => None,
        };
        if let (Some(sockets), Some(counting)) = (sockets, &mut inner.counting) {
            counting.heard(node, sockets);
        }
        let Some(roster) = &mut inner.roster else {
            drop(inner);
            if matches!(say, Say::Here(_)) {
                self.answered_by(node);
            }
            return;
        };
        let mut is_answer = false;
        let effects = match say {
            Say::Came { version, user_id, info, .. } => roster.came(node, version, &user_id, &info),
            Say::Went { version, user_id, is_last, .. } => roster.went(node, version, &user_id, is_last),
            Say::Here(here) => {
                let (effects, is_whole) = roster.here(node, here);
                is_answer = is_whole;
                effects
            }
            // Nothing of a channel's members.
            _ => return,
        };
        self.carry_out(&mut inner, link, effects);
        drop(inner);
        if is_answer {
            self.answered_by(node);
        }
    }

    /// Another node says where it stands.
    pub(in crate::hub::halls) fn hear_stand(&self, link: &Link, node: NodeId, stand: Stand) {
        let mut inner = self.inner.lock();
        if let (Some(sockets), Some(counting)) = (stand.sockets, &mut inner.counting) {
            counting.heard(node, sockets);
        }
        if let (Some(version), Some(roster)) = (stand.version, &mut inner.roster) {
            let effects = roster.still(node, version).into_iter().collect();
            self.carry_out(&mut inner, link, effects);
        }
    }

    /// Another node is gone.
    pub(in crate::hub::halls) fn forget_node(&self, link: &Link, node: NodeId, tells: bool) {
        let mut inner = self.inner.lock();
        if let Some(counting) = &mut inner.counting {
            counting.forget(node);
        }
        if let Some(roster) = &mut inner.roster {
            let effects = roster.forget(node, tells);
            self.carry_out(&mut inner, link, effects);
        }
        drop(inner);
        self.answered_by(node);
    }

    /// Where this node stands, for the others, if that is of interest to them. Asks those that say nothing.
    pub(in crate::hub::halls) fn stand(&self, link: &Link) -> Option<Stand> {
        let mut inner = self.inner.lock();
        let sockets = inner.sockets(link);
        for node in inner.counting.iter_mut().flat_map(|counting| counting.look_at_peers()) {
            link.say(Say::Who { channel: Arc::clone(self.name.text()), of: Some(node) });
        }
        let version = inner.roster.as_ref().map(|roster| roster.version());
        if let Some(roster) = &mut inner.roster {
            let effects = roster.look_at_peers();
            self.carry_out(&mut inner, link, effects);
        }
        (version.is_some() || sockets.is_some()).then_some(Stand { version, sockets })
    }

    /// Tells the other nodes who is here. Said under the lock, so that what changes next is said after it.
    pub(in crate::hub::halls) fn tell_members(&self, link: &Link) {
        let inner = self.inner.lock();
        let (members, version) = match &inner.roster {
            Some(roster) => (roster.members_here(), roster.version()),
            None => (Vec::new(), Version::default()),
        };
        let sockets = inner.sockets(link);
        let parts = cut(members, |(id, info): &(Arc<str>, Arc<str>)| text_bytes(id) + text_bytes(info));
        let count = parts.len() as u32;
        for (part, members) in (0..).zip(parts) {
            let channel = Arc::clone(self.name.text());
            link.say(Say::Here(Here { channel, version, part, parts: count, members, sockets }));
        }
    }
}

impl Inner {
    /// How many sockets are here, where that is counted.
    fn sockets(&self, link: &Link) -> Option<Sockets> {
        let counted = || Sockets { number: link.next_number(), count: self.viewers.len() };
        self.counting.is_some().then(counted)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::channel::{Channel, Name};
    use crate::config::Config;

    fn name() -> Name {
        match Channel::parse("presence-a") {
            Ok(Channel::Named(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_node_whose_answer_is_lost_is_waited_for_once() {
        let (link, _outgoing) = Link::new();
        let hall = Hall::new(name(), &Config::default(), &link);
        assert!(hall.begin_to_ask(vec![Uuid::from_u128(1)]));
        assert!(hall.answers().now_or_never().is_none());
        hall.give_up_waiting();
        assert!(hall.answers().now_or_never().is_some(), "who comes later need not wait");
    }
}

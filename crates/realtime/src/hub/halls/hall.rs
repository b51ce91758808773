//! A channel that is no battle's board and no participant's own: its sockets on this node, its members on all nodes, and what is on
//! its way to its sockets.

mod peers;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ahash::AHashSet;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::counting::Counting;
use super::roster::{Effect, Info, Roster, UserId};
use crate::channel::Name;
use crate::cluster::{ChannelState, Event, Link, NodeId, Say, Sockets};
use crate::config::Config;
use crate::hub::queue::Turn;
use crate::hub::slots::{Slot, Slots};
use crate::metrics;
use crate::pusher::events;
use crate::socket::Socket;
use crate::socket::id::SocketId;
use crate::socket::outbox::Class;
use crate::webhooks::{Occurred, WebhookEvent};

/// Sockets that are looked up at a time; then others may come and go.
const SLICE_SOCKETS: usize = 256;
/// Bytes of frames that wait to be sent to all of a channel's sockets. When it is reached, frames are dropped, and members are told
/// anew afterwards.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The longest time between two counts of a channel in which members come and go, in milliseconds.
const COUNT_INTERVAL_MS_MAX: u64 = 10_000;

/// A channel on this node.
pub(crate) struct Hall {
    pub(crate) name: Name,
    inner: Mutex<Inner>,
    is_queued: AtomicBool,
    /// Whether it stands among those that are looked at soon.
    pub(super) is_tended: AtomicBool,
    /// Nodes that were asked who is there, and have not answered; none before they are asked.
    asked: Mutex<Option<AHashSet<NodeId>>>,
    answered: Notify,
}

struct Inner {
    viewers: Slots<Viewer>,
    /// Only in presence channels.
    roster: Option<Roster>,
    /// Only where sockets are counted for those who listen.
    counting: Option<Counting>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// The number of the next frame.
    next: u64,
    /// Members must be told anew because frames were dropped.
    is_behind: bool,
    is_count_due: bool,
    /// When viewers may be told the next count.
    count_at_ms: u64,
    /// What the application is to be told. It is taken after each change.
    occurred: Vec<Occurred>,
}

struct Viewer {
    socket: Arc<Socket>,
    user_id: Option<UserId>,
    /// The first frame that is for it.
    from: u64,
}

/// Something for all viewers.
struct Waiting {
    number: u64,
    what: What,
    /// The socket that is left out.
    except: Option<SocketId>,
}

enum What {
    Frame(&'static str, Bytes),
    /// The roster as it is when it is sent.
    Roster,
}

/// Somebody who is a member as long as it has sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) user_id: UserId,
    pub(crate) info: Info,
}

impl Hall {
    pub(super) fn new(name: Name, config: &Config, link: &Link) -> Self {
        let roster =
            name.is_presence().then(|| Roster::new(link.id, config.presence_members_max, link.next_number()));
        let inner = Inner {
            viewers: Slots::default(),
            counting: (roster.is_none() && config.subscription_counts).then(Counting::default),
            roster,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            next: 0,
            is_behind: false,
            is_count_due: false,
            count_at_ms: 0,
            occurred: Vec::new(),
        };
        Self {
            name,
            inner: Mutex::new(inner),
            is_queued: AtomicBool::new(false),
            is_tended: AtomicBool::new(false),
            asked: Mutex::default(),
            answered: Notify::new(),
        }
    }

    /// Confirms a subscription and lets the socket get what comes. The others hear of a new member. `last` is asked for the last event
    /// of a cache channel, which comes first.
    pub(super) fn join(
        &self,
        link: &Link,
        socket: &Arc<Socket>,
        member: Option<&Member>,
        last: impl FnOnce() -> Option<Arc<Event>>,
    ) -> Slot {
        let mut inner = self.inner.lock();
        if let (Some(roster), Some(member)) = (&mut inner.roster, member) {
            let effects = roster.join(&member.user_id, &member.info);
            self.carry_out(&mut inner, link, effects);
        }
        let user_id = member.map(|member| Arc::clone(&member.user_id));
        // Sent here, under the lock, so that nothing overtakes the confirmation.
        socket.send(Class::Answer, &self.confirmation(&inner, user_id.as_ref()));
        if self.name.keeps_last() {
            let frame = match last() {
                Some(event) => events::relayed(&event),
                None => events::cache_miss(self.name.text()),
            };
            socket.send(Class::Default, &frame);
        }
        let from = inner.next;
        inner.viewers.insert(Viewer { socket: Arc::clone(socket), user_id, from })
    }

    /// Lets a socket get what comes. What it has subscribed to is confirmed elsewhere.
    pub(super) fn accompany(&self, socket: &Arc<Socket>) -> Slot {
        let mut inner = self.inner.lock();
        let from = inner.next;
        inner.viewers.insert(Viewer { socket: Arc::clone(socket), user_id: None, from })
    }

    fn confirmation(&self, inner: &Inner, own: Option<&UserId>) -> Bytes {
        match &inner.roster {
            Some(roster) => events::present(self.name.text(), &roster.presence(own)),
            None => events::subscribed(self.name.text()),
        }
    }

    /// Answers whether the channel is to be looked at when the time of grace is over.
    pub(super) fn leave(&self, slot: Slot, now_ms: u64, grace_ms: u64) -> bool {
        let mut inner = self.inner.lock();
        let viewer = inner.viewers.remove(slot);
        match (&mut inner.roster, viewer.and_then(|viewer| viewer.user_id)) {
            (Some(roster), Some(id)) => roster.leave(&id, now_ms, grace_ms),
            _ => false,
        }
    }

    /// What is due: members whose time of grace is over, counts. Answers whether to look again soon.
    pub(super) fn tend(&self, link: &Link, now_ms: u64, grace_ms: u64) -> bool {
        let mut inner = self.inner.lock();
        if inner.counting.is_some() {
            return self.count(&mut inner, link, now_ms);
        }
        let Some(roster) = &mut inner.roster else { return false };
        let (effects, again) = roster.tick(now_ms, grace_ms);
        self.carry_out(&mut inner, link, effects);
        self.tell_count(&mut inner, now_ms);
        again || inner.is_count_due
    }

    /// Tells how many listen; answers whether to look again soon.
    fn count(&self, inner: &mut Inner, link: &Link, now_ms: u64) -> bool {
        let here = inner.viewers.len();
        let Some(counting) = &mut inner.counting else { return false };
        let due = counting.due(here, now_ms);
        if let Some(sockets) = due.say {
            let sockets = Sockets { number: link.next_number(), count: sockets };
            link.say_to_peers(|| Say::Count { channel: Arc::clone(self.name.text()), sockets });
        }
        if let Some(count) = due.tell {
            if counting.speaks(link.id) {
                let told = Occurred::new(WebhookEvent::SubscriptionCount, self.name.text());
                inner.occurred.push(Occurred { subscription_count: Some(count), ..told });
            }
            inner.push(What::Frame("count", events::subscriptions(self.name.text(), count)), None);
        }
        due.again
    }

    /// Whether its sockets are counted for those who listen.
    pub(super) fn is_counted(&self) -> bool {
        self.inner.lock().counting.is_some()
    }

    fn tell_count(&self, inner: &mut Inner, now_ms: u64) {
        let Some(roster) = &inner.roster else { return };
        if inner.is_count_due && now_ms >= inner.count_at_ms {
            inner.is_count_due = false;
            inner.count_at_ms = now_ms + count_interval_ms(roster.count());
            let frame = events::counted(self.name.text(), roster.count(), roster.is_sampled());
            inner.push(What::Frame("count", frame), None);
        }
    }

    /// Whether nobody here is a member any more.
    pub(super) fn is_empty_here(&self) -> bool {
        self.inner.lock().roster.as_ref().is_none_or(Roster::is_empty_here)
    }

    /// All who listen are told this. `keep` notes it where later ones are told it too.
    pub(super) fn tell(&self, event: &Event, keep: impl FnOnce()) {
        let mut inner = self.inner.lock();
        keep();
        let except = event.except.as_deref().and_then(SocketId::parse);
        inner.push(What::Frame("event", events::relayed(event)), except);
    }

    /// All who listen are told this.
    pub(super) fn show(&self, what: &'static str, frame: Bytes) {
        self.inner.lock().push(What::Frame(what, frame), None);
    }

    /// The channel as this node knows it.
    pub(super) fn state(&self, with_users: bool) -> ChannelState {
        let inner = self.inner.lock();
        let users =
            inner.roster.iter().filter(|_| with_users).flat_map(Roster::ids).map(Arc::clone).collect();
        let members = inner.roster.as_ref().map(Roster::count);
        ChannelState { sockets: inner.viewers.len(), members, users }
    }

    fn carry_out(&self, inner: &mut Inner, link: &Link, effects: Vec<Effect>) {
        for effect in effects {
            let channel = || Arc::clone(self.name.text());
            match effect {
                Effect::Added(id, info) => {
                    inner.push(
                        What::Frame("member", events::member_added(self.name.text(), &id, &info)),
                        None,
                    );
                }
                Effect::Removed(id) => {
                    inner.push(What::Frame("member", events::member_removed(self.name.text(), &id)), None);
                }
                Effect::Count => inner.is_count_due = true,
                Effect::Renew => inner.push(What::Roster, None),
                Effect::Came(user_id, info, version) => {
                    link.say_to_peers(|| Say::Came { channel: channel(), version, user_id, info });
                }
                Effect::Went(user_id, version, is_last) => {
                    link.say_to_peers(|| Say::Went { channel: channel(), version, user_id, is_last });
                }
                Effect::Ask(node) => link.say(Say::Who { channel: channel(), of: Some(node) }),
                Effect::Arrived(id) => self.tell_of_member(inner, WebhookEvent::MemberAdded, id),
                Effect::Departed(id) => self.tell_of_member(inner, WebhookEvent::MemberRemoved, id),
            }
        }
    }

    fn tell_of_member(&self, inner: &mut Inner, name: WebhookEvent, user_id: UserId) {
        inner.occurred.push(Occurred { user_id: Some(user_id), ..Occurred::new(name, self.name.text()) });
    }

    /// What the application is to be told.
    pub(super) fn take_occurred(&self) -> Vec<Occurred> {
        std::mem::take(&mut self.inner.lock().occurred)
    }

    /// Whether frames wait for the thread that sends them.
    pub(super) fn is_waiting(&self) -> bool {
        !self.inner.lock().waiting.is_empty()
    }

    fn next_waiting(&self) -> Option<Waiting> {
        let mut inner = self.inner.lock();
        match inner.waiting.pop_front() {
            Some(waiting) => {
                inner.waiting_bytes -= waiting.what.bytes();
                Some(waiting)
            }
            None if std::mem::take(&mut inner.is_behind) && inner.roster.is_some() => {
                Some(Waiting { number: inner.next, what: What::Roster, except: None })
            }
            None => None,
        }
    }

    /// Sends it to the next viewers from `first` on; `None` behind the last.
    fn send_slice(&self, waiting: &Waiting, first: Slot) -> Option<usize> {
        let mut inner = self.inner.lock();
        let Inner { viewers, roster, .. } = &mut *inner;
        let piece = viewers.piece(first, SLICE_SOCKETS)?;
        let receivers = piece
            .filter(|viewer| viewer.from <= waiting.number && Some(viewer.socket.id) != waiting.except)
            .map(|viewer| (Arc::clone(&viewer.socket), viewer.user_id.clone()));
        let mut sent = 0;
        match (&waiting.what, roster) {
            (What::Frame(_, frame), _) => {
                let receivers: Vec<_> = receivers.map(|(socket, _)| socket).collect();
                drop(inner);
                for socket in &receivers {
                    socket.send(Class::Default, frame);
                }
                sent = receivers.len();
            }
            (What::Roster, Some(roster)) => {
                for (socket, own) in receivers {
                    let frame = events::present(self.name.text(), &roster.presence(own.as_ref()));
                    socket.send(Class::Default, &frame);
                    sent += 1;
                }
            }
            (What::Roster, None) => {}
        }
        Some(sent)
    }
}

/// How long a count lasts: each of them goes to all, so that those of many members are told the less often the more there are.
fn count_interval_ms(members: usize) -> u64 {
    (members as u64).min(COUNT_INTERVAL_MS_MAX)
}

impl Inner {
    fn push(&mut self, what: What, except: Option<SocketId>) {
        if self.waiting_bytes + what.bytes() > WAITING_BYTES_MAX {
            metrics::hall_overflowed();
            self.is_behind = true;
            return;
        }
        self.waiting_bytes += what.bytes();
        self.waiting.push_back(Waiting { number: self.next, what, except });
        self.next += 1;
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(_, frame) => frame.len(),
            Self::Roster => 0,
        }
    }
}

impl Turn for Hall {
    fn is_queued(&self) -> &AtomicBool {
        &self.is_queued
    }

    /// Sends the first of what waits, in slices, so that nobody who comes or goes waits for all of them. One frame a turn: a channel in
    /// which much is said keeps no other one waiting for longer.
    fn send(&self) -> bool {
        let Some(waiting) = self.next_waiting() else { return false };
        let (mut sent, mut first) = (0, 0);
        while let Some(more) = self.send_slice(&waiting, first) {
            sent += more;
            first += SLICE_SOCKETS;
        }
        if let What::Frame(what, frame) = &waiting.what {
            metrics::sent(what, sent, sent * frame.len());
        }
        true
    }
}

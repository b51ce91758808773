//! The channels of this node that are no battle's board and no participant's own.

mod counting;
pub(crate) mod hall;
mod last;
mod occupied;
pub(crate) mod roster;
pub(crate) mod seat;
pub(crate) mod tending;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ahash::{AHashMap, RandomState};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::timeout;

use self::hall::Hall;
use self::last::Lasts;
use self::occupied::Occupied;
use super::Hub;
use super::queue::Queue;
use crate::channel::{Channel, Name};
use crate::cluster::{ChannelState, Event, Here, NodeId, Query, Say, Version};
use crate::webhooks::{Occurred, WebhookEvent};

/// Enough that subscriptions to different channels seldom meet on one lock.
const SHARDS: usize = 16;
/// Channels that are told to another node in one message.
const OPENED_AT_ONCE: usize = 1_000;
/// How long a newcomer waits for the other nodes to say who is there. Then it is told as they say it.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

struct Entry {
    hall: Arc<Hall>,
    occupants: usize,
}

type Shard = Mutex<AHashMap<Arc<str>, Entry>>;

/// The channels that somebody on this node listens to, or was a member of until a moment ago.
pub(crate) struct Halls {
    hasher: RandomState,
    shards: [Shard; SHARDS],
    /// Those with frames to send.
    pub(crate) sending: Queue<Hall>,
    /// Those that are looked at soon.
    pub(super) tended: Mutex<Vec<Arc<Hall>>>,
    lasts: Lasts,
    occupied: Occupied,
}

/// What became of something that is shown when there is time for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    ToAll,
    ToNobody,
    /// It is to be tried again.
    NotYet,
}

impl Halls {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            sending: Queue::default(),
            tended: Mutex::default(),
            lasts: Lasts::default(),
            occupied: Occupied::default(),
        }
    }

    /// Takes part in a channel, which is there from then on. The first one waits until the other nodes have said who is there.
    pub(crate) async fn enter(&self, hub: &Arc<Hub>, name: &Name) -> seat::HallOccupancy {
        let hall = {
            let mut shard = self.shard(name.text()).lock();
            let entry = shard.entry(Arc::clone(name.text())).or_insert_with(|| {
                self.opened(hub, name.text());
                let hall = Hall::new(name.clone(), &hub.config, &hub.link);
                Entry { hall: Arc::new(hall), occupants: 0 }
            });
            entry.occupants += 1;
            Arc::clone(&entry.hall)
        };
        let occupancy = seat::HallOccupancy::new(Arc::clone(hub), hall);
        if name.is_presence() || name.keeps_last() || hub.config.subscription_counts {
            let hall = occupancy.hall();
            if !hall.is_asked() {
                hub.link.settled().await;
                if hall.begin_to_ask(hub.link.peers()) {
                    hub.link.say_to_peers(|| Say::Who { channel: Arc::clone(name.text()), of: None });
                }
            }
            // Who is told later comes in later.
            let _ = timeout(ANSWERS_TIMEOUT, hall.answers()).await;
        }
        occupancy
    }

    /// Gives back what [`Halls::enter`] gave.
    fn leave(&self, hub: &Hub, hall: &Arc<Hall>) {
        let mut shard = self.shard(hall.name.text()).lock();
        if let Some(entry) = shard.get_mut(hall.name.text()) {
            entry.occupants -= 1;
        }
        self.remove_if_unused(hub, &mut shard, hall);
    }

    fn remove_if_unused(&self, hub: &Hub, shard: &mut AHashMap<Arc<str>, Entry>, hall: &Arc<Hall>) {
        let name = hall.name.text();
        let is_unused = |entry: &Entry| entry.occupants == 0 && entry.hall.is_empty_here();
        if shard.get(name).is_some_and(is_unused) {
            shard.remove(name);
            if hub.config.subscription_counts && !hall.name.is_presence() {
                hub.link.say_to_peers(|| Say::Count { channel: Arc::clone(name), sockets: 0 });
            }
            if hub.webhooks.are_there() {
                self.occupied.closed(name, hub.now_ms());
                hub.link.say_to_peers(|| Say::Closed { channel: Arc::clone(name) });
            }
        }
    }

    /// A channel has its first socket on this node.
    fn opened(&self, hub: &Hub, channel: &Arc<str>) {
        if hub.webhooks.are_there() {
            if self.occupied.opened(channel) {
                hub.webhooks.tell(|| Occurred::new(WebhookEvent::ChannelOccupied, channel));
            }
            hub.link.say_to_peers(|| Say::Opened { channels: vec![Arc::clone(channel)] });
        }
    }

    /// Tells a node that has begun which channels have sockets here.
    pub(crate) fn tell_opened(&self, hub: &Hub) {
        if hub.webhooks.are_there() {
            for channels in self.occupied.here().chunks(OPENED_AT_ONCE) {
                hub.link.say(Say::Opened { channels: channels.to_vec() });
            }
        }
    }

    /// Has the channel looked at soon.
    fn tend(&self, hall: &Arc<Hall>) {
        if !hall.is_tended.swap(true, Ordering::AcqRel) {
            self.tended.lock().push(Arc::clone(hall));
        }
    }

    /// Something another node says.
    pub(crate) fn hear(&self, hub: &Hub, from: NodeId, say: Say) {
        let channel = match &say {
            Say::Who { channel, of } => {
                if of.is_none_or(|of| of == hub.link.id) {
                    self.answer(hub, channel);
                }
                return;
            }
            Say::Here(Here { channel, .. })
            | Say::Came { channel, .. }
            | Say::Went { channel, .. }
            | Say::Still { channel, .. }
            | Say::Count { channel, .. } => channel,
            Say::Opened { channels } => return self.occupied.opened_elsewhere(from, channels.clone()),
            Say::Closed { channel } => return self.occupied.closed_elsewhere(from, channel, hub.now_ms()),
            Say::Last(event) => {
                // What is known here came later.
                if self.lasts.get(&event.channel, hub.now_ms()).is_none() {
                    self.lasts.keep(&Arc::new(event.clone()), hub.now_ms());
                }
                return;
            }
            // Of no channel's members.
            _ => return,
        };
        if let Some(hall) = self.find(channel) {
            hall.hear(&hub.link, from, say);
            self.follow_up(hub, &hall);
        }
    }

    fn answer(&self, hub: &Hub, channel: &Arc<str>) {
        if let Some(last) = self.lasts.get(channel, hub.now_ms()) {
            hub.link.say(Say::Last(Event::clone(&last)));
        }
        match self.find(channel) {
            Some(hall) => hall.tell_members(&hub.link),
            None => {
                let nobody = Here {
                    channel: Arc::clone(channel),
                    version: Version::default(),
                    part: 0,
                    parts: 1,
                    members: Vec::new(),
                };
                hub.link.say(Say::Here(nobody));
            }
        }
    }

    /// All who listen here are told this, and those who come later to a cache channel.
    pub(crate) fn tell(&self, hub: &Hub, event: &Arc<Event>) {
        let is_kept = matches!(Channel::parse(&event.channel), Ok(Channel::Named(name)) if name.keeps_last());
        let keep = || {
            if is_kept {
                self.lasts.keep(event, hub.now_ms());
            }
        };
        let hall = self.find(&event.channel).or_else(|| {
            keep();
            // Who came in between was not told of it by what is kept.
            self.find(&event.channel)
        });
        if let Some(hall) = hall {
            hall.tell(event, keep);
            self.sending.push(&hall);
        }
    }

    /// Tells all who listen here what there is to show, unless they have not been told yet what came before.
    pub(crate) fn show(&self, channel: &Name, what: &'static str, frame: impl FnOnce() -> Bytes) -> Shown {
        let Some(hall) = self.find(channel.text()) else { return Shown::ToNobody };
        if hall.is_waiting() {
            return Shown::NotYet;
        }
        hall.show(what, frame());
        self.sending.push(&hall);
        Shown::ToAll
    }

    /// The last event of a cache channel.
    pub(crate) fn last(&self, hub: &Hub, channel: &str) -> Option<Arc<Event>> {
        self.lasts.get(channel, hub.now_ms())
    }

    /// The channels on this node.
    pub(crate) fn states(&self, query: &Query) -> Vec<(Arc<str>, ChannelState)> {
        let halls = match &query.channel {
            Some(channel) => self.find(channel).into_iter().collect(),
            None => self.all(),
        };
        halls.iter().map(|hall| (Arc::clone(hall.name.text()), hall.state(query.users))).collect()
    }

    /// Another node is gone.
    pub(crate) fn forget_node(&self, hub: &Hub, node: NodeId) {
        let tells = hub.link.speaks_for_others();
        self.occupied.forget(node, hub.now_ms());
        for hall in self.all() {
            hall.forget_node(&hub.link, node, tells);
            self.follow_up(hub, &hall);
        }
    }

    /// Something may have been lost: asks the other nodes who is in each channel.
    pub(crate) fn ask_all(&self, hub: &Hub) {
        for hall in self.all().iter().filter(|hall| hall.name.is_presence() || hall.is_counted()) {
            hub.link.say_to_peers(|| Say::Who { channel: Arc::clone(hall.name.text()), of: None });
        }
    }

    /// After anything that may have made frames, a count or something to tell the application.
    fn follow_up(&self, hub: &Hub, hall: &Arc<Hall>) {
        for occurred in hall.take_occurred() {
            hub.webhooks.tell(|| occurred);
        }
        if hall.is_waiting() {
            self.sending.push(hall);
        }
        self.tend(hall);
    }

    pub(super) fn find(&self, channel: &str) -> Option<Arc<Hall>> {
        self.shard(channel).lock().get(channel).map(|entry| Arc::clone(&entry.hall))
    }

    pub(super) fn all(&self) -> Vec<Arc<Hall>> {
        let halls = self
            .shards
            .iter()
            .flat_map(|shard| shard.lock().values().map(|entry| Arc::clone(&entry.hall)).collect::<Vec<_>>());
        halls.collect()
    }

    fn shard(&self, channel: &str) -> &Shard {
        &self.shards[self.hasher.hash_one(channel) as usize % SHARDS]
    }
}

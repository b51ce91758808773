//! The channels of this node that are no battle's board and no participant's own.

mod counting;
pub(crate) mod hall;
mod last;
pub(crate) mod roster;
pub(crate) mod seat;
pub(crate) mod tending;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahash::{AHashMap, RandomState};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::timeout;

use self::hall::Hall;
use self::last::Lasts;
use super::Hub;
use super::queue::Queue;
use super::whereabouts::Whereabouts;
use crate::channel::{Channel, Name};
use crate::cluster::{
    About, ChannelState, Event, Here, NodeId, Query, Say, Sockets, Stand, Version, cut, text_bytes,
};
use crate::webhooks::{Occurred, WebhookEvent};

/// Enough that subscriptions to different channels seldom meet on one lock.
const SHARDS: usize = 16;
/// What a node has said of a channel takes so many bytes in a message, at most.
const STAND_BYTES: usize = 160;
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
    /// Channels with sockets. Kept only where webhooks tell of them.
    pub(super) occupied: Whereabouts,
    /// Held while a channel comes or goes and that is told to webhooks, so that what is told last is so.
    pub(super) telling: Mutex<()>,
    /// Whether another node wants to know where this one stands.
    pub(super) is_compared: AtomicBool,
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
            occupied: Whereabouts::default(),
            telling: Mutex::default(),
            is_compared: AtomicBool::new(false),
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
            // Who comes later need not wait for what was lost.
            if !name.is_beside() && timeout(ANSWERS_TIMEOUT, hall.answers()).await.is_err() {
                hall.give_up_waiting();
            }
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
                let sockets = Sockets { number: hub.link.next_number(), count: 0 };
                hub.link.say_to_peers(|| Say::Count { channel: Arc::clone(name), sockets });
            }
            if hub.webhooks.are_there() {
                self.occupied.closed(name, hub.now_ms(), |word| hub.say_whereabouts(About::Channels, word));
            }
        }
    }

    /// A channel has its first socket on this node.
    fn opened(&self, hub: &Hub, channel: &Arc<str>) {
        if !hub.webhooks.are_there() {
            return;
        }
        let _in_order = self.telling.lock();
        if self.occupied.opened(channel, |word| hub.say_whereabouts(About::Channels, word)) {
            hub.webhooks.tell(|| Occurred::new(WebhookEvent::ChannelOccupied, channel));
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
            | Say::Count { channel, .. } => channel,
            Say::Stands { channels } => return self.hear_stands(hub, from, channels),
            Say::Compare => return self.is_compared.store(true, Ordering::Relaxed),
            Say::Whereabouts { about, word } => return hub.hear_whereabouts(from, *about, word.clone()),
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

    fn hear_stands(&self, hub: &Hub, from: NodeId, channels: &[(Arc<str>, Stand)]) {
        for (channel, stand) in channels {
            if let Some(hall) = self.find(channel) {
                hall.hear_stand(&hub.link, from, *stand);
                self.follow_up(hub, &hall);
            }
        }
    }

    /// Tells the other nodes where this one stands, and asks those that say nothing.
    pub(super) fn compare(&self, hub: &Hub) {
        let halls = self.all();
        let stands = halls.iter().filter_map(|hall| {
            let stand = hall.stand(&hub.link)?;
            Some((Arc::clone(hall.name.text()), stand))
        });
        for channels in cut(stands.collect(), |(name, _): &(Arc<str>, Stand)| text_bytes(name) + STAND_BYTES)
        {
            if !channels.is_empty() {
                hub.link.say_to_peers(|| Say::Stands { channels });
            }
        }
        hub.say_still();
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
                    sockets: Some(Sockets { number: hub.link.next_number(), count: 0 }),
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
        let prefix = query.prefix.as_deref().unwrap_or_default();
        let asked_for = |hall: &&Arc<Hall>| !hall.name.is_beside() && hall.name.text().starts_with(prefix);
        halls
            .iter()
            .filter(asked_for)
            .map(|hall| (Arc::clone(hall.name.text()), hall.state(query.users)))
            .collect()
    }

    /// Another node is gone.
    pub(crate) fn forget_node(&self, hub: &Hub, node: NodeId) {
        let tells = hub.link.speaks_for_others();
        self.occupied.forget(node, hub.now_ms());
        hub.users.online.forget(node, hub.now_ms());
        for hall in self.all() {
            hall.forget_node(&hub.link, node, tells);
            self.follow_up(hub, &hall);
        }
    }

    /// Something may have been lost: asks the other nodes where they stand. Only who is said to be elsewhere is asked for.
    pub(crate) fn ask_all(&self, hub: &Hub) {
        hub.link.say_to_peers(|| Say::Compare);
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

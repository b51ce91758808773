//! The battles that somebody on this node follows. A battle is followed from its first listener to its last.

use std::sync::Arc;

use ahash::{AHashMap, RandomState};
use nimaora_domain::{BattleId, ParticipantId};
use parking_lot::Mutex;
use uuid::Uuid;

use super::Hub;
use super::room::Room;
use super::seat::Occupancy;
use super::sent::{Left, SentBoard};
use crate::channel::Channel;
use crate::error::Refusal;

/// Enough that subscriptions to different battles seldom meet on one lock.
const SHARDS: usize = 16;

struct Entry {
    room: Arc<Room>,
    occupants: usize,
}

/// The node's battles.
pub(crate) struct Rooms {
    hasher: RandomState,
    shards: [Mutex<AHashMap<BattleId, Entry>>; SHARDS],
    left: Left,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { hasher: RandomState::new(), shards, left: Left::default() }
    }

    /// Takes part in a battle, which is followed from then on.
    pub(crate) async fn enter(&self, hub: &Arc<Hub>, battle_id: BattleId) -> Result<Occupancy, Refusal> {
        let room = {
            let mut shard = self.shard(battle_id).lock();
            let entry = shard
                .entry(battle_id)
                .or_insert_with(|| Entry { room: Arc::new(Room::new(hub, battle_id)), occupants: 0 });
            entry.occupants += 1;
            Arc::clone(&entry.room)
        };
        let occupancy = Occupancy::new(Arc::clone(hub), room);
        occupancy.room().open(hub).await?;
        Ok(occupancy)
    }

    /// Gives back what [`Rooms::enter`] gave.
    pub(super) fn leave(&self, battle_id: BattleId) {
        let mut shard = self.shard(battle_id).lock();
        if let Some(entry) = shard.get_mut(&battle_id) {
            entry.occupants -= 1;
            if entry.occupants == 0 {
                entry.room.close();
                if let Some(board) = entry.room.sent() {
                    self.left.keep(board);
                }
                shard.remove(&battle_id);
            }
        }
    }

    /// All battles that are followed now.
    pub(super) fn all(&self) -> Vec<Arc<Room>> {
        let rooms = self
            .shards
            .iter()
            .flat_map(|shard| shard.lock().values().map(|entry| Arc::clone(&entry.room)).collect::<Vec<_>>());
        rooms.collect()
    }

    /// What was last sent of the boards of all battles, as far as it is known.
    pub(crate) fn sent(&self) -> Vec<SentBoard> {
        self.left.and(self.all().iter().filter_map(|room| room.sent()))
    }

    /// The channels of all battles that somebody listens to and whose names begin so, and how many sockets each has.
    pub(crate) fn states(&self, prefix: &str) -> Vec<(Arc<str>, usize)> {
        let mut states = Vec::new();
        for room in self.all() {
            if Channel::Battle(room.battle_id).may_begin_with(prefix) {
                states.push((Channel::Battle(room.battle_id), room.viewers_count()));
            }
            if Channel::Participant(ParticipantId(Uuid::nil())).may_begin_with(prefix) {
                let listeners = room.inboxes.lock().listeners();
                states.extend(listeners.into_iter().map(|(id, sockets)| (Channel::Participant(id), sockets)));
            }
        }
        states.retain(|(_, sockets)| *sockets > 0);
        let named = states.into_iter().map(|(channel, sockets)| (Arc::from(channel.to_string()), sockets));
        named.filter(|(name, _): &(Arc<str>, usize)| name.starts_with(prefix)).collect()
    }

    /// How many sockets such a channel has.
    pub(crate) fn sockets(&self, channel: &Channel) -> usize {
        match channel {
            Channel::Battle(id) => self.find(*id).map_or(0, |room| room.viewers_count()),
            Channel::Participant(id) => {
                let sockets = |room: Arc<Room>| room.inboxes.lock().listeners_of(*id);
                self.all().into_iter().map(sockets).sum()
            }
            Channel::Named(_) => 0,
        }
    }

    fn find(&self, battle_id: BattleId) -> Option<Arc<Room>> {
        self.shard(battle_id).lock().get(&battle_id).map(|entry| Arc::clone(&entry.room))
    }

    fn shard(&self, battle_id: BattleId) -> &Mutex<AHashMap<BattleId, Entry>> {
        &self.shards[self.hasher.hash_one(battle_id) as usize % SHARDS]
    }
}

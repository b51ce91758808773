//! Places for queries that wait. Who comes without a token can be anybody any number of times, so those have places of their
//! own and take none from players; and no battle takes all there are.

use std::sync::Arc;

use ahash::AHashMap;
use nimaora_domain::BattleId;
use nimaora_runtime::Clock;
use nimaora_sessions::TokenVerifier;
use parking_lot::Mutex;
use tonic::metadata::MetadataMap;

use crate::config::Config;

/// One battle leaves this part of the places to others: a quarter.
const LEFT_TO_OTHERS: usize = 4;

/// Who waits, as far as it matters for a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No token, or a bad one.
    #[default]
    Anybody,
    /// Whoever holds a good token.
    Known,
}

impl Caller {
    /// Reads the token of a call that needs none.
    pub(crate) fn of(metadata: &MetadataMap, verifier: &TokenVerifier, clock: &Clock) -> Self {
        let token = metadata.get("authorization").and_then(|value| value.to_str().ok());
        match token.map(|token| verifier.verify_bearer(Some(token), clock.now_ms())) {
            Some(Ok(_)) => Self::Known,
            Some(Err(_)) | None => Self::Anybody,
        }
    }
}

/// All places.
pub(crate) struct Places {
    known: Arc<Room>,
    anybody: Arc<Room>,
}

/// Some places, and how many of them are taken.
struct Room {
    places_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    /// Those that wait for no one battle are under `None`.
    each: AHashMap<Option<BattleId>, usize>,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    room: Arc<Room>,
    battle_id: Option<BattleId>,
}

impl Places {
    pub(crate) fn new(config: &Config) -> Self {
        Self { known: Room::with(config.waiting_max), anybody: Room::with(config.waiting_anonymous_max) }
    }

    /// A place to wait for the battle, or for what is in no one battle; `None` when there is none left.
    pub(crate) fn take(&self, caller: Caller, battle_id: Option<BattleId>) -> Option<Place> {
        let room = match caller {
            Caller::Known => &self.known,
            Caller::Anybody => &self.anybody,
        };
        room.enter(battle_id).then(|| Place { room: Arc::clone(room), battle_id })
    }
}

impl Room {
    fn with(places_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max, taken: Mutex::default() })
    }

    fn enter(&self, battle_id: Option<BattleId>) -> bool {
        let for_one_max = self.places_max - self.places_max / LEFT_TO_OTHERS;
        let mut taken = self.taken.lock();
        let for_this = taken.each.get(&battle_id).copied().unwrap_or_default();
        if taken.all >= self.places_max || for_this >= for_one_max {
            return false;
        }
        taken.all += 1;
        taken.each.insert(battle_id, for_this + 1);
        true
    }

    fn leave(&self, battle_id: Option<BattleId>) {
        let mut taken = self.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        match taken.each.get_mut(&battle_id) {
            Some(for_this) if *for_this > 1 => *for_this -= 1,
            Some(_) | None => {
                taken.each.remove(&battle_id);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.leave(self.battle_id);
    }
}

#[cfg(test)]
mod tests {
    use nimaora_read_models::contract::battle;

    use super::*;

    fn places() -> Places {
        Places::new(&Config { waiting_max: 8, waiting_anonymous_max: 4, ..Config::default() })
    }

    fn as_many_as_there_are(places: &Places, caller: Caller, battle_id: Option<BattleId>) -> Vec<Place> {
        std::iter::from_fn(|| places.take(caller, battle_id)).collect()
    }

    #[test]
    fn those_without_a_token_take_no_place_from_those_with_one() {
        let places = places();
        let _here = as_many_as_there_are(&places, Caller::Anybody, Some(battle(1)));
        let _there = as_many_as_there_are(&places, Caller::Anybody, Some(battle(2)));
        assert!(places.take(Caller::Anybody, None).is_none());
        assert_eq!(as_many_as_there_are(&places, Caller::Known, Some(battle(1))).len(), 6);
    }

    #[test]
    fn one_battle_leaves_places_to_others() {
        let places = places();
        let hot = as_many_as_there_are(&places, Caller::Known, Some(battle(1)));
        assert_eq!(hot.len(), 6);
        assert_eq!(as_many_as_there_are(&places, Caller::Known, Some(battle(2))).len(), 2);
        assert_eq!(as_many_as_there_are(&places, Caller::Known, None).len(), 2);
    }

    #[test]
    fn a_place_that_was_left_is_free_and_nothing_is_kept_of_it() {
        let places = places();
        for _ in 0..3 {
            assert_eq!(as_many_as_there_are(&places, Caller::Anybody, Some(battle(1))).len(), 3);
        }
        assert!(places.anybody.taken.lock().each.is_empty());
    }

    #[test]
    fn a_single_place_is_a_place() {
        let places = Places::new(&Config { waiting_max: 1, ..Config::default() });
        assert!(places.take(Caller::Known, Some(battle(1))).is_some());
    }
}

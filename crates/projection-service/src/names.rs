//! Who is called what, so that an alert can say who attacked.

use std::sync::Arc;

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId};

use crate::config::{NAMES_KEPT, NAMES_MAX};

/// What stands for a name that is not known. An attack by somebody who never joined is parked, so nobody sees it.
const UNKNOWN: &str = "?";

/// The names of the battles that are attacked in. A battle's names are all here or none of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    battles: AHashMap<BattleId, BattleNames>,
    /// All names, and one more for each battle: many empty ones take room too.
    total: usize,
    touches: u64,
}

#[derive(Debug, Default)]
struct BattleNames {
    names: AHashMap<ParticipantId, Arc<str>>,
    touched: u64,
}

impl Names {
    /// Whether the battle's names are here.
    pub(crate) fn holds(&self, battle_id: BattleId) -> bool {
        self.battles.contains_key(&battle_id)
    }

    /// All names of a battle: of a new one none, else what the tables hold.
    pub(crate) fn hold(&mut self, battle_id: BattleId, names: impl Iterator<Item = (ParticipantId, String)>) {
        self.touches += 1;
        let names: AHashMap<_, _> = names.map(|(id, name)| (id, Arc::from(name))).collect();
        let battle = BattleNames { names, touched: self.touches };
        self.total += battle.size();
        if let Some(old) = self.battles.insert(battle_id, battle) {
            self.total -= old.size();
        }
    }

    /// Somebody joined. Of no consequence when the battle's names are not here.
    pub(crate) fn joined(&mut self, battle_id: BattleId, participant_id: ParticipantId, name: &str) {
        if let Some(battle) = self.battles.get_mut(&battle_id)
            && battle.names.insert(participant_id, name.into()).is_none()
        {
            self.total += 1;
        }
    }

    /// The battle is over: nobody is attacked in it any more.
    pub(crate) fn forget(&mut self, battle_id: BattleId) {
        if let Some(battle) = self.battles.remove(&battle_id) {
            self.total -= battle.size();
        }
    }

    /// Somebody's name.
    pub(crate) fn name(&mut self, battle_id: BattleId, participant_id: ParticipantId) -> Arc<str> {
        self.touches += 1;
        let Some(battle) = self.battles.get_mut(&battle_id) else { return UNKNOWN.into() };
        battle.touched = self.touches;
        battle.names.get(&participant_id).map_or_else(|| UNKNOWN.into(), Arc::clone)
    }

    /// Forgets battles, the longest untouched first, until there is room, and some more so that it is not looked for at every
    /// batch. Called between batches, so that the names one batch needs are all here.
    pub(crate) fn make_room(&mut self) {
        if self.total < NAMES_MAX {
            return;
        }
        let mut battles: Vec<_> = self.battles.iter().map(|(id, battle)| (battle.touched, *id)).collect();
        battles.sort_unstable();
        for (_, battle_id) in battles {
            if self.total < NAMES_KEPT {
                return;
            }
            self.forget(battle_id);
        }
    }
}

impl BattleNames {
    fn size(&self) -> usize {
        self.names.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(n: usize) -> BattleId {
        BattleId(Uuid::from_u128(n as u128))
    }

    fn of_players(players: usize) -> impl Iterator<Item = (ParticipantId, String)> {
        (0..players).map(|n| (ParticipantId(Uuid::from_u128(n as u128)), format!("player {n}")))
    }

    #[test]
    fn battles_in_which_nobody_is_are_forgotten_too() {
        let mut names = Names::default();
        for n in 0..NAMES_MAX {
            names.hold(id(n), std::iter::empty());
        }
        names.make_room();
        assert!(names.battles.len() < NAMES_MAX, "{}", names.battles.len());
        assert!(!names.holds(id(0)) && names.holds(id(NAMES_MAX - 1)));
    }

    #[test]
    fn the_longest_untouched_are_forgotten_first_and_no_more_than_needed() {
        let mut names = Names::default();
        let quarter = NAMES_MAX / 4;
        for n in 0..4 {
            names.hold(id(n), of_players(quarter));
        }
        names.name(id(0), ParticipantId(Uuid::from_u128(1)));
        names.make_room();
        let held: Vec<_> = (0..4).filter(|&n| names.holds(id(n))).collect();
        assert_eq!(held, vec![0, 2, 3]);
        names.forget(id(0));
        names.forget(id(2));
        names.forget(id(3));
        assert_eq!(names.total, 0);
    }
}

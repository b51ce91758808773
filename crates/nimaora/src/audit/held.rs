//! Battles that `tail` holds to check and to tell what comes next. What takes memory is who takes part, so that is what is bounded.

use std::collections::HashMap;

use nimaora_domain::BattleId;

use super::walk::Fold;

/// Participants that are held in all battles together, about 0.5 KB each. When it is reached, battles of which nothing was told for the longest time
/// are let go, and read again from their beginning when something is.
const PARTICIPANTS_MAX: usize = 200_000;
/// What a battle counts for besides its participants.
const BATTLE: usize = 50;

/// The battles that are held.
#[derive(Default)]
pub(super) struct Held {
    folds: HashMap<BattleId, (u64, Fold)>,
    /// How often one was asked for.
    asked: u64,
    /// What all count for together, as of when they were last asked for.
    weight: usize,
}

fn weight(fold: &Fold) -> usize {
    BATTLE + fold.battle.participants().len()
}

impl Held {
    /// Takes out the battle, if it is held. It is to be put back.
    pub(super) fn take(&mut self, battle_id: BattleId) -> Option<Fold> {
        let (_, fold) = self.folds.remove(&battle_id)?;
        self.weight -= weight(&fold);
        Some(fold)
    }

    /// Holds the battle, and lets go of others where they are too many.
    pub(super) fn put(&mut self, battle_id: BattleId, fold: Fold) {
        self.put_within(battle_id, fold, PARTICIPANTS_MAX);
    }

    fn put_within(&mut self, battle_id: BattleId, fold: Fold, most: usize) {
        self.weight += weight(&fold);
        while self.weight > most {
            let Some(oldest) = self.folds.iter().min_by_key(|(_, (asked, _))| *asked).map(|(id, _)| *id)
            else {
                break;
            };
            self.take(oldest);
        }
        self.asked += 1;
        self.folds.insert(battle_id, (self.asked, fold));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_battle_that_was_told_of_the_longest_time_ago_is_let_go_first() {
        let battle = |n| BattleId(Uuid::from_u128(n));
        let mut held = Held::default();
        for n in [1, 2, 3] {
            held.put_within(battle(n), Fold::default(), 3 * BATTLE);
        }
        let first = held.take(battle(1)).unwrap();
        held.put_within(battle(1), first, 3 * BATTLE);
        held.put_within(battle(4), Fold::default(), 3 * BATTLE);
        assert!(held.take(battle(2)).is_none());
        assert!([1, 3, 4].into_iter().all(|n| held.take(battle(n)).is_some()));
        assert_eq!(held.weight, 0);
    }
}

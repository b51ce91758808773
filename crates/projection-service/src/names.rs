//! Who is called what, so that an alert can say who attacked.

use std::sync::Arc;

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId};

use crate::config::NAMES_MAX;

/// What stands for a name that is not known. An attack by somebody who never joined is parked, so nobody sees it.
const UNKNOWN: &str = "?";

/// The names of the battles that are attacked in. A battle's names are all here or none of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    battles: AHashMap<BattleId, BattleNames>,
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
        self.total += names.len();
        if let Some(old) = self.battles.insert(battle_id, BattleNames { names, touched: self.touches }) {
            self.total -= old.names.len();
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
            self.total -= battle.names.len();
        }
    }

    /// Somebody's name.
    pub(crate) fn name(&mut self, battle_id: BattleId, participant_id: ParticipantId) -> Arc<str> {
        self.touches += 1;
        let Some(battle) = self.battles.get_mut(&battle_id) else { return UNKNOWN.into() };
        battle.touched = self.touches;
        battle.names.get(&participant_id).map_or_else(|| UNKNOWN.into(), Arc::clone)
    }

    /// Forgets battles, the longest untouched first, until there is room. Called between batches, so that the names one batch
    /// needs are all here.
    pub(crate) fn make_room(&mut self) {
        while self.total >= NAMES_MAX {
            let oldest = self.battles.iter().min_by_key(|(_, battle)| battle.touched);
            let Some((&battle_id, _)) = oldest else { return };
            self.forget(battle_id);
        }
    }
}

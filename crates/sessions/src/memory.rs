//! Presence within one process.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, rules};
use parking_lot::{Mutex, RwLock};

use crate::presence::{Presence, PresenceError};

/// The most participants that one battle waits for, a shard of it a sixteenth more or less. Past it a newcomer is refused
/// as [`PresenceError::Unavailable`] and is never found silent; no battle admits more.
pub const PRESENT_MAX: usize = rules::PARTICIPANTS_MAX as usize;
/// The most battles with somebody in them. Past it a new battle is refused as [`PresenceError::Unavailable`].
pub const BATTLES_MAX: usize = 10_000;

/// Enough that two cores seldom meet on one lock.
const SHARDS: usize = 16;
/// Ids are spread evenly; a quarter of slack keeps a full battle from meeting the bound of one shard.
const SHARD_PRESENT_MAX: usize = PRESENT_MAX / SHARDS * 5 / 4;

/// Presence kept in memory. After a restart everybody counts as not heard of yet, and nobody as silent.
#[derive(Default)]
pub struct MemoryPresence {
    hasher: RandomState,
    battles: RwLock<HashMap<BattleId, Arc<BattlePresence>, RandomState>>,
}

#[derive(Default)]
struct BattlePresence {
    shards: [Mutex<Shard>; SHARDS],
}

struct Shard {
    seen: HashMap<ParticipantId, i64, RandomState>,
    /// Nobody here was last seen before this. Seeing somebody only raises times, so the bound stays true between two
    /// scans, and a shard in which nobody can be silent is passed over.
    oldest_ms: i64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { seen: HashMap::default(), oldest_ms: i64::MAX }
    }
}

impl MemoryPresence {
    /// Presence of nobody.
    pub fn new() -> Self {
        Self::default()
    }

    fn battle(&self, battle_id: BattleId) -> Option<Arc<BattlePresence>> {
        self.battles.read().get(&battle_id).cloned()
    }

    fn battle_or_new(&self, battle_id: BattleId) -> Result<Arc<BattlePresence>, PresenceError> {
        if let Some(battle) = self.battle(battle_id) {
            return Ok(battle);
        }
        let mut battles = self.battles.write();
        if battles.len() >= BATTLES_MAX && !battles.contains_key(&battle_id) {
            return Err(PresenceError::Unavailable {
                reason: format!("{BATTLES_MAX} battles are waited for already"),
            });
        }
        Ok(Arc::clone(battles.entry(battle_id).or_default()))
    }

    fn shard_of(&self, participant_id: ParticipantId) -> usize {
        (self.hasher.hash_one(participant_id) % SHARDS as u64) as usize
    }
}

impl Shard {
    fn touch(&mut self, participant_id: ParticipantId, now_ms: i64) -> Result<(), PresenceError> {
        if let Some(seen_ms) = self.seen.get_mut(&participant_id) {
            *seen_ms = now_ms.max(*seen_ms);
            return Ok(());
        }
        if self.seen.len() >= SHARD_PRESENT_MAX {
            return Err(PresenceError::Unavailable {
                reason: format!("a battle waits for at most {PRESENT_MAX} participants"),
            });
        }
        self.seen.insert(participant_id, now_ms);
        self.oldest_ms = self.oldest_ms.min(now_ms);
        Ok(())
    }

    fn collect_silent(&mut self, before_ms: i64, silent: &mut Vec<(i64, ParticipantId)>) {
        if self.oldest_ms >= before_ms {
            return;
        }
        let mut oldest_ms = i64::MAX;
        for (participant_id, seen_ms) in &self.seen {
            oldest_ms = oldest_ms.min(*seen_ms);
            if *seen_ms < before_ms {
                silent.push((*seen_ms, *participant_id));
            }
        }
        self.oldest_ms = oldest_ms;
    }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn touch_all(
        &self,
        battle_id: BattleId,
        participant_ids: &[ParticipantId],
        now_ms: i64,
    ) -> Result<(), PresenceError> {
        if participant_ids.is_empty() {
            return Ok(());
        }
        let battle = self.battle_or_new(battle_id)?;
        let touches =
            participant_ids.iter().map(|id| battle.shards[self.shard_of(*id)].lock().touch(*id, now_ms));
        // Whoever finds no room keeps no other one out.
        touches.fold(Ok(()), Result::and)
    }

    async fn last_seen_ms(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<Option<i64>, PresenceError> {
        let shard = self.shard_of(participant_id);
        let seen =
            |battle: Arc<BattlePresence>| battle.shards[shard].lock().seen.get(&participant_id).copied();
        Ok(self.battle(battle_id).and_then(seen))
    }

    async fn silent_since(
        &self,
        battle_id: BattleId,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<ParticipantId>, PresenceError> {
        let mut silent = Vec::new();
        if let Some(battle) = self.battle(battle_id) {
            for shard in &battle.shards {
                shard.lock().collect_silent(before_ms, &mut silent);
            }
        }
        silent.sort_unstable();
        silent.truncate(limit);
        Ok(silent.into_iter().map(|(_, participant_id)| participant_id).collect())
    }

    async fn forget(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<(), PresenceError> {
        if let Some(battle) = self.battle(battle_id) {
            battle.shards[self.shard_of(participant_id)].lock().seen.remove(&participant_id);
        }
        Ok(())
    }

    async fn forget_battle(&self, battle_id: BattleId) -> Result<(), PresenceError> {
        self.battles.write().remove(&battle_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{battle, participant};

    crate::presence_contract!(MemoryPresence::new());

    #[tokio::test]
    async fn does_not_grow_past_its_bounds() {
        let presence = MemoryPresence::new();
        let mut refused = 0;
        for n in 0..(PRESENT_MAX * 2) {
            refused += usize::from(presence.touch(battle(1), participant(n as u128), 1).await.is_err());
        }
        let kept = presence.silent_since(battle(1), 2, usize::MAX).await.unwrap().len();
        assert_eq!(kept + refused, PRESENT_MAX * 2);
        assert!((PRESENT_MAX..=PRESENT_MAX * 5 / 4).contains(&kept), "{kept} are kept");
        presence.touch(battle(1), participant(0), 5).await.unwrap();

        for n in 0..(BATTLES_MAX + 10) {
            let taken = presence.touch(battle(2 + n as u128), participant(1), 1).await.is_ok();
            assert_eq!(taken, n < BATTLES_MAX - 1);
        }
    }
}

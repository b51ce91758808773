//! The port: when a participant was last heard of. It is not the truth about anything; losing it loses nothing but time.

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};

/// Why presence was not recorded or not told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PresenceError {
    /// The store cannot be used now; try again after a while.
    #[error("presence cannot be used now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
}

/// When participants were last heard of.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// These participants were heard of at `now_ms` (milliseconds since the Unix epoch). An older time changes nothing. All are told in
    /// one go, so that twenty thousand cost no twenty thousand round trips; after a failure some of them may have been noted.
    async fn touch_all(
        &self,
        battle_id: BattleId,
        participant_ids: &[ParticipantId],
        now_ms: i64,
    ) -> Result<(), PresenceError>;

    /// The same for one participant.
    async fn touch(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        now_ms: i64,
    ) -> Result<(), PresenceError> {
        self.touch_all(battle_id, &[participant_id], now_ms).await
    }

    /// When the participant was last heard of; `None` when it never was, or too long ago to be kept.
    async fn last_seen_ms(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<Option<i64>, PresenceError>;

    /// The participants of a battle that were last heard of before `before_ms`, at most `limit`, the most silent first.
    async fn silent_since(
        &self,
        battle_id: BattleId,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<ParticipantId>, PresenceError>;

    /// The participant is not waited for any more: it left, lapsed or was removed.
    async fn forget(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<(), PresenceError>;

    /// Nobody of this battle is waited for any more: it is over.
    async fn forget_battle(&self, battle_id: BattleId) -> Result<(), PresenceError>;
}

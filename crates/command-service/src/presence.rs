//! Presence with a deadline: it is not the truth about anything, so nobody waits long for it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_sessions::{Presence, PresenceError};
use tokio::time::timeout;

/// How long one question to presence may take. Then it counts as failed: nobody lapses or returns meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// Another presence, whose answers are not waited for longer than [`PATIENCE`].
pub(crate) struct PromptPresence(pub(crate) Arc<dyn Presence>);

#[async_trait]
impl Presence for PromptPresence {
    async fn touch_all(
        &self,
        battle_id: BattleId,
        participant_ids: &[ParticipantId],
        now_ms: i64,
    ) -> Result<(), PresenceError> {
        prompt(self.0.touch_all(battle_id, participant_ids, now_ms)).await
    }

    async fn last_seen_ms(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<Option<i64>, PresenceError> {
        prompt(self.0.last_seen_ms(battle_id, participant_id)).await
    }

    async fn silent_since(
        &self,
        battle_id: BattleId,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<ParticipantId>, PresenceError> {
        prompt(self.0.silent_since(battle_id, before_ms, limit)).await
    }

    async fn forget(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<(), PresenceError> {
        prompt(self.0.forget(battle_id, participant_id)).await
    }

    async fn forget_battle(&self, battle_id: BattleId) -> Result<(), PresenceError> {
        prompt(self.0.forget_battle(battle_id)).await
    }
}

/// The answer, if it comes in time.
async fn prompt<T>(answer: impl Future<Output = Result<T, PresenceError>>) -> Result<T, PresenceError> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        Err(PresenceError::Unavailable { reason: "it did not answer in time".to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_a_failure() {
        let never = std::future::pending::<Result<(), PresenceError>>();
        prompt(never).await.unwrap_err();
        assert_eq!(prompt(std::future::ready(Ok(1))).await.unwrap(), 1);
    }
}

//! Signs of life: whoever gives one is not silent, and who had lapsed is back.

use std::time::Duration;

use nimaora_domain::{BattleId, Command, ParticipantId, Refusal, SessionId, Status};
use tokio::time::Instant;

use crate::error::CommandError;
use crate::metrics;
use crate::service::Core;
use crate::writer::roster::Look;

/// How long a heartbeat waits for its battle to be read. Then it counts without being judged, while its caller still listens; the
/// reading goes on, and the next one finds it done.
const READING_PATIENCE: Duration = Duration::from_secs(1);

impl Core {
    /// Takes a heartbeat. In a battle that is over it means nothing: nobody is waited for there.
    ///
    /// It is judged by what the battle's writer tells of the participants; where no writer is live, the battle is read into
    /// memory first. If that cannot be done soon, the heartbeat counts all the same: its token is genuine, and an outage of the
    /// log must not make players seem silent.
    pub(crate) async fn take_heartbeat(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        session_id: SessionId,
        deadline: Instant,
    ) -> Result<(), CommandError> {
        let soon = deadline.min(Instant::now() + READING_PATIENCE);
        match self.look(battle_id, participant_id, soon).await {
            Ok(Some(Look::Over)) => return Ok(()),
            Ok(Some(Look::Nobody)) => return Err(Refusal::ParticipantUnknown { participant_id }.into()),
            Ok(Some(Look::Seated(seat))) => {
                seat.check(session_id)?;
                if seat.status == Status::Lapsed {
                    let command = Command::RecordReturn { participant_id };
                    self.carry_out_as_system(battle_id, self.mint_command_id(), command, deadline).await?;
                }
            }
            // Read, and gone again before it could be looked at.
            Ok(None) => {}
            Err(error @ CommandError::Refused(_)) => return Err(error),
            Err(error) => tracing::debug!(%battle_id, %error, "a heartbeat was taken without being judged"),
        }
        self.note_heard_of(battle_id, participant_id).await;
        Ok(())
    }

    async fn look(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        deadline: Instant,
    ) -> Result<Option<Look>, CommandError> {
        let look = || self.writers.look(battle_id, participant_id);
        if let Some(look) = look() {
            return Ok(Some(look));
        }
        if self.is_over(battle_id) {
            return Ok(Some(Look::Over));
        }
        // Nobody lapses by this: it is a question that the writer cannot answer without having read the battle.
        let nobody = Command::RecordLapse { participant_ids: Vec::new() };
        self.carry_out_as_system(battle_id, self.mint_command_id(), nobody, deadline).await?;
        Ok(look())
    }

    /// Whether somebody is known to take part and not to have lapsed.
    pub(crate) fn is_active(&self, battle_id: BattleId, participant_id: ParticipantId) -> bool {
        matches!(self.writers.look(battle_id, participant_id), Some(Look::Seated(seat)) if seat.status == Status::Active)
    }

    /// Whether a battle is known to be over: as its writer says, or where none is live, as the log says.
    fn is_over(&self, battle_id: BattleId) -> bool {
        let followed = || self.open.borrow().as_ref().is_some_and(|open| !open.contains_key(&battle_id));
        self.writers.is_over(battle_id).unwrap_or_else(followed)
    }

    /// Notes that somebody was heard of who has not lapsed.
    pub(crate) async fn note_heard_of(&self, battle_id: BattleId, participant_id: ParticipantId) {
        if self.is_over(battle_id) {
            return;
        }
        if self.presence.touch(battle_id, participant_id, self.clock.now_ms()).await.is_err() {
            metrics::presence_failed();
        }
        // The battle was forgotten when it ended. If that was just now, what is kept of it here would stay for ever.
        if self.is_over(battle_id) {
            self.forget_battle(battle_id).await;
        }
    }

    /// Notes that somebody is not waited for any more.
    pub(crate) async fn note_gone(&self, battle_id: BattleId, participant_id: ParticipantId) {
        if self.presence.forget(battle_id, participant_id).await.is_err() {
            metrics::presence_failed();
        }
    }

    /// Notes that nobody in a battle is waited for any more.
    pub(crate) async fn forget_battle(&self, battle_id: BattleId) {
        if self.presence.forget_battle(battle_id).await.is_err() {
            metrics::presence_failed();
        }
    }
}

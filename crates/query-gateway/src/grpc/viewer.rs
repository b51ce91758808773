//! Who asks, and what they may see.

use nimaora_domain::{BattleId, ParticipantId, SessionId};
use nimaora_read_models::ParticipantView;
use nimaora_sessions::{Role, TokenError};
use tonic::metadata::MetadataMap;

use crate::error::QueryError;
use crate::gateway::Core;
use crate::waiting::Caller;

/// Who asks, as the token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Viewer {
    /// No token was sent.
    Anybody,
    Admin,
    Participant {
        battle_id: BattleId,
        participant_id: ParticipantId,
        session_id: SessionId,
    },
}

impl Viewer {
    /// Reads the token, if one was sent. A bad one is refused even where none is needed.
    pub(super) fn of(core: &Core, metadata: &MetadataMap) -> Result<Self, QueryError> {
        let Some(value) = metadata.get("authorization") else { return Ok(Self::Anybody) };
        // A value that is no text is no token either.
        let value = value.to_str().unwrap_or_default();
        let claims = core.verifier.verify_bearer(Some(value), core.clock.now_ms())?;
        Ok(match claims.role {
            Role::Admin => Self::Admin,
            Role::Participant { battle_id, participant_id, session_id } => {
                Self::Participant { battle_id, participant_id, session_id }
            }
        })
    }

    /// Who waits, if the answer is not there yet.
    pub(super) fn caller(self) -> Caller {
        match self {
            Self::Anybody => Caller::Anybody,
            Self::Admin | Self::Participant { .. } => Caller::Known,
        }
    }

    /// Refuses everybody but the participant itself and admins.
    pub(super) fn require(
        self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<(), QueryError> {
        match self {
            Self::Anybody => Err(TokenError::Missing.into()),
            Self::Admin => Ok(()),
            Self::Participant { .. } => {
                if self.is(battle_id, participant_id) {
                    Ok(())
                } else {
                    Err(QueryError::NotAllowed)
                }
            }
        }
    }

    /// Refuses the participant itself while the tables are built anew: they would take a session that was replaced for the
    /// newest. To be asked before the participant is read.
    pub(super) async fn can_be_judged(
        self,
        core: &Core,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<(), QueryError> {
        if self.is(battle_id, participant_id) { core.require_whole().await } else { Ok(()) }
    }

    /// Whether this is the token of that participant.
    pub(super) fn is(self, battle_id: BattleId, participant_id: ParticipantId) -> bool {
        match self {
            Self::Anybody | Self::Admin => false,
            Self::Participant { battle_id: battle, participant_id: participant, .. } => {
                battle == battle_id && participant == participant_id
            }
        }
    }

    /// Whether what only the participant itself and admins may see is shown.
    ///
    /// # Errors
    /// [`QueryError::SessionReplaced`] when the token is the participant's own but it has signed in again since. Session ids
    /// are ordered by time, so a token that is newer than the tables is taken.
    pub(super) fn sees_private(self, participant: &ParticipantView) -> Result<bool, QueryError> {
        match self {
            Self::Anybody => Ok(false),
            Self::Admin => Ok(true),
            Self::Participant { session_id, .. } => {
                if !self.is(participant.battle_id, participant.id) {
                    Ok(false)
                } else if session_id < participant.session_id {
                    Err(QueryError::SessionReplaced)
                } else {
                    Ok(true)
                }
            }
        }
    }
}

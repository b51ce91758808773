//! `ReplaceSession`: any session of the participant may ask for a new one, an old one too.

use super::{Case, Decision, by_participant};
use crate::event::{Event, SessionReplaced};
use crate::ids::{ParticipantId, SessionId};
use crate::refusal::Refusal;

pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    session_id: SessionId,
) -> Result<Decision, Refusal> {
    let participant = case.signed_in(participant_id)?;
    case.open()?;
    let replaced = SessionReplaced { participant_id, session_id };
    Ok(by_participant(participant, Event::SessionReplaced(replaced)))
}

//! `ReplaceSession`.

use crate::decide::{Case, Decision, own};
use crate::event::{Event, SessionReplaced};
use crate::ids::{ParticipantId, SessionId};
use crate::refusal::Refusal;

/// Any session of the participant may do it, also one that was replaced: whoever signed in on a second device
/// gets back to the first. It works after the end too, to read what one has done.
pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    session_id: SessionId,
) -> Result<Decision, Refusal> {
    case.exists()?;
    let participant = case.present(participant_id)?;
    Ok(own(participant, Event::SessionReplaced(SessionReplaced { participant_id, session_id })))
}

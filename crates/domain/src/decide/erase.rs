//! `EraseName`.

use crate::decide::{Case, Decision, shape};
use crate::event::{Event, NameErased};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

/// A wish to be forgotten comes at any time, so that neither the battle's phase nor the participant's status matters. A name that
/// was erased is answered as it was then: whoever asks again may have to finish what was begun.
pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    reason: &str,
) -> Result<Decision, Refusal> {
    case.exists()?;
    let participant = case.participant(participant_id)?;
    if let Some(revision) = participant.erased_revision() {
        return Ok(Decision::Repeat { revision });
    }
    let unknown = Refusal::ParticipantUnknown { participant_id };
    let erased = NameErased {
        participant_id,
        number: case.battle.number_of(participant_id).ok_or(unknown)?,
        was_sealed: participant.username().sealed().is_some(),
        reason: shape::required_reason(reason)?,
    };
    Ok(Decision::Append(vec![Event::NameErased(erased)]))
}

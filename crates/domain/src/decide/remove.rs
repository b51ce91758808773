//! `RemoveParticipant`.

use crate::battle::Status;
use crate::decide::{Case, Decision, shape};
use crate::event::{Event, ParticipantRemoved};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    reason: &str,
) -> Result<Decision, Refusal> {
    case.is_open()?;
    let participant = case.participant(participant_id)?;
    if participant.status() == Status::Removed {
        return Err(Refusal::TargetInactive { target_id: participant_id });
    }
    let removed = ParticipantRemoved { participant_id, reason: shape::reason(reason)? };
    Ok(Decision::Append(vec![Event::ParticipantRemoved(removed)]))
}

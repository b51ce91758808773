//! `RemoveParticipant`: out of the battle and off the board; the name stays taken.

use super::{Case, Decision, reason};
use crate::battle::Status;
use crate::event::{Event, ParticipantRemoved};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

pub(super) fn decide(case: &Case<'_>, participant_id: ParticipantId, why: &str) -> Result<Decision, Refusal> {
    case.open()?;
    let participant = case.known(participant_id)?;
    if participant.status == Status::Removed {
        return Err(Refusal::ParticipantUnknown { participant_id });
    }
    let removed = ParticipantRemoved { participant_id, reason: reason(why)? };
    Ok(Decision::Append(vec![Event::ParticipantRemoved(removed)]))
}

//! `Leave`.

use crate::decide::{Case, Decision, own};
use crate::event::{Event, ParticipantLeft};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

pub(super) fn decide(case: &Case<'_>, participant_id: ParticipantId) -> Result<Decision, Refusal> {
    case.is_open()?;
    let participant = case.acting(participant_id)?;
    Ok(own(participant, Event::ParticipantLeft(ParticipantLeft { participant_id })))
}

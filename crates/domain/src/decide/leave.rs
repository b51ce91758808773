//! `Leave`: for good; the score stays on the board and the name stays taken.

use super::{Case, Decision};
use crate::event::{Event, ParticipantLeft};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

pub(super) fn decide(case: &Case<'_>, participant_id: ParticipantId) -> Result<Decision, Refusal> {
    case.acting(participant_id)?;
    case.open()?;
    Ok(Decision::Append(vec![Event::ParticipantLeft(ParticipantLeft { participant_id })]))
}

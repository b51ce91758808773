//! `RecordLapse` and `RecordReturn`: what the system saw of participants' silence. Neither is ever refused for being late.

use super::{Case, Decision};
use crate::battle::{Participant, Status};
use crate::event::{Event, ParticipantReturned, ParticipantsLapsed};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

pub(super) fn lapse(case: &Case<'_>, silent: &[ParticipantId]) -> Decision {
    if case.running().is_err() {
        return Decision::Nothing;
    }
    let active = |id: &&ParticipantId| case.battle.participant(**id).is_some_and(Participant::is_active);
    let mut participant_ids: Vec<_> = silent.iter().filter(active).copied().collect();
    participant_ids.sort_unstable();
    participant_ids.dedup();
    if participant_ids.is_empty() {
        return Decision::Nothing;
    }
    Decision::Append(vec![Event::ParticipantsLapsed(ParticipantsLapsed { participant_ids })])
}

pub(super) fn back(case: &Case<'_>, participant_id: ParticipantId) -> Result<Decision, Refusal> {
    let participant = case.known(participant_id)?;
    if participant.status != Status::Lapsed || case.open().is_err() {
        return Ok(Decision::Nothing);
    }
    Ok(Decision::Append(vec![Event::ParticipantReturned(ParticipantReturned { participant_id })]))
}

//! `RecordLapse` and `RecordReturn`. Both pass over whom they do not concern, since the system learns of
//! silence and signs of life a little later than the battle moves on.

use crate::battle::{Phase, Status};
use crate::decide::{Case, Decision};
use crate::event::{Event, ParticipantReturned, ParticipantsLapsed};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;
use crate::rules::LAPSED_PER_EVENT_MAX;

pub(super) fn lapse(case: &Case<'_>, participant_ids: &[ParticipantId]) -> Result<Decision, Refusal> {
    case.exists()?;
    let mut lapsed: Vec<_> =
        participant_ids.iter().copied().filter(|&id| is(case, id, Status::Active)).collect();
    lapsed.sort_unstable();
    lapsed.dedup();
    if lapsed.is_empty() || is_over(case) {
        return Ok(Decision::Nothing);
    }
    let events = lapsed
        .chunks(LAPSED_PER_EVENT_MAX)
        .map(|ids| Event::ParticipantsLapsed(ParticipantsLapsed { participant_ids: ids.to_vec() }))
        .collect();
    Ok(Decision::Append(events))
}

pub(super) fn come_back(case: &Case<'_>, participant_id: ParticipantId) -> Result<Decision, Refusal> {
    case.exists()?;
    case.participant(participant_id)?;
    if is_over(case) || !is(case, participant_id, Status::Lapsed) {
        return Ok(Decision::Nothing);
    }
    Ok(Decision::Append(vec![Event::ParticipantReturned(ParticipantReturned { participant_id })]))
}

fn is(case: &Case<'_>, participant_id: ParticipantId, status: Status) -> bool {
    case.battle.participant(participant_id).is_some_and(|participant| participant.status() == status)
}

/// Nothing is recorded behind the end.
fn is_over(case: &Case<'_>) -> bool {
    matches!(case.battle.phase(), Phase::Finished | Phase::Cancelled)
}

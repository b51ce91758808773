//! `Join`: under a name that nobody in the battle has, in whatever spelling.

use super::{Case, Decision};
use crate::battle::Phase;
use crate::event::{Event, ParticipantJoined};
use crate::ids::{ParticipantId, SessionId};
use crate::refusal::Refusal;
use crate::username::Username;

pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    username: &str,
    session_id: SessionId,
) -> Result<Decision, Refusal> {
    case.open()?;
    let rules = case.battle.rules();
    if case.battle.phase() == Phase::Running && !rules.late_join {
        return Err(Refusal::JoinClosed);
    }
    let name = Username::new(username).map_err(|violation| Refusal::Invalid(vec![violation]))?;
    if case.battle.has_name(&name.folded()) {
        return Err(Refusal::UsernameTaken { username: name.as_str().to_owned() });
    }
    if case.battle.present() >= rules.participants_max {
        return Err(Refusal::BattleFull { participants_max: rules.participants_max });
    }
    Ok(Decision::Append(vec![Event::ParticipantJoined(ParticipantJoined {
        participant_id,
        username: name,
        session_id,
        balance: rules.initial,
    })]))
}

//! `Join`.

use crate::battle::Phase;
use crate::decide::{Case, Decision};
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
    case.is_open()?;
    case.is_before_end()?;
    let rules = case.battle.rules();
    if case.battle.phase() == Phase::Running && !rules.late_join {
        return Err(Refusal::JoinClosed);
    }
    let username = Username::new(username).map_err(|violation| Refusal::Invalid(vec![violation]))?;
    if case.battle.is_taken(&username) {
        return Err(Refusal::UsernameTaken { username: username.to_string() });
    }
    if case.battle.participants().len() >= rules.participants_max as usize {
        return Err(Refusal::BattleFull { participants_max: rules.participants_max });
    }
    if case.battle.participant(participant_id).is_some() {
        // Ids are minted for each join; one that is there already belongs to another command.
        return Err(Refusal::CommandIdReused);
    }
    let joined = ParticipantJoined { participant_id, username, session_id, balance: rules.initial };
    Ok(Decision::Append(vec![Event::ParticipantJoined(joined)]))
}

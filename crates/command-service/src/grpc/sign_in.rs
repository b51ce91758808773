//! Join and ReplaceSession: the calls that are answered with a token.
//!
//! A repeated sign-in is answered with a token again only for a short time. Command ids stand in the log, which auditors and
//! analysts read: without that limit a command id would be a password that never expires.

use nimaora_api::v1;
use nimaora_domain::{
    Actor, BattleId, Command, Outcome, ParticipantId, Refusal, SessionId, Timestamp, Username,
};
use nimaora_sessions::{Claims, Role};
use tonic::Request;

use super::caller::{attached, player};
use super::fields::{Fields, to_balance, to_timestamp};
use super::{accepted, unexpected};
use crate::error::CommandError;
use crate::ids;
use crate::service::Core;
use crate::writer::order::Answer;

pub(super) async fn join(
    core: &Core,
    request: Request<v1::JoinRequest>,
) -> Result<v1::JoinResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    let battle_id = fields.battle_id(&request.battle_id);
    fields.done()?;
    // Anybody may join, so nothing larger than a name gets as far as a queue.
    Username::new(&request.username).map_err(|violation| Refusal::Invalid(vec![violation]))?;
    let now_ms = core.clock.now_ms();
    let command = Command::Join {
        participant_id: ParticipantId(ids::mint(now_ms)),
        username: request.username.clone(),
        session_id: SessionId(ids::mint(now_ms)),
    };
    let attached = attached(core, &metadata);
    let answer = accepted(core.carry_out(battle_id, Actor::Guest, command_id, command, attached).await)?;
    check_repeat(core, &answer)?;
    let Answer {
        outcome: Outcome::Joined { participant_id, session_id, username, balance }, position, ..
    } = answer
    else {
        return Err(unexpected());
    };
    // Whoever repeats a sign-in knows what was signed in with.
    if !is_named(&request.username, &username) {
        return Err(Refusal::CommandIdReused.into());
    }
    core.note_heard_of(battle_id, participant_id).await;
    let (token, expires_at) = issue(core, battle_id, participant_id, session_id);
    Ok(v1::JoinResponse {
        participant_id: participant_id.to_string(),
        token,
        token_expires_at: Some(to_timestamp(expires_at)),
        username: username.to_string(),
        balance: Some(to_balance(balance)),
        position,
    })
}

pub(super) async fn replace_session(
    core: &Core,
    request: Request<v1::ReplaceSessionRequest>,
) -> Result<v1::ReplaceSessionResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let player = player(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    fields.done()?;
    let session_id = SessionId(ids::mint(core.clock.now_ms()));
    let command = Command::ReplaceSession { participant_id: player.participant_id, session_id };
    let attached = attached(core, &metadata);
    let answer =
        accepted(core.carry_out(player.battle_id, player.actor(), command_id, command, attached).await)?;
    check_repeat(core, &answer)?;
    let Outcome::SignedIn { participant_id, session_id } = answer.outcome else { return Err(unexpected()) };
    let (token, expires_at) = issue(core, player.battle_id, participant_id, session_id);
    let token_expires_at = Some(to_timestamp(expires_at));
    Ok(v1::ReplaceSessionResponse { token, token_expires_at, position: answer.position })
}

fn check_repeat(core: &Core, answer: &Answer) -> Result<(), CommandError> {
    let late = core.now().millis_since(answer.decided_at) > core.config.sign_in_repeat_ms;
    if answer.repeated && late { Err(CommandError::SignInRepeatExpired) } else { Ok(()) }
}

fn is_named(typed: &str, username: &Username) -> bool {
    Username::new(typed).is_ok_and(|typed| typed.as_str() == username.as_str())
}

fn issue(
    core: &Core,
    battle_id: BattleId,
    participant_id: ParticipantId,
    session_id: SessionId,
) -> (String, Timestamp) {
    // A token tells whole seconds, so the answer does too.
    let expires_ms = core.now().plus_millis(core.config.token_lifetime_ms).as_millis();
    let expires_at = Timestamp::from_millis(expires_ms - expires_ms % 1_000);
    let role = Role::Participant { battle_id, participant_id, session_id };
    (core.signer.issue(&Claims { role, expires_at }), expires_at)
}

//! JudgeAnswer and RemoveParticipant: what an admin does to participants.

use nimaora_api::v1;
use nimaora_domain::{Actor, Command, Outcome, QuestionId};
use tonic::Request;

use super::caller::{attached, require_admin};
use super::fields::{Fields, to_balance};
use super::{accepted, unexpected};
use crate::error::CommandError;
use crate::service::Core;

pub(super) async fn judge_answer(
    core: &Core,
    request: Request<v1::JudgeAnswerRequest>,
) -> Result<v1::JudgeAnswerResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    require_admin(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    let battle_id = fields.battle_id(&request.battle_id);
    let participant_id = fields.participant_id("participant_id", &request.participant_id);
    fields.done()?;
    let v1::JudgeAnswerRequest { question_id, attempt, correct, .. } = request;
    let question_id = QuestionId(question_id);
    let command = Command::JudgeAnswer { participant_id, question_id, attempt, correct };
    let attached = attached(core, &metadata);
    let answer = accepted(core.carry_out(battle_id, Actor::Admin, command_id, command, attached).await)?;
    let Outcome::Answered { earned, balance, .. } = answer.outcome else { return Err(unexpected()) };
    Ok(v1::JudgeAnswerResponse {
        earned: Some(to_balance(earned)),
        balance: Some(to_balance(balance)),
        position: answer.position,
    })
}

pub(super) async fn remove_participant(
    core: &Core,
    request: Request<v1::RemoveParticipantRequest>,
) -> Result<v1::RemoveParticipantResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    require_admin(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    let battle_id = fields.battle_id(&request.battle_id);
    let participant_id = fields.participant_id("participant_id", &request.participant_id);
    fields.done()?;
    let command = Command::RemoveParticipant { participant_id, reason: request.reason };
    let attached = attached(core, &metadata);
    let answer = accepted(core.carry_out(battle_id, Actor::Admin, command_id, command, attached).await)?;
    core.note_gone(battle_id, participant_id).await;
    Ok(v1::RemoveParticipantResponse { position: answer.position })
}

//! SubmitAnswer, Attack, Leave: what players do.

use nimaora_api::v1;
use nimaora_domain::event::Verdict;
use nimaora_domain::refusal::Violation;
use nimaora_domain::rules::EXTERNAL_ANSWER_BYTES_MAX;
use nimaora_domain::{Command, Outcome, QuestionId, Refusal};
use tonic::Request;

use super::caller::{attached, player};
use super::fields::{Fields, to_balance};
use super::{accepted, unexpected};
use crate::error::CommandError;
use crate::service::Core;

pub(super) async fn submit_answer(
    core: &Core,
    request: Request<v1::SubmitAnswerRequest>,
) -> Result<v1::SubmitAnswerResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let player = player(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    fields.done()?;
    check_answer(&request.answer)?;
    let command = Command::SubmitAnswer {
        participant_id: player.participant_id,
        question_id: QuestionId(request.question_id),
        answer: request.answer,
    };
    let attached = attached(core, &metadata);
    let answer =
        accepted(core.carry_out(player.battle_id, player.actor(), command_id, command, attached).await)?;
    core.note_heard_of(player.battle_id, player.participant_id).await;
    let Outcome::Answered { attempt, verdict, earned, balance } = answer.outcome else {
        return Err(unexpected());
    };
    Ok(v1::SubmitAnswerResponse {
        verdict: to_verdict(verdict).into(),
        attempt,
        earned: Some(to_balance(earned)),
        balance: Some(to_balance(balance)),
        position: answer.position,
    })
}

pub(super) async fn attack(
    core: &Core,
    request: Request<v1::AttackRequest>,
) -> Result<v1::AttackResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let player = player(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    let target_id = fields.participant_id("target_id", &request.target_id);
    fields.done()?;
    let command = Command::Attack { attacker_id: player.participant_id, target_id };
    let attached = attached(core, &metadata);
    let answer =
        accepted(core.carry_out(player.battle_id, player.actor(), command_id, command, attached).await)?;
    core.note_heard_of(player.battle_id, player.participant_id).await;
    let Outcome::Attacked { blocked, points_deducted, balance } = answer.outcome else {
        return Err(unexpected());
    };
    let balance = Some(to_balance(balance));
    Ok(v1::AttackResponse { blocked, points_deducted, balance, position: answer.position })
}

pub(super) async fn leave(
    core: &Core,
    request: Request<v1::LeaveRequest>,
) -> Result<v1::LeaveResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let player = player(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    fields.done()?;
    let command = Command::Leave { participant_id: player.participant_id };
    let attached = attached(core, &metadata);
    let answer =
        accepted(core.carry_out(player.battle_id, player.actor(), command_id, command, attached).await)?;
    core.note_gone(player.battle_id, player.participant_id).await;
    Ok(v1::LeaveResponse { position: answer.position })
}

/// Refuses what is too long for any question, before it takes room in a queue.
fn check_answer(answer: &str) -> Result<(), Refusal> {
    if answer.len() <= EXTERNAL_ANSWER_BYTES_MAX {
        return Ok(());
    }
    let description =
        format!("it has {} bytes; at most {EXTERNAL_ANSWER_BYTES_MAX} are possible", answer.len());
    Err(Refusal::Invalid(vec![Violation { field: "answer".to_owned(), description }]))
}

fn to_verdict(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Correct => v1::Verdict::Correct,
        Verdict::Wrong => v1::Verdict::Wrong,
        Verdict::Pending => v1::Verdict::Pending,
    }
}

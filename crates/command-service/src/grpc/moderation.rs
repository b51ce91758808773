//! JudgeAnswer, RemoveParticipant and EraseName: what an admin does to participants.

use std::sync::Arc;

use nimaora_api::v1;
use nimaora_domain::{Actor, BattleId, Command, CommandId, Outcome, ParticipantId, QuestionId, Username};
use nimaora_event_log::ReadError;
use tonic::Request;
use tonic::metadata::MetadataMap;

use super::caller::{attached, require_admin};
use super::fields::{Fields, to_balance};
use super::{accepted, unexpected};
use crate::error::CommandError;
use crate::service::Core;
use crate::writer::order::Answer;

pub(super) async fn judge_answer(
    core: &Core,
    request: Request<v1::JudgeAnswerRequest>,
) -> Result<v1::JudgeAnswerResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let v1::JudgeAnswerRequest { command_id, battle_id, participant_id, question_id, attempt, correct } =
        request;
    let about = About::read(core, &metadata, [&command_id, &battle_id, &participant_id])?;
    let question_id = QuestionId(question_id);
    let participant_id = about.participant_id;
    let command = Command::JudgeAnswer { participant_id, question_id, attempt, correct };
    let answer = about.carry_out(core, &metadata, command).await?;
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
    let v1::RemoveParticipantRequest { command_id, battle_id, participant_id, reason } = request;
    let about = About::read(core, &metadata, [&command_id, &battle_id, &participant_id])?;
    let participant_id = about.participant_id;
    let command = Command::RemoveParticipant { participant_id, reason };
    let answer = about.carry_out(core, &metadata, command).await?;
    core.note_gone(about.battle_id, participant_id).await;
    Ok(v1::RemoveParticipantResponse { position: answer.position })
}

pub(super) async fn erase_name(
    core: Arc<Core>,
    request: Request<v1::EraseNameRequest>,
) -> Result<v1::EraseNameResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    let v1::EraseNameRequest { command_id, battle_id, participant_id, reason } = request;
    let about = About::read(&core, &metadata, [&command_id, &battle_id, &participant_id])?;
    let command = Command::EraseName { participant_id: about.participant_id, reason };
    // In a task of its own: a client that goes away in between does not leave the key behind.
    let tasks = core.writers.parts().shutdown.clone();
    let erasing = tasks.spawn(async move { erase(&core, &metadata, &about, command).await });
    erasing.await.unwrap_or_else(|_| Err(unexpected()))
}

async fn erase(
    core: &Core,
    metadata: &MetadataMap,
    about: &About,
    command: Command,
) -> Result<v1::EraseNameResponse, CommandError> {
    let answer = about.carry_out(core, metadata, command).await?;
    let Outcome::NameErased { number, was_sealed } = answer.outcome else { return Err(unexpected()) };
    // The event stands in the log, so that whoever asks again after a failure comes by here again; and so does the battle's next writer.
    let names = core.writers.parts().log.names();
    names.forget(about.battle_id, number).await.map_err(ReadError::from)?;
    Ok(v1::EraseNameResponse {
        position: answer.position,
        repeated: answer.repeated,
        shown: Username::erased(number).to_string(),
        in_clear: !was_sealed,
    })
}

/// Whom an admin's command is about.
struct About {
    command_id: CommandId,
    battle_id: BattleId,
    participant_id: ParticipantId,
}

impl About {
    /// Refuses everybody but an admin, and ids that are none.
    fn read(
        core: &Core,
        metadata: &MetadataMap,
        [command_id, battle_id, participant_id]: [&str; 3],
    ) -> Result<Self, CommandError> {
        require_admin(core, metadata)?;
        let mut fields = Fields::default();
        let about = Self {
            command_id: fields.command_id(command_id),
            battle_id: fields.battle_id(battle_id),
            participant_id: fields.participant_id("participant_id", participant_id),
        };
        fields.done()?;
        Ok(about)
    }

    async fn carry_out(
        &self,
        core: &Core,
        metadata: &MetadataMap,
        command: Command,
    ) -> Result<Answer, CommandError> {
        let attached = attached(core, metadata);
        accepted(core.carry_out(self.battle_id, Actor::Admin, self.command_id, command, attached).await)
    }
}

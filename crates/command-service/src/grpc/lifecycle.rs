//! CreateBattle, StartBattle, FinishBattle, CancelBattle.

use nimaora_api::v1;
use nimaora_domain::{Actor, BattleId, Command, CommandId, Outcome};
use tonic::Request;
use tonic::metadata::MetadataMap;

use super::caller::{attached, require_admin};
use super::fields::{self, Fields};
use super::{accepted, unexpected};
use crate::error::CommandError;
use crate::ids;
use crate::service::Core;

pub(super) async fn create_battle(
    core: &Core,
    request: Request<v1::CreateBattleRequest>,
) -> Result<v1::CreateBattleResponse, CommandError> {
    let (metadata, _, request) = request.into_parts();
    require_admin(core, &metadata)?;
    let mut fields = Fields::default();
    let command_id = fields.command_id(&request.command_id);
    let questions = fields.questions(request.questions);
    let schedule = request.schedule.unwrap_or_default();
    let starts_at = fields.time("schedule.starts_at", schedule.starts_at);
    let ends_at = fields.time("schedule.ends_at", schedule.ends_at);
    fields.done()?;
    let battle_id = BattleId::created_by(command_id);
    let join_code = ids::join_code(battle_id);
    let rules = fields::rules(request.rules);
    let command =
        Command::CreateBattle { title: request.title, rules, questions, starts_at, ends_at, join_code };
    let attached = attached(core, &metadata);
    let answer = accepted(core.carry_out(battle_id, Actor::Admin, command_id, command, attached).await)?;
    let Outcome::Created { join_code } = answer.outcome else { return Err(unexpected()) };
    Ok(v1::CreateBattleResponse { battle_id: battle_id.to_string(), join_code, position: answer.position })
}

pub(super) async fn start_battle(
    core: &Core,
    request: Request<v1::StartBattleRequest>,
) -> Result<v1::StartBattleResponse, CommandError> {
    let (metadata, _, v1::StartBattleRequest { command_id, battle_id }) = request.into_parts();
    let position = move_on(core, &metadata, &command_id, &battle_id, Command::StartBattle).await?;
    Ok(v1::StartBattleResponse { position })
}

pub(super) async fn finish_battle(
    core: &Core,
    request: Request<v1::FinishBattleRequest>,
) -> Result<v1::FinishBattleResponse, CommandError> {
    let (metadata, _, v1::FinishBattleRequest { command_id, battle_id }) = request.into_parts();
    let position = move_on(core, &metadata, &command_id, &battle_id, Command::FinishBattle).await?;
    Ok(v1::FinishBattleResponse { position })
}

pub(super) async fn cancel_battle(
    core: &Core,
    request: Request<v1::CancelBattleRequest>,
) -> Result<v1::CancelBattleResponse, CommandError> {
    let (metadata, _, v1::CancelBattleRequest { command_id, battle_id, reason }) = request.into_parts();
    let position =
        move_on(core, &metadata, &command_id, &battle_id, Command::CancelBattle { reason }).await?;
    Ok(v1::CancelBattleResponse { position })
}

/// Gives an admin's command to a battle that exists, and answers the position of the change.
async fn move_on(
    core: &Core,
    metadata: &MetadataMap,
    command_id: &str,
    battle_id: &str,
    command: Command,
) -> Result<u64, CommandError> {
    require_admin(core, metadata)?;
    let mut fields = Fields::default();
    let command_id: CommandId = fields.command_id(command_id);
    let battle_id = fields.battle_id(battle_id);
    fields.done()?;
    let attached = attached(core, metadata);
    let answer = accepted(core.carry_out(battle_id, Actor::Admin, command_id, command, attached).await)?;
    Ok(answer.position)
}

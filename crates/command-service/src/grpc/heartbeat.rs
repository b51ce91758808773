//! Heartbeat: a sign of life. It touches presence, and nothing else unless somebody returns.

use nimaora_api::v1;
use tonic::Request;

use super::caller::player;
use crate::error::CommandError;
use crate::service::Core;

pub(super) async fn heartbeat(
    core: &Core,
    request: Request<v1::HeartbeatRequest>,
) -> Result<v1::HeartbeatResponse, CommandError> {
    let player = player(core, request.metadata())?;
    core.heard_of(player.battle_id, player.participant_id).await?;
    Ok(v1::HeartbeatResponse {})
}

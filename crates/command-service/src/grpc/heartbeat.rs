//! Heartbeat: a sign of life. It touches presence, and nothing else unless somebody returns.

use nimaora_api::v1;
use tonic::Request;

use super::caller::{Player, attached, player};
use crate::error::CommandError;
use crate::service::Core;

pub(super) async fn heartbeat(
    core: &Core,
    request: Request<v1::HeartbeatRequest>,
) -> Result<v1::HeartbeatResponse, CommandError> {
    let Player { battle_id, participant_id, session_id } = player(core, request.metadata())?;
    let deadline = attached(core, request.metadata()).deadline;
    core.take_heartbeat(battle_id, participant_id, session_id, deadline).await?;
    Ok(v1::HeartbeatResponse {})
}

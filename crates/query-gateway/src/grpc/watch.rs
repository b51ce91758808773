//! WatchLeaderboard.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use nimaora_api::v1;
use tonic::Status;

use super::battles;
use super::convert::to_phase;
use super::fields::Fields;
use crate::config::WATCH_LINES;
use crate::error::QueryError;
use crate::freshness::Wanted;
use crate::gateway::Core;
use crate::status::status;
use crate::watch::Scene;

pub(super) async fn leaderboard(
    core: &Core,
    request: v1::WatchLeaderboardRequest,
) -> Result<BoxStream<'static, Result<v1::WatchLeaderboardResponse, Status>>, QueryError> {
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let limit = fields.bounded("limit", request.limit, WATCH_LINES);
    fields.done()?;
    battles::battle(core, battle_id, Wanted::default()).await?;
    let scenes = core.watches.watch(battle_id, limit)?;
    Ok(scenes.map_ok(move |scene| message(&scene, limit)).map_err(|error| status(&error)).boxed())
}

fn message(scene: &Scene, limit: u32) -> v1::WatchLeaderboardResponse {
    v1::WatchLeaderboardResponse {
        entries: scene.top.first(limit).to_vec(),
        total: scene.top.total,
        phase: to_phase(scene.phase).into(),
        as_of: scene.top.as_of,
    }
}

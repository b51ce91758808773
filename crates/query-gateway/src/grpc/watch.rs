//! WatchLeaderboard.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use nimaora_api::v1;
use tonic::{Request, Status};

use super::convert::to_phase;
use super::fields::Fields;
use super::{battles, board};
use crate::config::WATCH_LINES;
use crate::error::QueryError;
use crate::gateway::Core;
use crate::status::status;
use crate::watch::{Scene, is_over};

pub(super) async fn leaderboard(
    core: &Core,
    request: Request<v1::WatchLeaderboardRequest>,
) -> Result<BoxStream<'static, Result<v1::WatchLeaderboardResponse, Status>>, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let limit = fields.bounded("limit", request.limit, WATCH_LINES);
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    fields.done()?;
    let phase = battles::battle(core, battle_id, wanted).await?.value.phase;
    // Of a battle that is over, whoever watches is shown the final board, which is later than anything that was wanted.
    let first = if wanted.min_position > 0 && !is_over(phase) {
        let top = board::read_top(core, battle_id, WATCH_LINES.max, wanted).await?;
        Some(Arc::new(Scene { top, phase }))
    } else {
        None
    };
    let scenes = core.watches.watch(battle_id, limit, first)?;
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

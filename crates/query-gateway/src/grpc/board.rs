//! GetLeaderboard, GetRank and GetAroundRank.

use std::future::Future;
use std::sync::Arc;

use nimaora_api::v1;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::Board;
use tonic::Request;

use super::fields::Fields;
use crate::boards::{self, Top};
use crate::config::{AROUND_LINES, BOARD_LINES};
use crate::error::QueryError;
use crate::freshness::{Seen, Wanted};
use crate::gateway::Core;
use crate::tables::Ask;

pub(super) async fn top(
    core: &Core,
    request: Request<v1::GetLeaderboardRequest>,
) -> Result<v1::GetLeaderboardResponse, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let limit = fields.bounded("limit", request.limit, BOARD_LINES);
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    fields.done()?;
    let top = read_top(core, battle_id, limit, wanted).await?;
    Ok(v1::GetLeaderboardResponse { entries: top.first(limit).to_vec(), total: top.total, as_of: top.as_of })
}

/// The first lines of a board that is as fresh as is wanted.
pub(super) async fn read_top(
    core: &Core,
    battle_id: BattleId,
    limit: u32,
    wanted: Wanted,
) -> Result<Arc<Top>, QueryError> {
    let read = |ask| async move {
        let top = core.boards.top(battle_id, limit, ask).await?;
        Ok(Seen { as_of: top.as_of, value: top })
    };
    Ok(core.read(Some(battle_id), wanted, read).await?.value)
}

pub(super) async fn rank(
    core: &Core,
    request: Request<v1::GetRankRequest>,
) -> Result<v1::GetRankResponse, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let participant_id = fields.participant_id(&request.participant_id);
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    fields.done()?;
    let read = |ask| async move { core.boards.rank(battle_id, participant_id, ask).await.map(seen) };
    let board = on_it(core, (battle_id, participant_id), wanted, read).await?;
    Ok(v1::GetRankResponse {
        entry: boards::entries(&board.entries).pop(),
        total: board.total,
        as_of: board.as_of,
    })
}

pub(super) async fn around(
    core: &Core,
    request: Request<v1::GetAroundRankRequest>,
) -> Result<v1::GetAroundRankResponse, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let participant_id = fields.participant_id(&request.participant_id);
    let range = fields.bounded("range", request.range, AROUND_LINES);
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    fields.done()?;
    let read = |ask| async move { core.boards.around(battle_id, participant_id, range, ask).await.map(seen) };
    let board = on_it(core, (battle_id, participant_id), wanted, read).await?;
    Ok(v1::GetAroundRankResponse {
        entries: boards::entries(&board.entries),
        total: board.total,
        as_of: board.as_of,
    })
}

fn seen(board: Board) -> Seen<Board> {
    Seen { as_of: board.as_of, value: board }
}

/// The board, if the participant is on it.
async fn on_it<F, R>(
    core: &Core,
    (battle_id, participant_id): (BattleId, ParticipantId),
    wanted: Wanted,
    read: F,
) -> Result<Board, QueryError>
where
    F: Fn(Ask) -> R,
    R: Future<Output = Result<Seen<Board>, QueryError>>,
{
    let was_whole = core.wholeness.is_known();
    let mut board = core.read(Some(battle_id), wanted, &read).await?.value;
    if board.entries.is_empty() && !was_whole {
        core.require_whole().await?;
        // It may have come after the first read, with the last of what was missing.
        board = core.read(Some(battle_id), wanted, &read).await?.value;
    }
    if board.entries.is_empty() {
        return Err(QueryError::ParticipantUnknown { asked: participant_id.to_string() });
    }
    Ok(board)
}

//! What this process last told its sockets, for auditors.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use nimaora_api::details;
use nimaora_api::v1::realtime_admin_service_server::{RealtimeAdminService, RealtimeAdminServiceServer};
use nimaora_api::v1::{ListSentBoardsRequest, ListSentBoardsResponse};
use nimaora_domain::BattleId;
use nimaora_realtime::{Realtime, SentBoard};
use nimaora_runtime::Clock;
use nimaora_sessions::TokenVerifier;
use tonic::{Request, Response, Status, async_trait};

use super::admin::require_admin;

/// The largest request, in bytes. A larger one is answered `OUT_OF_RANGE`.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Battles that one call may name.
const BATTLES_MAX: usize = 100;

/// The service's implementation.
pub(super) struct SentBoards {
    pub(super) realtime: Realtime,
    pub(super) verifier: TokenVerifier,
    pub(super) clock: Clock,
}

impl SentBoards {
    /// The service for the port.
    pub(super) fn grpc(self) -> RealtimeAdminServiceServer<Self> {
        RealtimeAdminServiceServer::new(self).max_decoding_message_size(REQUEST_BYTES_MAX)
    }
}

#[async_trait]
impl RealtimeAdminService for SentBoards {
    type ListSentBoardsStream = BoxStream<'static, Result<ListSentBoardsResponse, Status>>;

    async fn list_sent_boards(
        &self,
        request: Request<ListSentBoardsRequest>,
    ) -> Result<Response<Self::ListSentBoardsStream>, Status> {
        require_admin(&self.verifier, &self.clock, request.metadata())?;
        let wanted = wanted(&request.into_inner().battle_ids)?;
        let mut boards = self.realtime.sent_boards();
        boards.retain(|board| wanted.is_empty() || wanted.contains(&board.battle_id));
        boards.sort_unstable_by_key(|board| board.battle_id);
        Ok(Response::new(stream::iter(boards).map(|board| Ok(told(board))).boxed()))
    }
}

fn wanted(battle_ids: &[String]) -> Result<Vec<BattleId>, Status> {
    if battle_ids.len() > BATTLES_MAX {
        let wrong = format!("{} are too many; at most {BATTLES_MAX} are told of at once", battle_ids.len());
        return Err(details::bad_field("battle_ids", wrong));
    }
    let parse =
        |text: &String| text.parse().map_err(|_| details::bad_field("battle_ids", "one of them is no UUID"));
    battle_ids.iter().map(parse).collect()
}

fn told(board: SentBoard) -> ListSentBoardsResponse {
    ListSentBoardsResponse {
        battle_id: board.battle_id.to_string(),
        as_of_position: board.as_of,
        message: board.message,
    }
}

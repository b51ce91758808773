//! GetBattle and ListBattles.

use nimaora_api::v1;
use nimaora_api::v1::get_battle_request::Battle as Asked;
use nimaora_domain::BattleId;
use nimaora_read_models::BattleView;
use tonic::Request;

use super::fields::Fields;
use super::{convert, page};
use crate::config::BATTLES;
use crate::error::QueryError;
use crate::freshness::{Seen, Wanted};
use crate::gateway::Core;
use crate::tables::Ask;

pub(super) async fn get(
    core: &Core,
    request: Request<v1::GetBattleRequest>,
) -> Result<v1::GetBattleResponse, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    let seen = match request.battle {
        Some(Asked::BattleId(text)) => {
            let battle_id = fields.battle_id(&text);
            fields.done()?;
            battle(core, battle_id, wanted).await?
        }
        Some(Asked::JoinCode(text)) => {
            let join_code = fields.join_code(text);
            fields.done()?;
            core.read(None, wanted, |ask| by_join_code(core, &join_code, ask)).await?
        }
        None => return Err(fields.refused("battle", "say which one, by battle_id or join_code")),
    };
    Ok(v1::GetBattleResponse { battle: Some(convert::battle(seen.value)), as_of: seen.as_of })
}

/// A battle, as fresh as is wanted.
pub(super) async fn battle(
    core: &Core,
    battle_id: BattleId,
    wanted: Wanted,
) -> Result<Seen<BattleView>, QueryError> {
    core.read(Some(battle_id), wanted, |ask| by_id(core, battle_id, ask)).await
}

async fn by_id(core: &Core, battle_id: BattleId, ask: Ask) -> Result<Seen<BattleView>, QueryError> {
    let found = core.tables.to_ask(ask).battle(battle_id).await?;
    found.map(seen).ok_or_else(|| unknown(&battle_id.to_string()))
}

async fn by_join_code(core: &Core, join_code: &str, ask: Ask) -> Result<Seen<BattleView>, QueryError> {
    let found = core.tables.to_ask(ask).battle_by_join_code(join_code).await?;
    found.map(seen).ok_or_else(|| unknown(join_code))
}

fn seen(view: BattleView) -> Seen<BattleView> {
    Seen { as_of: view.as_of, value: view }
}

fn unknown(asked: &str) -> QueryError {
    QueryError::BattleUnknown { asked: asked.to_owned() }
}

pub(super) async fn list(
    core: &Core,
    request: Request<v1::ListBattlesRequest>,
) -> Result<v1::ListBattlesResponse, QueryError> {
    let caller = core.caller(request.metadata());
    let request = request.into_inner();
    let mut fields = Fields::default();
    let phase = fields.phase(request.phase);
    let limit = fields.bounded("page_size", request.page_size, BATTLES);
    let before = fields.page_token(&request.page_token, phase);
    let wanted = fields.wanted(request.min_position, request.wait_ms, caller);
    fields.done()?;
    let tables = &core.tables;
    let read = |ask| async move {
        let page = tables.to_ask(ask).battles(phase, before, limit).await?;
        Ok(Seen { as_of: page.as_of, value: page })
    };
    let seen = core.read(None, wanted, read).await?;
    Ok(v1::ListBattlesResponse {
        battles: seen.value.battles.into_iter().map(convert::battle).collect(),
        next_page_token: seen.value.next.map(|next| page::write(next, phase)).unwrap_or_default(),
        as_of: seen.as_of,
    })
}

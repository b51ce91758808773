//! GetParticipant and ListAttacks.

use nimaora_api::v1;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::ParticipantView;
use tonic::Request;

use super::convert;
use super::fields::Fields;
use super::viewer::Viewer;
use crate::config::ATTACKS;
use crate::error::QueryError;
use crate::freshness::{Seen, Wanted};
use crate::gateway::Core;
use crate::tables::Ask;

pub(super) async fn get(
    core: &Core,
    request: Request<v1::GetParticipantRequest>,
) -> Result<v1::GetParticipantResponse, QueryError> {
    let viewer = Viewer::of(core, request.metadata())?;
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let participant_id = fields.participant_id(&request.participant_id);
    let wanted = fields.wanted(request.min_position, request.wait_ms, viewer.caller());
    fields.done()?;
    viewer.can_be_judged(core, battle_id, participant_id).await?;
    let may_be_old = !viewer.is(battle_id, participant_id);
    let seen = participant(core, battle_id, participant_id, wanted, may_be_old).await?;
    let private = viewer.sees_private(&seen.value)?;
    Ok(v1::GetParticipantResponse {
        participant: Some(convert::participant(seen.value, private)),
        as_of: seen.as_of,
    })
}

pub(super) async fn attacks(
    core: &Core,
    request: Request<v1::ListAttacksRequest>,
) -> Result<v1::ListAttacksResponse, QueryError> {
    let viewer = Viewer::of(core, request.metadata())?;
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let target_id = fields.participant_id(&request.participant_id);
    let limit = fields.bounded("page_size", request.page_size, ATTACKS);
    let wanted = fields.wanted(request.min_position, request.wait_ms, viewer.caller());
    fields.done()?;
    viewer.require(battle_id, target_id)?;
    viewer.can_be_judged(core, battle_id, target_id).await?;
    // The participant first: what is read after it is at least as new as the position that it says.
    let seen = participant(core, battle_id, target_id, wanted, false).await?;
    viewer.sees_private(&seen.value)?;
    let read = core.tables.newest().attacks_on(battle_id, target_id, request.after_position, limit);
    let attacks = core.in_time(async { Ok(read.await?) }).await?;
    Ok(v1::ListAttacksResponse {
        attacks: attacks.into_iter().map(convert::attack).collect(),
        as_of: seen.as_of,
    })
}

/// The participant, as fresh as is wanted. Whether a session is the newest one is seen in the tables themselves only.
async fn participant(
    core: &Core,
    battle_id: BattleId,
    id: ParticipantId,
    wanted: Wanted,
    may_be_old: bool,
) -> Result<Seen<ParticipantView>, QueryError> {
    let read = |ask: Ask| async move {
        let ask = Ask { newest: ask.newest || !may_be_old, ..ask };
        match core.tables.to_ask(ask).participant(battle_id, id).await? {
            Some(view) => Ok(Seen { as_of: view.as_of, value: view }),
            None => Err(absent(core, battle_id, id).await?),
        }
    };
    core.read(Some(battle_id), wanted, read).await
}

/// Whether it is the battle that is not there, or only the participant.
async fn absent(core: &Core, battle_id: BattleId, id: ParticipantId) -> Result<QueryError, QueryError> {
    Ok(match core.tables.newest().battle(battle_id).await? {
        Some(_) => QueryError::ParticipantUnknown { asked: id.to_string() },
        None => QueryError::BattleUnknown { asked: battle_id.to_string() },
    })
}

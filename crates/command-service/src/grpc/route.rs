//! Brings each request to the node that owns its battle: this one, or another over its gRPC face.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use nimaora_api::details;
use nimaora_domain::{BattleId, CommandId};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status};

use super::caller::{attached, is_patient, player};
use super::send;
use crate::error::CommandError;
use crate::forward::{self, FORWARDED};
use crate::metrics::{self, Forwarded};
use crate::ownership::Owner;
use crate::service::Core;
use crate::status::status;

/// The pause before the first further try; each next one is longer by as much, up to [`PAUSE_MAX`]. A hand-over takes some of these, and
/// whoever looks again long after its end has waited in vain.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(160);
/// For how long a request follows its battle from node to node at most: longer than the lease of a dead node lasts.
const FOLLOW_MAX: Duration = Duration::from_secs(5);

/// The battle that a field names. `None` where it is malformed, which is told by whoever reads the request.
pub(super) fn named(battle_id: &str) -> Option<BattleId> {
    battle_id.parse().ok()
}

/// The battle that a command creates.
pub(super) fn created_by(command_id: &str) -> Option<BattleId> {
    Some(BattleId::created_by(CommandId(command_id.parse().ok()?)))
}

/// The battle of a participant's token.
pub(super) fn of_player(core: &Core, metadata: &MetadataMap) -> Option<BattleId> {
    player(core, metadata).ok().map(|player| player.battle_id)
}

/// Answers a request here if this node owns the battle, and by its owner otherwise. Who would wait for longer than a command may take
/// is told to try again, and not that his time is over.
pub(super) async fn route<M, A, F>(
    core: &Arc<Core>,
    path: &'static str,
    battle_id: Option<BattleId>,
    request: Request<M>,
    here: impl Fn(Arc<Core>, Request<M>) -> F,
) -> Result<Response<A>, Status>
where
    M: prost::Message + Clone + 'static,
    A: prost::Message + Default + 'static,
    F: Future<Output = Result<A, CommandError>>,
{
    let is_patient = is_patient(core, request.metadata());
    let late = CommandError::DeadlinePassed.reason();
    match follow(core, path, battle_id, request, here).await {
        Err(failed) if is_patient && details::reason(&failed).as_deref() == Some(late) => {
            Err(status(&CommandError::TimedOut))
        }
        answer => answer,
    }
}

/// Finds the owner until it answers. Commands are idempotent by their id, so one whose owner has changed meanwhile is given again.
async fn follow<M, A, F>(
    core: &Arc<Core>,
    path: &'static str,
    battle_id: Option<BattleId>,
    request: Request<M>,
    here: impl Fn(Arc<Core>, Request<M>) -> F,
) -> Result<Response<A>, Status>
where
    M: prost::Message + Clone + 'static,
    A: prost::Message + Default + 'static,
    F: Future<Output = Result<A, CommandError>>,
{
    let Some(battle_id) = battle_id.filter(|_| core.ownership.is_shared()) else {
        return send(here(Arc::clone(core), request)).await;
    };
    let (metadata, _, message) = request.into_parts();
    let deadline = attached(core, &metadata).deadline;
    let follow_until = deadline.min(Instant::now() + FOLLOW_MAX);
    let forwarded = metadata.contains_key(FORWARDED);
    let mut pause = PAUSE_MIN;
    loop {
        let owner = match core.ownership.known(battle_id) {
            Some(owner) => Ok(owner),
            None => timeout_at(deadline, core.ownership.owner(battle_id))
                .await
                .map_err(|_| status(&CommandError::DeadlinePassed))?,
        };
        let failed = match owner {
            Ok(Owner::Me) => {
                let request = Request::from_parts(metadata.clone(), Extensions::default(), message.clone());
                match here(Arc::clone(core), request).await {
                    Err(error @ CommandError::Draining) => status(&error),
                    // Another node writes the battle: it answers this command too, whatever became of it here.
                    Err(error @ CommandError::LogUnavailable { .. }) if core.is_elsewhere(battle_id) => {
                        status(&error)
                    }
                    answer => return send(std::future::ready(answer)).await,
                }
            }
            Ok(Owner::Other(_)) if forwarded => status(&CommandError::NotOwner),
            Ok(Owner::Other(peer)) => {
                let sent = core.forwarder.send(&peer, path, (&metadata, message.clone()), deadline).await;
                match sent {
                    Ok(answer) => {
                        metrics::forwarded(Forwarded::Answered);
                        return Ok(answer);
                    }
                    Err(failed) if !forward::is_passing(&failed) => {
                        metrics::forwarded(Forwarded::TurnedAway);
                        return Err(failed);
                    }
                    Err(failed) => {
                        metrics::forwarded(Forwarded::Unreached);
                        let reason = failed.message().to_owned();
                        status(&CommandError::OwnerUnavailable { reason })
                    }
                }
            }
            Err(error) => status(&error.into()),
        };
        if forwarded || Instant::now() + pause >= follow_until {
            return Err(failed);
        }
        sleep(pause).await;
        pause = (pause + PAUSE_MIN).min(PAUSE_MAX);
    }
}

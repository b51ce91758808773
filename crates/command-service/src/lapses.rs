//! Finds participants that have been silent too long, and records it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use nimaora_domain::{BattleId, Command, CommandId};
use nimaora_runtime::Shutdown;
use tokio::time::sleep;

use crate::error::CommandError;
use crate::ids;
use crate::metrics;
use crate::service::Core;

/// How many participants lapse in one command; the others do with the next check.
const LAPSES_MAX: usize = 1_000;

/// Checks all running battles from time to time, until `shutdown` is requested.
pub(crate) async fn run(core: Arc<Core>, shutdown: Shutdown) {
    let every = Duration::from_millis(core.config.lapse_check_ms);
    let mut watched: HashSet<BattleId, RandomState> = HashSet::default();
    let check = async {
        loop {
            sleep(every).await;
            let open = Arc::clone(&core.open.borrow());
            let running: HashSet<_, _> = open.iter().filter(|(_, runs)| **runs).map(|(id, _)| *id).collect();
            for battle_id in &running {
                let new = !watched.contains(battle_id);
                if let Err(error) = check_battle(&core, *battle_id, new).await {
                    tracing::debug!(%battle_id, %error, "lapses were not recorded; they will be with the next check");
                }
            }
            watched = running;
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = check => {}
    }
}

/// Records who has been silent too long. A battle that is `new` here is read into memory in any case, because that is when its
/// participants begin to be waited for: presence may know nothing of them after a restart.
async fn check_battle(core: &Core, battle_id: BattleId, new: bool) -> Result<(), CommandError> {
    let lapse_after_ms = i64::try_from(core.config.lapse_after_ms).unwrap_or(i64::MAX);
    let before_ms = core.clock.now_ms().saturating_sub(lapse_after_ms);
    let silent = match core.presence.silent_since(battle_id, before_ms, LAPSES_MAX).await {
        Ok(silent) => silent,
        Err(_) => {
            metrics::presence_failed();
            return Ok(());
        }
    };
    if silent.is_empty() && !new {
        return Ok(());
    }
    let command_id = CommandId(ids::mint(core.clock.now_ms()));
    let command = Command::RecordLapse { participant_ids: silent.clone() };
    core.carry_out_as_system(battle_id, command_id, command).await?;
    for participant_id in silent {
        if core.presence.forget(battle_id, participant_id).await.is_err() {
            metrics::presence_failed();
        }
    }
    Ok(())
}

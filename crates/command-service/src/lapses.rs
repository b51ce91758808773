//! Finds participants that have been silent too long, and records it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use nimaora_domain::{BattleId, Command};
use nimaora_runtime::Shutdown;
use nimaora_sessions::PresenceError;
use tokio::time::sleep;

use crate::error::CommandError;
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
            let Some(open) = core.open.borrow().clone() else { continue };
            let running = |battle_id: &BattleId| open.get(battle_id) == Some(&true);
            watched.retain(running);
            for battle_id in open.keys().copied().filter(running) {
                match check_battle(&core, battle_id, !watched.contains(&battle_id)).await {
                    Ok(()) => drop(watched.insert(battle_id)),
                    Err(error) => {
                        tracing::debug!(%battle_id, %error, "lapses were not recorded; they will be with the next check");
                    }
                }
            }
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = check => {}
    }
}

/// Why a battle was not checked.
#[derive(Debug, thiserror::Error)]
enum Unchecked {
    #[error(transparent)]
    Presence(#[from] PresenceError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Records who has been silent too long. A battle that is `new` here is read into memory in any case, because that is when its
/// participants begin to be waited for: presence may know nothing of them after a restart.
async fn check_battle(core: &Core, battle_id: BattleId, new: bool) -> Result<(), Unchecked> {
    if !core.acts(battle_id).await? {
        return Ok(());
    }
    let lapse_after_ms = i64::try_from(core.config.lapse_after_ms).unwrap_or(i64::MAX);
    let before_ms = core.clock.now_ms().saturating_sub(lapse_after_ms);
    let silent = core.presence.silent_since(battle_id, before_ms, LAPSES_MAX).await;
    let silent = silent.inspect_err(|_| metrics::presence_failed())?;
    if silent.is_empty() && !new {
        return Ok(());
    }
    let command = Command::RecordLapse { participant_ids: silent.clone() };
    core.carry_out_as_system(battle_id, core.mint_command_id(), command, core.default_deadline()).await?;
    for participant_id in silent {
        // Who has come back meanwhile is waited for again.
        if core.is_active(battle_id, participant_id) {
            continue;
        }
        // Where presence fails, all others wait for the next check: each of them would have to be given up after a while.
        let forgotten = core.presence.forget(battle_id, participant_id).await;
        forgotten.inspect_err(|_| metrics::presence_failed())?;
    }
    Ok(())
}

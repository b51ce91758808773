//! Erasures that were begun and not finished: the log says that a name is erased, but the key that it can be read with is still there,
//! because whoever was to destroy it died before, or did not reach the keys.

use nimaora_domain::BattleId;
use nimaora_event_log::Names;

use super::live::Folded;
use crate::metrics;

/// Destroys what was left, when a battle is read. That it cannot be done now is no reason not to play.
pub(super) async fn finish(names: &Names, battle_id: BattleId, folded: &Folded) {
    for number in left(folded) {
        let forgotten = names.forget(battle_id, number).await;
        metrics::erasure_finished(forgotten.is_ok());
        if let Err(error) = forgotten {
            tracing::warn!(%battle_id, number, %error, "the key of a name that was erased is still there; erase it again");
            return;
        }
    }
}

/// The numbers of names that were erased and whose keys are there.
fn left(folded: &Folded) -> Vec<u32> {
    let Some(keys) = &folded.names else { return Vec::new() };
    let erased = folded.battle.participants().iter().filter(|found| found.erased_revision().is_some());
    let numbers = erased.filter_map(|found| folded.battle.number_of(found.id()));
    numbers.filter(|&number| keys.holds(number)).collect()
}

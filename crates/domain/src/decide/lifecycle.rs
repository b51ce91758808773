//! `StartBattle`, `FinishBattle` and `CancelBattle`.

use crate::battle::Phase;
use crate::decide::{Case, Decision, shape};
use crate::event::{BattleCancelled, BattleFinished, BattleStarted, Event};
use crate::refusal::Refusal;

pub(super) fn start(case: &Case<'_>) -> Result<Decision, Refusal> {
    case.is_open()?;
    if case.battle.phase() == Phase::Running {
        return Err(Refusal::BattleStarted);
    }
    // The time at which it really starts, and not the scheduled one: questions are open for their full time
    // even when nobody was there to start the battle in time.
    let started = BattleStarted { started_at: case.now() };
    Ok(Decision::Append(vec![Event::BattleStarted(started)]))
}

pub(super) fn finish(case: &Case<'_>) -> Result<Decision, Refusal> {
    case.running_since()?;
    let finished = BattleFinished { finished_at: case.now() };
    Ok(Decision::Append(vec![Event::BattleFinished(finished)]))
}

pub(super) fn cancel(case: &Case<'_>, reason: &str) -> Result<Decision, Refusal> {
    case.is_open()?;
    let cancelled = BattleCancelled { cancelled_at: case.now(), reason: shape::reason(reason)? };
    Ok(Decision::Append(vec![Event::BattleCancelled(cancelled)]))
}

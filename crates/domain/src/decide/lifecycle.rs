//! `StartBattle`, `FinishBattle`, `CancelBattle`.

use super::{Case, Decision, reason};
use crate::battle::Phase;
use crate::event::{BattleCancelled, BattleFinished, BattleStarted, Event};
use crate::refusal::Refusal;

pub(super) fn start(case: &Case<'_>) -> Result<Decision, Refusal> {
    case.open()?;
    if case.battle.phase() == Phase::Running {
        return Err(Refusal::BattleStarted);
    }
    let started_at = case.context.received_at;
    Ok(Decision::Append(vec![Event::BattleStarted(BattleStarted { started_at })]))
}

pub(super) fn finish(case: &Case<'_>) -> Result<Decision, Refusal> {
    case.running()?;
    let finished_at = case.context.received_at;
    Ok(Decision::Append(vec![Event::BattleFinished(BattleFinished { finished_at })]))
}

pub(super) fn cancel(case: &Case<'_>, why: &str) -> Result<Decision, Refusal> {
    case.open()?;
    let cancelled = BattleCancelled { cancelled_at: case.context.received_at, reason: reason(why)? };
    Ok(Decision::Append(vec![Event::BattleCancelled(cancelled)]))
}

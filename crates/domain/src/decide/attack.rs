//! `Attack`.

use crate::battle::Status;
use crate::decide::{Case, Decision, own};
use crate::event::{AttackLanded, Event};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;
use crate::rules::Balance;

pub(super) fn decide(
    case: &Case<'_>,
    attacker_id: ParticipantId,
    target_id: ParticipantId,
) -> Result<Decision, Refusal> {
    case.running_since()?;
    case.is_before_end()?;
    let attacker = case.acting(attacker_id)?;
    if attacker_id == target_id {
        return Err(Refusal::TargetIsAttacker);
    }
    let attacker_before = attacker.balance();
    let arrows = attacker_before.arrows.checked_sub(1).ok_or(Refusal::NoArrows)?;
    let target = case.participant(target_id)?;
    if target.status() != Status::Active {
        return Err(Refusal::TargetInactive { target_id });
    }
    let target_before = target.balance();
    if target_before.points == 0 {
        return Err(Refusal::TargetWithoutPoints { target_id });
    }
    let (target_balance, blocked) = hit(target_before, case.battle.rules().points_per_attack);
    let landed = AttackLanded {
        attacker_id,
        target_id,
        blocked,
        points_deducted: target_before.points - target_balance.points,
        attacker_balance: Balance { arrows, ..attacker_before },
        target_balance,
    };
    Ok(own(attacker, Event::AttackLanded(landed)))
}

/// What the target holds after the attack, and whether a shield absorbed it.
fn hit(target: Balance, points_per_attack: u32) -> (Balance, bool) {
    match target.shields.checked_sub(1) {
        Some(shields) => (Balance { shields, ..target }, true),
        None => (Balance { points: target.points.saturating_sub(points_per_attack), ..target }, false),
    }
}

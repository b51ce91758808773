//! `Attack`, exactly as the reference: an arrow is spent; a shield absorbs it, or else points are lost. Attacker and target
//! change in one event.

use super::{Case, Decision, by_participant};
use crate::event::{AttackLanded, Event};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;
use crate::rules::Balance;

pub(super) fn decide(
    case: &Case<'_>,
    attacker_id: ParticipantId,
    target_id: ParticipantId,
) -> Result<Decision, Refusal> {
    let attacker = case.acting(attacker_id)?;
    case.running()?;
    if attacker_id == target_id {
        return Err(Refusal::TargetIsAttacker);
    }
    let Some(arrows) = attacker.balance.arrows.checked_sub(1) else { return Err(Refusal::NoArrows) };
    let target = case.known(target_id)?;
    if !target.is_active() {
        return Err(Refusal::TargetInactive { target_id });
    }
    if target.balance.points == 0 {
        return Err(Refusal::TargetWithoutPoints { target_id });
    }
    let (points_deducted, target_balance) = hit(target.balance, case.battle.rules().points_per_attack);
    let landed = AttackLanded {
        attacker_id,
        target_id,
        blocked: points_deducted == 0,
        points_deducted,
        attacker_balance: Balance { arrows, ..attacker.balance },
        target_balance,
    };
    Ok(by_participant(attacker, Event::AttackLanded(landed)))
}

/// The points that a target with points loses, and what it holds then. Nothing is lost only when a shield absorbs the hit.
fn hit(target: Balance, points_per_attack: u32) -> (u32, Balance) {
    match target.shields.checked_sub(1) {
        Some(shields) => (0, Balance { shields, ..target }),
        None => {
            let lost = points_per_attack.min(target.points);
            (lost, Balance { points: target.points - lost, ..target })
        }
    }
}

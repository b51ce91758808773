//! The suites that every adapter passes. Each function is one promise; the macros make a test of each for one adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "suites of assertions")]

pub mod audited;
pub mod crowd;
pub mod leaderboard;
pub mod rebuild;
pub mod story;
pub mod tables;

use nimaora_domain::{BattleId, ParticipantId};
use uuid::Uuid;

/// The `n`th battle of a test.
pub fn battle(n: u128) -> BattleId {
    BattleId(Uuid::from_u128(0xb000 + n))
}

/// The `n`th participant of a test.
pub fn participant(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(0xa000 + n))
}

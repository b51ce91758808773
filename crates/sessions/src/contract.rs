//! The suite that every presence adapter passes. Each function is one promise;
//! [`presence_contract!`](crate::presence_contract) makes a test of each for one adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

use nimaora_domain::{BattleId, ParticipantId};
use uuid::Uuid;

use crate::presence::Presence;

/// Makes one test of each promise. `$presence` is an expression that makes a fresh presence of nobody.
#[macro_export]
macro_rules! presence_contract {
    ($presence:expr) => {
        $crate::presence_contract!(@each $presence;
            remembers_when_somebody_was_heard_of,
            an_older_time_changes_nothing,
            notes_many_at_once,
            tells_the_most_silent_first_and_no_more_than_asked,
            whoever_is_heard_of_again_is_not_silent,
            keeps_battles_apart,
            forgets_a_participant,
            forgets_a_battle
        );
    };
    (@each $presence:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::contract::$promise(&$presence).await;
            }
        )+
    };
}

/// The `n`th battle of a test.
pub fn battle(n: u128) -> BattleId {
    BattleId(Uuid::from_u128(n))
}

/// The `n`th participant of a test.
pub fn participant(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

/// What is touched can be asked for; who never was is not known.
pub async fn remembers_when_somebody_was_heard_of(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    presence.touch(battle(1), participant(2), 2_000).await.unwrap();
    assert_eq!(presence.last_seen_ms(battle(1), participant(1)).await.unwrap(), Some(1_000));
    assert_eq!(presence.last_seen_ms(battle(1), participant(2)).await.unwrap(), Some(2_000));
    assert_eq!(presence.last_seen_ms(battle(1), participant(3)).await.unwrap(), None);
}

/// Signs of life may overtake each other on their way.
pub async fn an_older_time_changes_nothing(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 2_000).await.unwrap();
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    assert_eq!(presence.last_seen_ms(battle(1), participant(1)).await.unwrap(), Some(2_000));
}

/// Many are noted in one go, each as if it were alone; to touch nobody is nothing.
pub async fn notes_many_at_once(presence: &dyn Presence) {
    const MANY: u128 = 2_500;
    presence.touch(battle(1), participant(7), 5_000).await.unwrap();
    let all: Vec<_> = (0..MANY).map(participant).collect();
    presence.touch_all(battle(1), &all, 1_000).await.unwrap();
    for n in [0, 1, 999, 1_000, MANY - 1] {
        assert_eq!(presence.last_seen_ms(battle(1), participant(n)).await.unwrap(), Some(1_000));
    }
    assert_eq!(presence.last_seen_ms(battle(1), participant(7)).await.unwrap(), Some(5_000));
    assert_eq!(presence.silent_since(battle(1), 2_000, usize::MAX).await.unwrap().len(), all.len() - 1);
    presence.touch_all(battle(2), &[], 1_000).await.unwrap();
    assert_eq!(presence.silent_since(battle(2), 2_000, 10).await.unwrap(), []);
}

/// Silent is who was last heard of before the asked time, not at it.
pub async fn tells_the_most_silent_first_and_no_more_than_asked(presence: &dyn Presence) {
    for n in [3, 1, 5, 2, 4] {
        presence.touch(battle(1), participant(n), 1_000 + i64::try_from(n).unwrap()).await.unwrap();
    }
    let silent = presence.silent_since(battle(1), 1_004, 10).await.unwrap();
    assert_eq!(silent, [participant(1), participant(2), participant(3)]);
    let silent = presence.silent_since(battle(1), 9_000, 2).await.unwrap();
    assert_eq!(silent, [participant(1), participant(2)]);
    assert_eq!(presence.silent_since(battle(1), 1_001, 10).await.unwrap(), []);
}

/// A later sign of life counts, also after somebody was found silent, and silence can come again.
pub async fn whoever_is_heard_of_again_is_not_silent(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    assert_eq!(presence.silent_since(battle(1), 2_000, 10).await.unwrap(), [participant(1)]);
    presence.touch(battle(1), participant(1), 3_000).await.unwrap();
    assert_eq!(presence.silent_since(battle(1), 2_000, 10).await.unwrap(), []);
    assert_eq!(presence.silent_since(battle(1), 4_000, 10).await.unwrap(), [participant(1)]);
    presence.touch(battle(1), participant(2), 500).await.unwrap();
    assert_eq!(presence.silent_since(battle(1), 600, 10).await.unwrap(), [participant(2)]);
}

/// The same participant id in another battle is somebody else.
pub async fn keeps_battles_apart(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    assert_eq!(presence.last_seen_ms(battle(2), participant(1)).await.unwrap(), None);
    assert_eq!(presence.silent_since(battle(2), 9_000, 10).await.unwrap(), []);
}

/// Who is forgotten is not found silent; the others are.
pub async fn forgets_a_participant(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    presence.touch(battle(1), participant(2), 1_000).await.unwrap();
    presence.forget(battle(1), participant(1)).await.unwrap();
    presence.forget(battle(1), participant(3)).await.unwrap();
    assert_eq!(presence.last_seen_ms(battle(1), participant(1)).await.unwrap(), None);
    assert_eq!(presence.silent_since(battle(1), 9_000, 10).await.unwrap(), [participant(2)]);
}

/// A battle that is over leaves nothing behind; the others stay.
pub async fn forgets_a_battle(presence: &dyn Presence) {
    presence.touch(battle(1), participant(1), 1_000).await.unwrap();
    presence.touch(battle(2), participant(2), 1_000).await.unwrap();
    presence.forget_battle(battle(1)).await.unwrap();
    presence.forget_battle(battle(3)).await.unwrap();
    assert_eq!(presence.silent_since(battle(1), 9_000, 10).await.unwrap(), []);
    assert_eq!(presence.silent_since(battle(2), 9_000, 10).await.unwrap(), [participant(2)]);
}

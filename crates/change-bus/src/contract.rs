//! The suite that every change bus passes. Each function is one promise; [`change_bus_contract!`](crate::change_bus_contract)
//! makes a test of each for one adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

use std::time::Duration;

use nimaora_domain::BattleId;
use uuid::Uuid;

use crate::bus::{BusMessage, ChangeBus, Changes};
use crate::change::{Change, ChangeBatch};
use crate::lane::Lane;

/// Long enough for any healthy bus; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes one test of each promise. `$bus` is an expression that makes a fresh bus.
#[macro_export]
macro_rules! change_bus_contract {
    ($bus:expr) => {
        $crate::change_bus_contract!(@each $bus;
            delivers_in_the_order_of_publication,
            reaches_every_follower,
            keeps_battles_apart,
            keeps_lanes_apart,
            tells_a_slow_follower_that_it_lagged,
            takes_what_nobody_follows
        );
    };
    (@each $bus:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::contract::$promise(&$bus).await;
            }
        )+
    };
}

/// The `n`th battle of a test.
pub fn battle(n: u128) -> BattleId {
    BattleId(Uuid::from_u128(n))
}

fn batch(battle_id: BattleId, lane: Lane, position: u64) -> ChangeBatch {
    ChangeBatch { battle_id, lane, position, changes: vec![Change::Applied { board: true }] }
}

async fn next_position(changes: &mut dyn Changes) -> u64 {
    match tokio::time::timeout(PATIENCE, changes.next()).await.unwrap().unwrap() {
        BusMessage::Changes(batch) => batch.position,
        BusMessage::Lagged { missed } => panic!("lagged by {missed}"),
    }
}

/// Within a battle and a lane, order is kept.
pub async fn delivers_in_the_order_of_publication(bus: &dyn ChangeBus) {
    let mut changes = bus.follow(battle(1), &[Lane::Attacks]).await.unwrap();
    for position in 1..=100 {
        bus.publish(vec![batch(battle(1), Lane::Attacks, position)]).await.unwrap();
    }
    for position in 1..=100 {
        assert_eq!(next_position(&mut *changes).await, position);
    }
}

/// Each follower gets everything.
pub async fn reaches_every_follower(bus: &dyn ChangeBus) {
    let mut one = bus.follow(battle(1), &Lane::ALL).await.unwrap();
    let mut two = bus.follow(battle(1), &Lane::ALL).await.unwrap();
    bus.publish(vec![batch(battle(1), Lane::Broadcast, 7)]).await.unwrap();
    assert_eq!(next_position(&mut *one).await, 7);
    drop(one);
    bus.publish(vec![batch(battle(1), Lane::Broadcast, 8)]).await.unwrap();
    assert_eq!(next_position(&mut *two).await, 7);
    assert_eq!(next_position(&mut *two).await, 8);
}

/// Who follows one battle hears nothing of another.
pub async fn keeps_battles_apart(bus: &dyn ChangeBus) {
    let mut changes = bus.follow(battle(1), &Lane::ALL).await.unwrap();
    let batches = vec![batch(battle(2), Lane::Attacks, 1), batch(battle(1), Lane::Attacks, 2)];
    bus.publish(batches).await.unwrap();
    assert_eq!(next_position(&mut *changes).await, 2);
}

/// Who follows one lane hears nothing of another.
pub async fn keeps_lanes_apart(bus: &dyn ChangeBus) {
    let mut changes = bus.follow(battle(1), &[Lane::Leaderboard]).await.unwrap();
    let batches = vec![batch(battle(1), Lane::Attacks, 1), batch(battle(1), Lane::Leaderboard, 2)];
    bus.publish(batches).await.unwrap();
    assert_eq!(next_position(&mut *changes).await, 2);
}

/// Publishing does not wait for a slow follower, and the follower learns that it has missed something.
pub async fn tells_a_slow_follower_that_it_lagged(bus: &dyn ChangeBus) {
    const MANY: u64 = 100_000;
    let mut slow = bus.follow(battle(1), &Lane::ALL).await.unwrap();
    let batches: Vec<_> = (1..=MANY).map(|position| batch(battle(1), Lane::Attacks, position)).collect();
    for some in batches.chunks(500) {
        bus.publish(some.to_vec()).await.unwrap();
    }
    let (mut seen, mut lost) = (0, 0);
    while seen + lost < MANY {
        match tokio::time::timeout(PATIENCE, slow.next()).await.unwrap().unwrap() {
            BusMessage::Changes(_) => seen += 1,
            BusMessage::Lagged { missed } => lost += missed,
        }
    }
    assert!(lost > 0, "a queue of {MANY} batches has no bound");
}

/// Batches without a follower are dropped without an error.
pub async fn takes_what_nobody_follows(bus: &dyn ChangeBus) {
    bus.publish(vec![batch(battle(9), Lane::Attacks, 1)]).await.unwrap();
}

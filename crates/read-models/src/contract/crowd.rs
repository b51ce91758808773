//! The promise of [`ReadModels`] to a crowd that asks at once.

use std::future::Future;
use std::time::Duration;

use futures::future::join_all;

use super::story::{apply, attack, batch, opening};
use super::{battle, participant};
use crate::Position;
use crate::error::StoreError;
use crate::tables::{ReadModels, TableBatch};

/// Many who ask at once are each answered for themselves, also those who are asked for twice, are nowhere, or have the same id in
/// another battle; and nobody's answer hangs on somebody who has stopped waiting.
pub async fn answers_a_crowd_each_for_itself(tables: &dyn ReadModels) {
    let attacks =
        (11..=40).map(|position| attack(battle(1), position, 1, 2 + u128::from(position) % 2)).collect();
    apply(tables, opening(300)).await.unwrap();
    apply(tables, TableBatch { attacks, ..batch(40) }).await.unwrap();
    let rows = |n: u128| async move {
        let battle = if n.is_multiple_of(7) { battle(2) } else { battle(1) };
        (n, battle, answered(|| tables.participant(battle, participant(n % 320))).await)
    };
    let pasts = |n: u32| async move {
        let read = || tables.last_attacks_on(battle(1), participant(n.into()), Position::from(n) * 10, n);
        (n, answered(read).await)
    };
    let given_up = tokio::time::timeout(Duration::ZERO, join_all((1..=100).map(rows))).await;
    assert!(given_up.is_err());
    let both = futures::join!(join_all((1..=400).map(rows)), join_all((1..=4).map(pasts)));
    for (n, of_battle, found) in both.0 {
        let id = participant(n % 320);
        let found = found.map(|view| (view.battle_id, view.id));
        let is_there = of_battle == battle(1) && (1..=300).contains(&(n % 320));
        assert_eq!(found, is_there.then_some((of_battle, id)), "{n}");
    }
    for (n, found) in both.1 {
        let positions: Vec<_> = found.iter().map(|view| view.attack.position).collect();
        let expected: &[Position] = match n {
            2 => &[40, 38],
            3 => &[39, 37, 35],
            _ => &[],
        };
        assert_eq!(positions, expected, "{n}");
    }
}

/// What the tables answer; a store of a busy machine is asked again.
async fn answered<T, F: Future<Output = Result<T, StoreError>>>(read: impl Fn() -> F) -> T {
    loop {
        match read().await {
            Err(StoreError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return answer.unwrap(),
        }
    }
}

use crate::contract::battle;
use crate::contract::leaderboard::{batch, joined, scored};
use crate::leaderboard::{BoardBatch, Leaderboard};

use super::*;

crate::leaderboard_contract!(MemoryLeaderboard::default());

fn first(n: u128, ended: bool) -> BoardBatch {
    BoardBatch { battle_id: battle(n), ended, ..batch(1, vec![joined(1, 1, 1)]) }
}

fn held(boards: &MemoryLeaderboard) -> Vec<u128> {
    (0..20).filter(|&n| boards.boards.read().contains_key(&battle(n))).collect()
}

#[tokio::test]
async fn lets_ended_boards_go_the_longest_untouched_first() {
    let boards = MemoryLeaderboard::new(3);
    boards.apply(&[first(1, true), first(2, false), first(3, true), first(4, true)], 1).await.unwrap();
    assert_eq!(held(&boards), vec![2, 3, 4]);
    boards.top(battle(3), 1).await.unwrap();
    boards.apply(&[BoardBatch { position: 2, ..first(5, false) }], 2).await.unwrap();
    assert_eq!(held(&boards), vec![2, 3, 5]);
}

#[tokio::test]
async fn keeps_every_board_that_still_moves() {
    let boards = MemoryLeaderboard::new(2);
    let running: Vec<_> = (0..5).map(|n| first(n, false)).collect();
    boards.apply(&running, 1).await.unwrap();
    assert_eq!(held(&boards), vec![0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn does_not_bring_back_half_of_a_board_that_was_let_go() {
    let boards = MemoryLeaderboard::new(0);
    boards.apply(&[first(1, true)], 1).await.unwrap();
    boards.apply(&[first(1, false)], 2).await.unwrap();
    let later = BoardBatch { battle_id: battle(1), ..batch(3, vec![scored(1, 2, 3)]) };
    boards.apply(&[later], 3).await.unwrap();
    assert!(matches!(boards.top(battle(1), 1).await, Err(StoreError::NotHeld(_))));
}

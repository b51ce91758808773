use crate::contract::leaderboard::{batch, joined, scored};
use crate::contract::{battle, participant};
use crate::leaderboard::{BoardBatch, Leaderboard};

use super::*;

crate::leaderboard_contract!(MemoryLeaderboard::default());

fn first(n: u128, ended: bool) -> BoardBatch {
    BoardBatch { battle_id: battle(n), ended, ..batch(1, vec![joined(1, 1, 1)]) }
}

async fn apply(boards: &MemoryLeaderboard, batches: &[BoardBatch], checkpoint: u64) {
    let applied = boards.apply(batches, checkpoint).await.unwrap();
    assert_eq!(applied.missing, vec![]);
}

fn held(boards: &MemoryLeaderboard) -> Vec<u128> {
    (0..20).filter(|&n| boards.boards.read().contains_key(&battle(n))).collect()
}

#[tokio::test]
async fn lets_ended_boards_go_the_longest_untouched_first() {
    let boards = MemoryLeaderboard::new(3, 0);
    apply(&boards, &[first(1, true), first(2, false), first(3, true), first(4, true)], 1).await;
    assert_eq!(held(&boards), vec![2, 3, 4]);
    boards.top(battle(3), 1).await.unwrap();
    apply(&boards, &[BoardBatch { position: 2, ..first(5, false) }], 2).await;
    assert_eq!(held(&boards), vec![2, 3, 5]);
}

#[tokio::test]
async fn keeps_every_board_that_still_moves() {
    let boards = MemoryLeaderboard::new(2, 0);
    let running: Vec<_> = (0..5).map(|n| first(n, false)).collect();
    apply(&boards, &running, 1).await;
    assert_eq!(held(&boards), vec![0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn does_not_bring_back_half_of_a_board_that_was_let_go() {
    let boards = MemoryLeaderboard::new(0, 0);
    apply(&boards, &[first(1, true)], 1).await;
    apply(&boards, &[first(1, false)], 2).await;
    let later = BoardBatch { battle_id: battle(1), ..batch(3, vec![scored(1, 2, 3)]) };
    let applied = boards.apply(&[later], 3).await.unwrap();
    assert_eq!(applied.missing, vec![battle(1)]);
    assert!(matches!(boards.top(battle(1), 1).await, Err(StoreError::NotHeld(_))));
}

#[tokio::test]
async fn answers_only_when_it_has_caught_up() {
    let boards = MemoryLeaderboard::new(BOARDS_MAX, 3);
    apply(&boards, &[batch(1, vec![joined(1, 5, 1)])], 1).await;
    apply(&boards, &[], 2).await;
    let (id, who) = (battle(1), participant(1));
    for answer in [boards.top(id, 1).await, boards.rank(id, who).await, boards.around(id, who, 1).await] {
        assert!(matches!(answer, Err(StoreError::NotHeld(_))), "{answer:?}");
    }
    let next = BoardBatch { first_revision: 1, ..batch(3, vec![scored(1, 7, 3)]) };
    apply(&boards, &[next], 3).await;
    let board = boards.top(id, 1).await.unwrap();
    assert_eq!((board.entries[0].points, board.as_of), (7, 3));
}

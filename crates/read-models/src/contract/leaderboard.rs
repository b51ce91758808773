//! The suite of [`Leaderboard`].

use std::collections::BTreeMap;
use std::ops::Range;

use nimaora_domain::ParticipantId;

use super::{battle, participant};
use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::{Applied, Board, BoardBatch, BoardChange, BoardLine, Leaderboard, WholeBoard};

/// Makes one test of each promise. `$board` is an expression that makes a fresh leaderboard.
#[macro_export]
macro_rules! leaderboard_contract {
    ($board:expr) => {
        $crate::leaderboard_contract!(@each $board;
            ranks_by_points_and_then_by_who_was_first,
            says_where_somebody_stands,
            shows_who_is_around_somebody,
            keeps_battles_apart,
            moves_its_position_without_a_change,
            applies_a_batch_once,
            takes_who_is_removed_off_the_board,
            renames_who_is_on_the_board,
            does_not_hold_what_it_never_saw,
            does_not_hold_half_a_battle,
            tells_of_a_gap_and_stays_before_it,
            goes_on_from_a_batch_that_repeats_a_part,
            restores_a_whole_board,
            restores_nothing_old,
            lets_a_board_go_whatever_it_says,
            holds_a_board_without_lines,
            shows_a_reader_all_of_a_batch_or_none,
            agrees_with_a_plain_sort
        );
    };
    (@each $board:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::contract::leaderboard::$promise(&$board).await;
            }
        )+
    };
}

/// The `n`th participant is on the board.
pub fn joined(n: u128, points: u32, reached_revision: u64) -> BoardChange {
    let username = format!("player {n}").into();
    BoardChange::Joined { participant_id: participant(n), username, points, reached_revision }
}

/// The `n`th participant has another score.
pub fn scored(n: u128, points: u32, reached_revision: u64) -> BoardChange {
    BoardChange::Scored { participant_id: participant(n), points, reached_revision }
}

/// The `n`th participant is called otherwise.
pub fn renamed(n: u128) -> BoardChange {
    BoardChange::Renamed { participant_id: participant(n), username: format!("erased player {n}").into() }
}

/// A batch of the first battle, of one event; the one at position 1 begins it.
pub fn batch(position: Position, changes: Vec<BoardChange>) -> BoardBatch {
    let revision = position - 1;
    BoardBatch {
        battle_id: battle(1),
        changes,
        first_revision: revision,
        last_revision: revision,
        position,
        ended: false,
    }
}

async fn apply(boards: &dyn Leaderboard, batch: BoardBatch) {
    let checkpoint = batch.position;
    let applied = boards.apply(&[batch], checkpoint).await.unwrap();
    assert_eq!(applied, Applied::default());
}

/// Participants 1 to `many`, the nth with n points.
async fn apply_many(boards: &dyn Leaderboard, many: u32) {
    let changes = (1..=many).map(|n| joined(n.into(), n, n.into())).collect();
    apply(boards, batch(1, changes)).await;
}

fn ids(board: &Board) -> Vec<ParticipantId> {
    board.entries.iter().map(|entry| entry.participant_id).collect()
}

fn ranks(board: &Board) -> Vec<u32> {
    board.entries.iter().map(|entry| entry.rank).collect()
}

/// More points rank first; of equal points, the smaller revision.
pub async fn ranks_by_points_and_then_by_who_was_first(boards: &dyn Leaderboard) {
    apply(boards, batch(1, vec![joined(1, 5, 1), joined(2, 7, 2), joined(3, 5, 3)])).await;
    apply(boards, batch(2, vec![scored(1, 7, 9), scored(2, 7, 8)])).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!(ids(&board), vec![participant(2), participant(1), participant(3)]);
    assert_eq!(ranks(&board), vec![1, 2, 3]);
    assert_eq!((board.total, board.as_of), (3, 2));
    let first = &board.entries[0];
    assert_eq!((&*first.username, first.points, first.reached_revision), ("player 2", 7, 8));
    assert_eq!(ids(&boards.top(battle(1), 1).await.unwrap()), vec![participant(2)]);
}

/// One line, and none for somebody who is not on the board.
pub async fn says_where_somebody_stands(boards: &dyn Leaderboard) {
    apply_many(boards, 1_000).await;
    let board = boards.rank(battle(1), participant(400)).await.unwrap();
    assert_eq!((ids(&board), ranks(&board)), (vec![participant(400)], vec![601]));
    assert_eq!(board.total, 1_000);
    let nobody = boards.rank(battle(1), participant(5_000)).await.unwrap();
    assert_eq!((nobody.entries, nobody.total, nobody.as_of), (vec![], 1_000, 1));
}

/// Up to `range` lines on each side, fewer at the ends.
pub async fn shows_who_is_around_somebody(boards: &dyn Leaderboard) {
    apply_many(boards, 1_000).await;
    let shown = async |n, range| -> Range<u32> {
        let board = boards.around(battle(1), participant(n), range).await.unwrap();
        let ranks = ranks(&board);
        assert!(ranks.is_sorted());
        ranks[0]..ranks[ranks.len() - 1] + 1
    };
    assert_eq!(shown(500, 5).await, 496..507);
    assert_eq!(shown(999, 5).await, 1..8);
    assert_eq!(shown(1, 5).await, 995..1_001);
    assert_eq!(shown(1, u32::MAX).await, 1..1_001);
    assert!(boards.around(battle(1), participant(5_000), 5).await.unwrap().entries.is_empty());
}

/// One battle's batch does not touch another's board.
pub async fn keeps_battles_apart(boards: &dyn Leaderboard) {
    let one = BoardBatch { battle_id: battle(1), ..batch(1, vec![joined(1, 1, 1)]) };
    let two = BoardBatch { battle_id: battle(2), ..batch(1, vec![joined(2, 2, 1), joined(3, 3, 2)]) };
    assert_eq!(boards.apply(&[one, two], 1).await.unwrap(), Applied::default());
    assert_eq!(boards.top(battle(1), 10).await.unwrap().total, 1);
    assert_eq!(boards.top(battle(2), 10).await.unwrap().total, 2);
}

/// An event that changes no line moves the battle's position all the same, and the checkpoint moves with each batch.
pub async fn moves_its_position_without_a_change(boards: &dyn Leaderboard) {
    apply(boards, batch(1, vec![])).await;
    assert_eq!(boards.top(battle(1), 10).await.unwrap().as_of, 1);
    let far = BoardBatch { position: 7, ..batch(2, vec![]) };
    assert_eq!(boards.apply(&[far], 9).await.unwrap(), Applied::default());
    assert_eq!(boards.top(battle(1), 10).await.unwrap().as_of, 7);
}

/// A batch whose position is not past the battle's own changes nothing.
pub async fn applies_a_batch_once(boards: &dyn Leaderboard) {
    let first = batch(1, vec![joined(1, 5, 1)]);
    apply(boards, first.clone()).await;
    apply(boards, BoardBatch { first_revision: 1, ..batch(4, vec![scored(1, 9, 4)]) }).await;
    let before = boards.top(battle(1), 10).await.unwrap();
    apply(boards, first).await;
    apply(boards, batch(4, vec![scored(1, 3, 4)])).await;
    apply(boards, batch(3, vec![joined(2, 3, 3)])).await;
    assert_eq!(boards.top(battle(1), 10).await.unwrap(), before);
}

/// Who is removed has no line any more, and a later score of it is of no consequence.
pub async fn takes_who_is_removed_off_the_board(boards: &dyn Leaderboard) {
    apply_many(boards, 3).await;
    apply(boards, batch(2, vec![BoardChange::Removed { participant_id: participant(3) }])).await;
    apply(boards, batch(3, vec![scored(3, 50, 60)])).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((ids(&board), board.total), (vec![participant(2), participant(1)], 2));
}

/// Who has another name keeps score and rank, and nobody gets on the board that way.
pub async fn renames_who_is_on_the_board(boards: &dyn Leaderboard) {
    apply_many(boards, 3).await;
    let before = boards.top(battle(1), 10).await.unwrap();
    apply(boards, batch(2, vec![scored(2, 70, 2), renamed(2), renamed(9), renamed(1)])).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    let names: Vec<_> = board.entries.iter().map(|entry| &*entry.username).collect();
    assert_eq!(names, ["erased player 2", "player 3", "erased player 1"]);
    assert_eq!((board.total, board.entries[0].points), (3, 70));
    assert_eq!(board.entries[2].points, before.entries[2].points);
    let alone = boards.rank(battle(1), participant(1)).await.unwrap();
    assert_eq!(&*alone.entries[0].username, "erased player 1");
}

/// Asking for an unknown battle is told apart from an empty board.
pub async fn does_not_hold_what_it_never_saw(boards: &dyn Leaderboard) {
    apply_many(boards, 3).await;
    let (unknown, somebody) = (battle(9), participant(1));
    let answers = [
        boards.top(unknown, 10).await,
        boards.rank(unknown, somebody).await,
        boards.around(unknown, somebody, 5).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::NotHeld(id)) if id == unknown), "{answer:?}");
    }
}

/// A battle that is not held is not held either after a batch from its middle, and the answer says so.
pub async fn does_not_hold_half_a_battle(boards: &dyn Leaderboard) {
    let missing = vec![battle(1)];
    assert_eq!(
        boards.apply(&[batch(2, vec![joined(1, 5, 1)])], 2).await.unwrap(),
        Applied { missing, ..Applied::default() }
    );
    let answer = boards.top(battle(1), 10).await;
    assert!(matches!(answer, Err(StoreError::NotHeld(_))), "{answer:?}");
}

/// A batch after a gap is not applied, and the answer says so, as long as the gap is there.
pub async fn tells_of_a_gap_and_stays_before_it(boards: &dyn Leaderboard) {
    apply_many(boards, 3).await;
    let before = boards.top(battle(1), 10).await.unwrap();
    let late = batch(3, vec![scored(1, 50, 2)]);
    let other = BoardBatch { battle_id: battle(2), position: 3, ..batch(1, vec![joined(9, 1, 0)]) };
    let missing = vec![battle(1)];
    assert_eq!(
        boards.apply(&[late.clone(), other], 3).await.unwrap(),
        Applied { missing, ..Applied::default() }
    );
    assert_eq!(boards.top(battle(1), 10).await.unwrap(), before);
    assert_eq!(boards.top(battle(2), 10).await.unwrap().total, 1);
    apply(boards, batch(2, vec![scored(2, 40, 1)])).await;
    apply(boards, late).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((ids(&board), board.as_of), (vec![participant(1), participant(2), participant(3)], 3));
}

/// A batch that repeats what is held and goes on from there is applied.
pub async fn goes_on_from_a_batch_that_repeats_a_part(boards: &dyn Leaderboard) {
    apply(boards, batch(1, vec![joined(1, 5, 0)])).await;
    apply(boards, batch(2, vec![joined(2, 5, 1)])).await;
    let longer = vec![joined(2, 9, 2), scored(1, 7, 3)];
    apply(boards, BoardBatch { first_revision: 1, ..batch(4, longer) }).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((ids(&board), board.total, board.as_of), (vec![participant(2), participant(1)], 2, 4));
}

/// A whole board with participants 1 to `many`, the nth with n points, after `revision` + 1 events.
pub fn whole(many: u32, revision: u64) -> WholeBoard {
    let line = |n: u32| BoardLine {
        participant_id: participant(n.into()),
        username: format!("player {n}").into(),
        points: n,
        reached_revision: n.into(),
    };
    let lines = (1..=many).map(line).collect();
    WholeBoard { battle_id: battle(1), lines, revision, position: revision + 1, ended: false }
}

/// A whole board takes the place of none and of an older one, nobody of the old one stays, and the battle goes on from there.
pub async fn restores_a_whole_board(boards: &dyn Leaderboard) {
    boards.restore(&whole(5_000, 5_000)).await.unwrap();
    assert_eq!(boards.held(&[battle(1), battle(2)]).await.unwrap(), vec![Some(5_001), None]);
    let board = boards.around(battle(1), participant(4_000), 1).await.unwrap();
    assert_eq!((ranks(&board), board.total, board.as_of), (vec![1_000, 1_001, 1_002], 5_000, 5_001));
    boards.restore(&whole(3, 6_000)).await.unwrap();
    apply(boards, batch(6_002, vec![scored(1, 8, 6_001)])).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((ids(&board), board.as_of), (vec![participant(1), participant(3), participant(2)], 6_002));
    assert!(boards.rank(battle(1), participant(4_000)).await.unwrap().entries.is_empty());
}

/// A whole board never takes the place of a newer one.
pub async fn restores_nothing_old(boards: &dyn Leaderboard) {
    boards.restore(&whole(5, 10)).await.unwrap();
    apply(boards, batch(12, vec![scored(1, 8, 11)])).await;
    let before = boards.top(battle(1), 10).await.unwrap();
    boards.restore(&whole(3, 10)).await.unwrap();
    boards.restore(&whole(3, 11)).await.unwrap();
    assert_eq!(boards.top(battle(1), 10).await.unwrap(), before);
}

/// A board that is wrong is let go, is not there then, and can be put back although its revision is no newer.
pub async fn lets_a_board_go_whatever_it_says(board: &dyn Leaderboard) {
    board.restore(&whole(3, 3)).await.unwrap();
    board.forget(&[battle(1), battle(2)]).await.unwrap();
    assert!(matches!(board.top(battle(1), 10).await, Err(StoreError::NotHeld(_))));
    let mut right = whole(3, 3);
    right.lines.truncate(2);
    board.restore(&right).await.unwrap();
    assert_eq!(board.top(battle(1), 10).await.unwrap().total, 2);
}

/// A battle in which nobody is has a board all the same.
pub async fn holds_a_board_without_lines(boards: &dyn Leaderboard) {
    boards.restore(&whole(0, 3)).await.unwrap();
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((board.entries, board.total, board.as_of), (vec![], 0, 4));
    apply(boards, batch(5, vec![joined(1, 0, 4)])).await;
    apply(boards, batch(6, vec![BoardChange::Removed { participant_id: participant(1) }])).await;
    let board = boards.top(battle(1), 10).await.unwrap();
    assert_eq!((board.entries, board.total, board.as_of), (vec![], 0, 6));
}

/// A reader never sees a board on which only a part of a batch was applied.
pub async fn shows_a_reader_all_of_a_batch_or_none(boards: &dyn Leaderboard) {
    const PLAYERS: u32 = 50;
    const BATCHES: u64 = 200;
    apply_many(boards, PLAYERS).await;
    let write = async {
        for position in 2..BATCHES {
            let points = u32::try_from(position).unwrap();
            let all = (1..=PLAYERS).map(|n| scored(n.into(), points, position)).collect();
            apply(boards, batch(position, all)).await;
            tokio::task::yield_now().await;
        }
    };
    let read = async {
        let mut as_of = 0;
        while as_of + 1 < BATCHES {
            let board = boards.top(battle(1), PLAYERS).await.unwrap();
            as_of = board.as_of;
            assert_eq!(board.entries.len(), PLAYERS as usize);
            let of_one_batch = board.entries.iter().all(|entry| u64::from(entry.points) == as_of);
            assert!(of_one_batch || as_of == 1, "{board:?}");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}

/// Thousands of changes end in the order that a sort of plain rows gives.
pub async fn agrees_with_a_plain_sort(boards: &dyn Leaderboard) {
    const PLAYERS: u64 = 700;
    let mut model = BTreeMap::new();
    let mut numbers = Numbers(20_261_124);
    for position in 1..=60 {
        let mut changes = Vec::new();
        for step in 0..100 {
            let (n, points) = (numbers.below(PLAYERS), u32::try_from(numbers.below(40)).unwrap());
            let reached_revision = position * 100 + step;
            let n = u128::from(n);
            if !model.contains_key(&n) {
                changes.push(joined(n, points, reached_revision));
            } else if numbers.below(20) == 0 {
                changes.push(BoardChange::Removed { participant_id: participant(n) });
                model.remove(&n);
                continue;
            } else {
                changes.push(scored(n, points, reached_revision));
            }
            model.insert(n, (points, reached_revision));
        }
        apply(boards, batch(position, changes)).await;
    }
    let mut sorted: Vec<_> = model.iter().map(|(&n, &(points, revision))| (n, points, revision)).collect();
    sorted.sort_by_key(|&(_, points, revision)| (std::cmp::Reverse(points), revision));
    let expected: Vec<_> = sorted.iter().map(|&(n, ..)| participant(n)).collect();
    assert_eq!(ids(&boards.top(battle(1), u32::MAX).await.unwrap()), expected);
    for (place, id) in expected.iter().enumerate().step_by(37) {
        let rank = u32::try_from(place).unwrap() + 1;
        assert_eq!(ranks(&boards.rank(battle(1), *id).await.unwrap()), vec![rank]);
    }
}

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

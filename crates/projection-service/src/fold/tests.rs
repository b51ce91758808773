use std::sync::Arc;

use nimaora_domain::Username;
use nimaora_domain::event::{NameErased, ParticipantLeft, ParticipantRemoved};
use nimaora_read_models::{BATCH_CHANGES_MAX, BoardChange};
use uuid::Uuid;

use super::*;

fn player(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

fn balance(points: u32) -> Balance {
    Balance { points, shields: 0, arrows: 1 }
}

fn joined(n: u128) -> Event {
    Event::ParticipantJoined(ParticipantJoined {
        participant_id: player(n),
        username: Username::new(&format!("player {n}")).unwrap(),
        session_id: nimaora_domain::SessionId(Uuid::from_u128(n)),
        balance: balance(5),
    })
}

fn attack(attacker: u128, target: u128, points_left: u32) -> Event {
    Event::AttackLanded(AttackLanded {
        attacker_id: player(attacker),
        target_id: player(target),
        blocked: false,
        points_deducted: 1,
        attacker_balance: balance(5),
        target_balance: balance(points_left),
    })
}

/// Events of one battle, at positions 1, 2, 3 and so on, with the revisions 0, 1, 2.
fn fold(marks: Marks, events: Vec<Event>) -> Folded {
    let mut names = Names::default();
    let mut fold = Fold::new(marks, &mut names, Timestamp::default());
    let battle_id = BattleId(Uuid::from_u128(1));
    for (position, event) in (1..).zip(events) {
        let decoded = Decoded {
            position,
            revision: position - 1,
            id: Uuid::from_u128(position.into()),
            stream: Arc::from(battle_id.stream()),
            event_type: "".into(),
            created_ms: 0,
            battle_id: Some(battle_id),
            content: Content::Event(Timestamp::from_millis(1), event),
        };
        fold.event(&decoded, None);
    }
    fold.finish()
}

fn three_attacks() -> Vec<Event> {
    vec![joined(1), joined(2), attack(1, 2, 4), attack(1, 2, 3), attack(2, 1, 4)]
}

#[test]
fn each_participant_is_written_once() {
    let folded = fold(Marks::default(), three_attacks());
    let rows: Vec<_> = folded.tables.participants.iter().map(|row| (row.id, row.reached_revision)).collect();
    assert_eq!(rows, vec![(player(1), Some(4)), (player(2), Some(3))]);
    assert_eq!(folded.tables.attacks.len(), 3);
    assert_eq!(folded.tables.updates.len(), 1);
    assert_eq!((folded.tables.updates[0].position, folded.tables.updates[0].participants_delta), (5, 2));
}

#[test]
fn each_line_of_the_board_moves_once() {
    let folded = fold(Marks { boards: 2, ..Marks::default() }, three_attacks());
    let [board] = &folded.boards[..] else { panic!("{:?}", folded.boards) };
    let scored = |n, points, reached_revision| BoardChange::Scored {
        participant_id: player(n),
        points,
        reached_revision,
    };
    assert_eq!(board.changes, vec![scored(2, 3, 3), scored(1, 4, 4)]);
    assert_eq!((board.first_revision, board.last_revision, board.position), (2, 4, 5));
}

#[test]
fn who_joins_and_is_removed_in_one_batch_is_not_on_the_board() {
    let removed = ParticipantRemoved { participant_id: player(1), reason: String::new() };
    let folded = fold(Marks::default(), vec![joined(1), Event::ParticipantRemoved(removed), attack(2, 1, 3)]);
    assert_eq!(folded.boards[0].changes, vec![BoardChange::Removed { participant_id: player(1) }]);
    assert_eq!((folded.boards[0].first_revision, folded.boards[0].last_revision), (0, 2));
}

#[test]
fn a_large_batch_of_a_board_is_split_without_a_gap() {
    let many = BATCH_CHANGES_MAX + 2;
    let folded = fold(Marks::default(), (0..many as u128).map(joined).collect());
    let split: Vec<_> =
        folded.boards.iter().map(|one| (one.first_revision, one.last_revision, one.position)).collect();
    let max = BATCH_CHANGES_MAX as u64;
    assert_eq!(split, vec![(0, max - 1, max), (max, max + 1, max + 2)]);
    assert_eq!(folded.boards[1].changes.len(), 2);
}

#[test]
fn alerts_are_told_one_by_one_and_scores_once() {
    let folded = fold(Marks { changes: 2, ..Marks::default() }, three_attacks());
    let lanes: Vec<_> = folded.changes.iter().map(|batch| (batch.lane, batch.changes.len())).collect();
    let expected = vec![
        (nimaora_change_bus::Lane::Attacks, 3),
        (nimaora_change_bus::Lane::Leaderboard, 1),
        (nimaora_change_bus::Lane::Default, 2),
    ];
    assert_eq!(lanes, expected);
}

#[test]
fn each_receiver_gets_only_what_it_has_not() {
    let left = Event::ParticipantLeft(ParticipantLeft { participant_id: player(1) });
    let events = || vec![joined(1), joined(2), attack(1, 2, 4), left.clone()];
    let all = Marks { tables: 4, boards: 4, changes: 4 };
    let nothing = fold(all, events());
    assert_eq!(nothing.tables, TableBatch::default());
    assert_eq!((nothing.boards, nothing.changes), (vec![], vec![]));
    let to_tables = fold(Marks { tables: 2, ..all }, events());
    assert_eq!((to_tables.tables.joined.len(), to_tables.tables.attacks.len()), (0, 1));
    assert_eq!(to_tables.boards, vec![]);
    let to_boards = fold(Marks { boards: 3, ..all }, events());
    assert_eq!((to_boards.boards[0].changes.len(), to_boards.boards[0].position), (0, 4));
}

fn erased(n: u32) -> Event {
    let reason = "asked".to_owned();
    Event::NameErased(NameErased { participant_id: player(n.into()), number: n, was_sealed: false, reason })
}

#[test]
fn a_name_that_was_erased_is_written_over_and_moves_no_score() {
    let renamed = |n: u32| BoardChange::Renamed {
        participant_id: player(n.into()),
        username: format!("erased player {n}").into(),
    };
    let marks = Marks { boards: 2, tables: 2, changes: 2 };
    let events = vec![joined(1), joined(2), attack(1, 2, 4), erased(2), attack(1, 2, 3), erased(1)];
    let folded = fold(marks, events);
    let scored = BoardChange::Scored { participant_id: player(2), points: 3, reached_revision: 4 };
    assert_eq!(folded.boards[0].changes, vec![scored, renamed(2), renamed(1)]);
    let rows: Vec<_> = folded.tables.participants.iter().map(|row| row.username.as_deref()).collect();
    assert_eq!(rows, vec![Some("erased player 1"), Some("erased player 2")]);
    // Who joins and is erased in one run never had a name for the board; who is gone gets none.
    let folded = fold(Marks::default(), vec![joined(1), erased(1)]);
    let BoardChange::Joined { username, .. } = &folded.boards[0].changes[0] else { panic!("not a join") };
    assert_eq!((&**username, folded.boards[0].changes.len()), ("erased player 1", 1));
    let removed = ParticipantRemoved { participant_id: player(1), reason: String::new() };
    let events = vec![joined(1), Event::ParticipantRemoved(removed), erased(1)];
    let folded = fold(Marks { boards: 1, ..Marks::default() }, events);
    assert_eq!(folded.boards[0].changes, vec![BoardChange::Removed { participant_id: player(1) }]);
}

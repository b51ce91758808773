//! The suite of [`ReadModels`].

use std::future::Future;
use std::task::Poll;

use nimaora_domain::event::Verdict;
use nimaora_domain::{Phase, QuestionId};

use super::story::{
    attack, balance, batch, battle_row, joined, moved, opening, parked, question_row, second, session, update,
};
use super::{battle, participant};
use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::{BoardBatch, BoardChange, Leaderboard};
use crate::memory::MemoryLeaderboard;
use crate::rows::{AnswerRow, AnswerVerdict, AttackView, BattleUpdate, NewParticipant, ParticipantUpdate};
use crate::tables::{Checkpoints, ReadModels, TableBatch};
use crate::wholeness::Wholeness;

pub use super::audited::*;
pub use super::crowd::*;
pub use super::rebuild::*;

/// Makes one test of each promise. `$tables` is an expression that makes empty tables, and what they need to live on.
#[macro_export]
macro_rules! read_models_contract {
    ($tables:expr) => {
        $crate::read_models_contract!(@each $tables;
            begins_with_nothing,
            shows_what_was_written,
            shows_a_battles_life,
            applies_a_batch_once,
            applies_a_batch_only_where_it_goes_on,
            writes_all_of_a_batch_or_nothing,
            goes_on_after_a_caller_gave_up,
            refuses_rows_about_nobody,
            refuses_a_verdict_on_no_answer,
            keeps_the_checkpoint_of_changes_apart,
            says_whether_they_are_whole,
            changes_only_what_an_update_says,
            writes_over_a_name,
            finds_a_battle_by_its_code,
            pages_battles_newest_first,
            lists_attacks_on_somebody_after_a_position,
            answers_a_crowd_each_for_itself,
            lists_all_rows_in_the_order_of_the_log,
            names_everybody_in_a_battle,
            keeps_parked_events,
            discards_a_parked_event_once,
            builds_tables_beside_those_in_use_and_puts_them_in_their_place,
            keeps_the_version_with_the_tables,
            notes_with_an_exchange_that_boards_are_to_be_compared,
            names_what_differs_between_both,
            replaces_nothing_that_is_not_as_far,
            tells_a_builder_that_another_began,
            writes_on_after_tables_with_other_keys_took_their_place,
            finds_the_same_rows_under_other_keys,
            refuses_in_the_next_tables_what_is_refused_in_those_in_use,
            takes_many_rows_at_once_or_none_of_them,
            knows_nothing_of_what_was_not_written,
            ranks_as_the_leaderboard_does
        );
    };
    (@each $tables:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let (tables, _home) = $tables;
                $crate::contract::tables::$promise(&tables).await;
            }
        )+
    };
}

async fn apply(tables: &dyn ReadModels, batch: TableBatch) {
    super::story::apply(tables, batch).await.unwrap();
}

fn at(tables: Position, changes: Position) -> Checkpoints {
    Checkpoints { tables, changes, begun: true, ..Checkpoints::default() }
}

async fn refused(tables: &dyn ReadModels, batch: TableBatch) {
    let answer = super::story::apply(tables, batch).await;
    assert!(matches!(answer, Err(StoreError::Constraint { .. })), "{answer:?}");
}

/// New tables say so, and stop saying so when anything is saved.
pub async fn begins_with_nothing(tables: &dyn ReadModels) {
    assert_eq!(tables.checkpoints().await.unwrap(), Checkpoints::default());
    tables.save_changes_checkpoint(0).await.unwrap();
    let begun = Checkpoints { begun: true, ..Checkpoints::default() };
    assert_eq!(tables.checkpoints().await.unwrap(), begun);
}

/// Every field that is written is read back.
pub async fn shows_what_was_written(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    let shown = tables.battle(battle(1)).await.unwrap().unwrap();
    assert_eq!(shown.battle, battle_row(battle(1), 1));
    assert_eq!((shown.phase, shown.participants, shown.as_of), (Phase::Created, 2, 10));
    let questions: Vec<_> = (1..=2).map(|n| question_row(battle(1), n).question).collect();
    assert_eq!(tables.questions(battle(1)).await.unwrap(), questions);
    let somebody = tables.participant(battle(1), participant(2)).await.unwrap().unwrap();
    let NewParticipant { id, username, session_id, balance, joined_at, .. } = joined(battle(1), 2);
    assert_eq!((somebody.id, somebody.username, somebody.session_id), (id, username, session_id));
    assert_eq!((somebody.balance, somebody.joined_at, somebody.as_of), (balance, joined_at, 10));
    assert!(somebody.is_active && !somebody.has_left && !somebody.removed);
}

/// Phase, times and number of participants follow the updates; what an update does not say stays.
pub async fn shows_a_battles_life(tables: &dyn ReadModels) {
    apply(tables, opening(5)).await;
    let phase = |phase, started_at, ended_at, position| TableBatch {
        updates: vec![BattleUpdate { phase, started_at, ended_at, ..moved(battle(1), position, -1) }],
        ..batch(position)
    };
    apply(tables, phase(Some(Phase::Running), Some(second(1)), None, 11)).await;
    apply(tables, phase(None, None, None, 12)).await;
    apply(tables, phase(Some(Phase::Finished), None, Some(second(2)), 13)).await;
    let shown = tables.battle(battle(1)).await.unwrap().unwrap();
    assert_eq!((shown.phase, shown.participants, shown.as_of), (Phase::Finished, 2, 13));
    assert_eq!((shown.started_at, shown.ended_at), (Some(second(1)), Some(second(2))));
}

/// A batch whose checkpoint is not past the stored one changes nothing.
pub async fn applies_a_batch_once(tables: &dyn ReadModels) {
    apply(tables, opening(3)).await;
    let before = tables.battle(battle(1)).await.unwrap();
    apply(tables, opening(3)).await;
    let late = TableBatch { joined: vec![joined(battle(1), 9)], changes_checkpoint: Some(9), ..batch(9) };
    apply(tables, late).await;
    assert_eq!(tables.battle(battle(1)).await.unwrap(), before);
    assert_eq!(tables.usernames(battle(1)).await.unwrap().len(), 3);
    assert_eq!(tables.checkpoints().await.unwrap(), at(10, 0));
}

/// A batch that goes on from elsewhere, before or behind, is refused and changes nothing; the writer is told where the tables are.
pub async fn applies_a_batch_only_where_it_goes_on(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    for follows in [0, 9, 11, 19] {
        let batch = TableBatch { follows, joined: vec![joined(battle(1), 9)], ..batch(20) };
        let answer = tables.apply(&batch).await;
        let told =
            matches!(answer, Err(StoreError::Overtaken { expected, stored: 10 }) if expected == follows);
        assert!(told, "{answer:?}");
    }
    assert_eq!(tables.usernames(battle(1)).await.unwrap().len(), 2);
    assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
    tables.apply(&TableBatch { follows: 10, ..batch(20) }).await.unwrap();
    assert_eq!(tables.checkpoints().await.unwrap().tables, 20);
}

/// A batch with a name that the battle has already is refused, nothing of it is there, and the next one is taken.
pub async fn writes_all_of_a_batch_or_nothing(tables: &dyn ReadModels) {
    apply(tables, opening(3)).await;
    let namesake = NewParticipant { username: "player 3".to_owned(), ..joined(battle(1), 5) };
    let bad = TableBatch {
        joined: vec![joined(battle(1), 4), namesake],
        updates: vec![moved(battle(1), 20, 2)],
        changes_checkpoint: Some(19),
        ..batch(20)
    };
    refused(tables, bad).await;
    assert_eq!(tables.checkpoints().await.unwrap(), at(10, 0));
    assert_eq!(tables.participant(battle(1), participant(4)).await.unwrap(), None);
    let good = TableBatch { joined: vec![joined(battle(1), 4)], ..batch(20) };
    apply(tables, good).await;
    let attack_on_4 = TableBatch { attacks: vec![attack(battle(1), 21, 1, 4)], ..batch(21) };
    apply(tables, attack_on_4).await;
    assert_eq!(tables.attacks_on(battle(1), participant(4), 0, 10).await.unwrap().len(), 1);
}

/// Whoever writes may give up at any moment, also while the batch is being committed: it is there whole or not at all, the
/// same batch may come again, and the next one finds its place.
pub async fn goes_on_after_a_caller_gave_up(tables: &dyn ReadModels) {
    const TRIES: u32 = 200;
    // More than a small batch takes; where it is given up differs a little from run to run.
    const POLLS_MAX: u32 = 80;
    apply(tables, opening(0)).await;
    let mut written = 0;
    for n in 1..=TRIES {
        let before = 9 + Position::from(n);
        let batch = TableBatch { joined: vec![joined(battle(1), n)], follows: before, ..batch(before + 1) };
        written += u32::from(polled_at_most(n % POLLS_MAX + 1, tables.apply(&batch)).await);
        tables.apply(&batch).await.unwrap();
        assert_eq!(tables.usernames(battle(1)).await.unwrap().len(), n as usize);
    }
    assert!((1..TRIES).contains(&written), "{written} of {TRIES} were not given up");
}

/// Answers whether the future was done by then; else it is dropped.
async fn polled_at_most(polls: u32, future: impl Future<Output = Result<(), StoreError>>) -> bool {
    let mut future = std::pin::pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => {
                done.unwrap();
                Poll::Ready(true)
            }
            Poll::Pending if polled >= polls => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Rows about a battle or a participant that is not there are refused.
pub async fn refuses_rows_about_nobody(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    refused(tables, TableBatch { joined: vec![joined(battle(7), 9)], ..batch(11) }).await;
    refused(tables, TableBatch { attacks: vec![attack(battle(1), 11, 1, 99)], ..batch(11) }).await;
    refused(tables, TableBatch { attacks: vec![attack(battle(1), 11, 99, 1)], ..batch(11) }).await;
    let nobody = ParticipantUpdate { is_active: Some(false), ..update(battle(1), participant(99)) };
    refused(tables, TableBatch { participants: vec![nobody], ..batch(11) }).await;
    assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
}

/// The judge can only speak of an answer that is there.
pub async fn refuses_a_verdict_on_no_answer(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    let answer = AnswerRow {
        position: 11,
        battle_id: battle(1),
        participant_id: participant(1),
        question_id: QuestionId(2),
        attempt: 1,
        verdict: Verdict::Pending,
        earned: balance(0),
        answer: Some("fn main() {}".to_owned()),
        submitted_at: second(1),
    };
    let verdict = AnswerVerdict {
        battle_id: battle(1),
        participant_id: participant(1),
        question_id: QuestionId(2),
        attempt: 1,
        verdict: Verdict::Correct,
        earned: balance(3),
        judged_at: second(2),
    };
    let second_attempt = AnswerVerdict { attempt: 2, ..verdict.clone() };
    apply(tables, TableBatch { answers: vec![answer.clone()], verdicts: vec![verdict], ..batch(11) }).await;
    refused(tables, TableBatch { verdicts: vec![second_attempt], ..batch(12) }).await;
    refused(tables, TableBatch { answers: vec![AnswerRow { position: 12, ..answer }], ..batch(12) }).await;
}

/// The two checkpoints move on their own, and never back.
pub async fn keeps_the_checkpoint_of_changes_apart(tables: &dyn ReadModels) {
    apply(tables, TableBatch { changes_checkpoint: Some(4), ..opening(1) }).await;
    assert_eq!(tables.checkpoints().await.unwrap(), at(10, 4));
    tables.save_changes_checkpoint(9).await.unwrap();
    tables.save_changes_checkpoint(5).await.unwrap();
    apply(tables, TableBatch { changes_checkpoint: Some(6), ..batch(11) }).await;
    assert_eq!(tables.checkpoints().await.unwrap(), at(11, 9));
}

/// New tables are not whole before they hold what was in the log when they were begun; from then on they are.
pub async fn says_whether_they_are_whole(tables: &dyn ReadModels) {
    let wholeness = Wholeness::default();
    let missing = async || matches!(wholeness.require(tables).await, Err(StoreError::Unavailable { .. }));
    assert!(missing().await, "nobody has begun them");
    tables.save_changes_checkpoint(12).await.unwrap();
    assert!(missing().await);
    apply(tables, opening(2)).await;
    assert!(missing().await);
    assert!(!wholeness.is_known());
    apply(tables, batch(12)).await;
    wholeness.require(tables).await.unwrap();
    assert!(wholeness.is_known());
    apply(tables, TableBatch { changes_checkpoint: Some(12), ..batch(13) }).await;
    assert!(tables.checkpoints().await.unwrap().are_whole());
}

/// Each field of an update is written alone and together with others.
pub async fn changes_only_what_an_update_says(tables: &dyn ReadModels) {
    apply(tables, opening(1)).await;
    let same = update(battle(1), participant(1));
    let spent = balance(1);
    let active = Some(second(5));
    let steps = [
        ParticipantUpdate { balance: Some(spent), last_activity_at: active, ..same.clone() },
        ParticipantUpdate {
            balance: Some(balance(4)),
            reached_revision: Some(4),
            last_activity_at: active,
            ..same.clone()
        },
        ParticipantUpdate { balance: Some(balance(7)), reached_revision: Some(8), ..same.clone() },
        ParticipantUpdate { session_id: Some(session(44)), ..same.clone() },
        ParticipantUpdate { is_active: Some(false), ..same.clone() },
        ParticipantUpdate {
            balance: Some(balance(9)),
            reached_revision: Some(9),
            is_active: Some(true),
            ..same
        },
    ];
    let mut seen = Vec::new();
    for (position, step) in (11..).zip(steps) {
        apply(tables, TableBatch { participants: vec![step], ..batch(position) }).await;
        let now = tables.participant(battle(1), participant(1)).await.unwrap().unwrap();
        seen.push((now.balance.points, now.session_id, now.is_active, now.as_of));
    }
    let (first, other) = (session(1), session(44));
    let expected = vec![
        (1, first, true, 11),
        (4, first, true, 12),
        (7, first, true, 13),
        (7, other, true, 14),
        (7, other, false, 15),
        (9, other, true, 16),
    ];
    assert_eq!(seen, expected);
    let left =
        ParticipantUpdate { is_active: Some(false), has_left: true, ..update(battle(1), participant(1)) };
    apply(tables, TableBatch { participants: vec![left], ..batch(17) }).await;
    let back = ParticipantUpdate { balance: Some(balance(9)), ..update(battle(1), participant(1)) };
    apply(tables, TableBatch { participants: vec![back], ..batch(18) }).await;
    let shown = tables.participant(battle(1), participant(1)).await.unwrap().unwrap();
    assert!(shown.has_left && !shown.is_active && !shown.removed);
    assert_eq!(tables.top(battle(1), 10).await.unwrap().total, 1);
    let removed = ParticipantUpdate { removed: true, ..update(battle(1), participant(1)) };
    let batch =
        TableBatch { participants: vec![removed], updates: vec![moved(battle(1), 19, -1)], ..batch(19) };
    apply(tables, batch).await;
    assert!(tables.participant(battle(1), participant(1)).await.unwrap().unwrap().removed);
    let board = tables.top(battle(1), 10).await.unwrap();
    assert_eq!((board.entries, board.total, board.as_of), (vec![], 0, 19));
}

/// A name that was erased is nowhere any more, and all else of its row stays.
pub async fn writes_over_a_name(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    let before = tables.participant(battle(1), participant(1)).await.unwrap().unwrap();
    let erased = ParticipantUpdate {
        username: Some("erased player 1".to_owned()),
        ..update(battle(1), participant(1))
    };
    apply(tables, TableBatch { participants: vec![erased], ..batch(11) }).await;
    let now = tables.participant(battle(1), participant(1)).await.unwrap().unwrap();
    assert_eq!(now.username, "erased player 1");
    assert_eq!(
        (now.balance, now.session_id, now.is_active),
        (before.balance, before.session_id, before.is_active)
    );
    let names = tables.usernames(battle(1)).await.unwrap();
    assert!(!names.iter().any(|(_, name)| *name == before.username), "{names:?}");
    let board = tables.top(battle(1), 10).await.unwrap();
    assert!(board.entries.iter().any(|entry| &*entry.username == "erased player 1"), "{board:?}");
}

/// The newest battle with the code, in whatever case it is typed.
pub async fn finds_a_battle_by_its_code(tables: &dyn ReadModels) {
    let battles = vec![battle_row(battle(1), 1), battle_row(battle(2), 2)];
    apply(tables, TableBatch { battles, ..batch(3) }).await;
    let found = tables.battle_by_join_code("k7qX2m").await.unwrap().unwrap();
    assert_eq!(found.battle.id, battle(2));
    assert_eq!(tables.battle_by_join_code("K7QX2").await.unwrap(), None);
}

/// Pages follow on each other without gap or repeat, also within one phase.
pub async fn pages_battles_newest_first(tables: &dyn ReadModels) {
    let battles = (1..=5).map(|n| battle_row(battle(n), u64::try_from(n).unwrap())).collect();
    let running = |n| BattleUpdate { phase: Some(Phase::Running), ..moved(battle(n), 6, 0) };
    apply(tables, TableBatch { battles, updates: [2, 3, 5].map(running).to_vec(), ..batch(6) }).await;
    let pages = async |phase, limit| {
        let (mut pages, mut before) = (Vec::new(), None);
        loop {
            let page = tables.battles(phase, before, limit).await.unwrap();
            assert_eq!(page.as_of, 6);
            pages.push(page.battles.iter().map(|view| view.battle.created_position).collect::<Vec<_>>());
            before = page.next;
            if before.is_none() {
                return pages;
            }
        }
    };
    assert_eq!(pages(None, 2).await, vec![vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(pages(None, 5).await, vec![vec![5, 4, 3, 2, 1]]);
    assert_eq!(pages(Some(Phase::Running), 2).await, vec![vec![5, 3], vec![2]]);
    assert_eq!(pages(Some(Phase::Finished), 2).await, vec![Vec::<u64>::new()]);
}

/// Oldest first, after a position, at most so many, with the attacker's name.
pub async fn lists_attacks_on_somebody_after_a_position(tables: &dyn ReadModels) {
    let other = vec![battle_row(battle(2), 2)];
    let attacks =
        (11..=20).map(|position| attack(battle(1), position, 1 + u128::from(position) % 2, 3)).collect();
    let elsewhere = TableBatch { battles: other, attacks, ..batch(20) };
    apply(tables, opening(3)).await;
    apply(tables, elsewhere).await;
    let listed = tables.attacks_on(battle(1), participant(3), 13, 3).await.unwrap();
    let rows: Vec<_> = listed.iter().map(|view| view.attack.clone()).collect();
    let expected: Vec<_> =
        [14, 15, 16].iter().map(|&at| attack(battle(1), at, 1 + u128::from(at) % 2, 3)).collect();
    assert_eq!(rows, expected);
    assert_eq!((&*listed[0].attacker, &*listed[1].attacker), ("player 1", "player 2"));
    let last = tables.last_attacks_on(battle(1), participant(3), 13, 3).await.unwrap();
    let positions = |views: &[AttackView]| views.iter().map(|view| view.attack.position).collect::<Vec<_>>();
    assert_eq!(positions(&last), [20, 19, 18]);
    assert_eq!(&*last[0].attacker, "player 1");
    let last = tables.last_attacks_on(battle(1), participant(3), 18, 3).await.unwrap();
    assert_eq!(positions(&last), [20, 19]);
    assert!(tables.attacks_on(battle(1), participant(3), 20, 3).await.unwrap().is_empty());
    assert!(tables.attacks_on(battle(1), participant(1), 0, 3).await.unwrap().is_empty());
    assert!(tables.attacks_on(battle(2), participant(3), 0, 3).await.unwrap().is_empty());
}

/// All names, and only those of the battle.
pub async fn names_everybody_in_a_battle(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    let namesake = NewParticipant { username: "player 1".to_owned(), ..joined(battle(2), 3) };
    apply(
        tables,
        TableBatch { battles: vec![battle_row(battle(2), 11)], joined: vec![namesake], ..batch(11) },
    )
    .await;
    let mut names = tables.usernames(battle(1)).await.unwrap();
    names.sort_unstable();
    let expected = vec![(participant(1), "player 1".to_owned()), (participant(2), "player 2".to_owned())];
    assert_eq!(names, expected);
    assert_eq!(tables.usernames(battle(2)).await.unwrap(), vec![(participant(3), "player 1".to_owned())]);
}

/// Parked events are kept whole and listed in order.
pub async fn keeps_parked_events(tables: &dyn ReadModels) {
    apply(tables, TableBatch { parked: vec![parked(4), parked(7), parked(8)], ..opening(1) }).await;
    assert_eq!(tables.parked(0, 2).await.unwrap(), vec![parked(4), parked(7)]);
    assert_eq!(tables.parked(7, 2).await.unwrap(), vec![parked(8)]);
    assert_eq!(tables.parked(8, 2).await.unwrap(), vec![]);
}

/// What is not there is told apart from what is empty.
pub async fn knows_nothing_of_what_was_not_written(tables: &dyn ReadModels) {
    apply(tables, opening(2)).await;
    let unknown = battle(9);
    assert_eq!(tables.battle(unknown).await.unwrap(), None);
    assert_eq!(tables.participant(battle(1), participant(9)).await.unwrap(), None);
    assert_eq!(tables.participant(unknown, participant(1)).await.unwrap(), None);
    assert_eq!(tables.questions(unknown).await.unwrap(), vec![]);
    let boards = [tables.top(unknown, 5).await, tables.around(unknown, participant(1), 5).await];
    for answer in boards {
        assert!(matches!(answer, Err(StoreError::NotHeld(id)) if id == unknown), "{answer:?}");
    }
    let nobody = tables.around(battle(1), participant(9), 5).await.unwrap();
    assert_eq!((nobody.entries, nobody.total, nobody.as_of), (vec![], 2, 10));
}

/// The board of the tables equals the leaderboard's, ties and removals included.
pub async fn ranks_as_the_leaderboard_does(tables: &dyn ReadModels) {
    const PLAYERS: u32 = 120;
    let boards = MemoryLeaderboard::default();
    let (mut on_board, mut rows, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=PLAYERS {
        let NewParticipant { id: participant_id, username, balance, reached_revision, .. } =
            joined(battle(1), n);
        let (username, points) = (username.into(), balance.points);
        on_board.push(BoardChange::Joined { participant_id, username, points, reached_revision });
        // Few different scores, so that most are ties.
        let (points, reached_revision) = (n * 7 % 5, 1_000 + u64::from(n * 31 % PLAYERS));
        let removed = n.is_multiple_of(11);
        let (balance, reached) = (Some(super::story::balance(points)), Some(reached_revision));
        let same = update(battle(1), participant_id);
        rows.push(ParticipantUpdate { balance, reached_revision: reached, removed, ..same });
        scores.push(match removed {
            true => BoardChange::Removed { participant_id },
            false => BoardChange::Scored { participant_id, points, reached_revision },
        });
    }
    on_board.append(&mut scores);
    let gone = i32::try_from(PLAYERS / 11).unwrap();
    apply(tables, opening(PLAYERS)).await;
    let updates = vec![moved(battle(1), 11, -gone)];
    apply(tables, TableBatch { participants: rows, updates, ..batch(11) }).await;
    let changes = BoardBatch {
        battle_id: battle(1),
        changes: on_board,
        first_revision: 0,
        last_revision: 10,
        position: 11,
        ended: false,
    };
    assert_eq!(boards.apply(&[changes], 11).await.unwrap().missing, vec![]);
    for limit in [1, 10, 1_000] {
        let (ours, theirs) = (tables.top(battle(1), limit).await, boards.top(battle(1), limit).await);
        assert_eq!(ours.unwrap(), theirs.unwrap());
    }
    for n in (1..=PLAYERS).map(u128::from) {
        let ours = tables.around(battle(1), participant(n), 3).await.unwrap();
        assert_eq!(ours, boards.around(battle(1), participant(n), 3).await.unwrap(), "around {n}");
    }
}

//! The suite of [`Rebuildable`] tables, and of what operators do with parked events.

use nimaora_domain::event::Verdict;
use nimaora_domain::{Phase, QuestionId};

use super::story::{apply, attack, balance, batch, battle_row, joined, opening, parked, second, update};
use super::{battle, participant};
use crate::error::StoreError;
use crate::rebuild::{Difference, NextTables, Rebuildable, TableRows};
use crate::rows::{AnswerRow, AnswerVerdict, Discarded, NewParticipant, ParticipantUpdate};
use crate::tables::{Checkpoints, ReadModels, TableBatch};

/// Tables of which both are asked.
pub trait Both: ReadModels + Rebuildable {}

impl<T: ReadModels + Rebuildable> Both for T {}

fn attacked(position: u64) -> TableBatch {
    TableBatch { attacks: vec![attack(battle(1), position, 1, 2)], ..batch(position) }
}

/// The `n`th participant holds so much now.
fn holds(n: u128, points: u32) -> Vec<ParticipantUpdate> {
    vec![ParticipantUpdate { balance: Some(balance(points)), ..update(battle(1), participant(n)) }]
}

/// A batch that goes on from where the tables are.
async fn written(tables: &dyn ReadModels, batch: TableBatch) {
    apply(tables, batch).await.unwrap();
}

fn why(reason: &str) -> Discarded {
    Discarded { at: second(400), reason: reason.to_owned() }
}

/// What an operator discarded keeps the first reason; what is not there cannot be discarded.
pub async fn discards_a_parked_event_once(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let at = tables.checkpoints().await.unwrap().tables + 1;
    written(tables, TableBatch { parked: vec![parked(at)], ..batch(at) }).await;
    assert!(tables.discard_parked(at, &why("a test of ours")).await.unwrap());
    assert!(!tables.discard_parked(at, &why("another reason")).await.unwrap());
    assert!(!tables.discard_parked(at + 1, &why("no such event")).await.unwrap());
    let listed = tables.parked(0, 10).await.unwrap();
    assert_eq!(listed[0].discarded, Some(why("a test of ours")));
}

/// What is built beside does not show until it takes the place of what was there, and then all of it does.
pub async fn builds_tables_beside_those_in_use_and_puts_them_in_their_place(tables: &dyn Both) {
    written(tables, opening(3)).await;
    let at = tables.checkpoints().await.unwrap().tables;
    tables.save_changes_checkpoint(at).await.unwrap();
    written(tables, TableBatch { parked: vec![parked(at + 1)], ..batch(at + 1) }).await;
    tables.discard_parked(at + 1, &why("known")).await.unwrap();

    let next = tables.begin_next().await.unwrap();
    assert_eq!(next.tables().checkpoints().await.unwrap(), Checkpoints::default());
    written(&*next.tables(), opening(3)).await;
    written(&*next.tables(), TableBatch { parked: vec![parked(at + 1)], ..batch(at + 1) }).await;
    written(&*next.tables(), TableBatch { participants: holds(2, 99), ..batch(at + 2) }).await;
    assert_ne!(tables.participant(battle(1), participant(2)).await.unwrap().unwrap().balance, balance(99));

    written(tables, batch(at + 3)).await;
    let held = next.hold().await.unwrap();
    assert_eq!(held.position(), at + 3);
    // The last step is made while nobody writes to the others.
    written(&*next.tables(), batch(at + 3)).await;
    held.replace().await.unwrap();
    next.discard().await.unwrap();
    let shown = tables.participant(battle(1), participant(2)).await.unwrap().unwrap();
    assert_eq!(shown.balance, balance(99));
    let checkpoints = tables.checkpoints().await.unwrap();
    assert_eq!((checkpoints.tables, checkpoints.changes), (at + 3, at));
    assert_eq!(tables.parked(0, 10).await.unwrap()[0].discarded, Some(why("known")));
    written(tables, attacked(at + 4)).await;
    assert_eq!(tables.attacks_on(battle(1), participant(2), 0, 10).await.unwrap().len(), 1);
}

/// Each set of tables says which version of the projection makes it, and takes that along.
pub async fn keeps_the_version_with_the_tables(tables: &dyn Both) {
    assert_eq!(tables.checkpoints().await.unwrap(), Checkpoints::default());
    tables.save_version(3).await.unwrap();
    // That alone does not begin them.
    assert_eq!(
        tables.checkpoints().await.unwrap(),
        Checkpoints { version: Some(3), ..Checkpoints::default() }
    );
    written(tables, opening(2)).await;
    let next = tables.begin_next().await.unwrap();
    assert_eq!(next.tables().checkpoints().await.unwrap().version, None);
    next.tables().save_version(4).await.unwrap();
    written(&*next.tables(), opening(2)).await;
    assert_eq!(tables.checkpoints().await.unwrap().version, Some(3));
    next.hold().await.unwrap().replace().await.unwrap();
    let at = tables.checkpoints().await.unwrap();
    assert_eq!(at.version, Some(4));
    written(tables, attacked(at.tables + 1)).await;
    assert_eq!(tables.checkpoints().await.unwrap().version, Some(4));
}

/// Whoever compares the boards after an exchange says so, and not of a later one.
pub async fn notes_with_an_exchange_that_boards_are_to_be_compared(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let mut at = tables.checkpoints().await.unwrap().tables;
    let exchanged = async || tables.checkpoints().await.unwrap().exchanged;
    assert_eq!(exchanged().await, None);
    for _ in 0..2 {
        let next = tables.begin_next().await.unwrap();
        written(&*next.tables(), TableBatch { checkpoint: at, ..opening(2) }).await;
        next.hold().await.unwrap().replace().await.unwrap();
        assert_eq!(exchanged().await, Some(at));
        at += 1;
        written(tables, batch(at)).await;
    }
    tables.boards_compared(at - 2).await.unwrap();
    assert_eq!(exchanged().await, Some(at - 1));
    tables.boards_compared(at - 1).await.unwrap();
    assert_eq!(exchanged().await, None);
    assert_eq!(tables.checkpoints().await.unwrap().tables, at);
}

/// Rows that differ are named with their column, and rows that only one has.
pub async fn names_what_differs_between_both(tables: &dyn Both) {
    written(tables, opening(3)).await;
    let at = tables.checkpoints().await.unwrap().tables;
    written(tables, attacked(at + 1)).await;
    let next = tables.begin_next().await.unwrap();
    written(&*next.tables(), opening(3)).await;
    written(&*next.tables(), attacked(at + 1)).await;
    let same = next.hold().await.unwrap().compare().await.unwrap();
    assert_eq!((same.differing, same.differences.len()), (0, 0));
    let attacks = TableRows { table: "attacks", in_use: 1, next: 1 };
    assert!(same.rows.contains(&attacks), "{:?}", same.rows);

    let attacks = vec![attack(battle(1), at + 2, 2, 1)];
    let other = TableBatch { participants: holds(3, 77), attacks, ..batch(at + 2) };
    written(&*next.tables(), other).await;
    written(tables, batch(at + 2)).await;
    let found = next.hold().await.unwrap().compare().await.unwrap();
    let points = found.differences.iter().find(|difference| difference.column == Some("points")).unwrap();
    assert_eq!((points.table, points.next.as_deref()), ("battle_participants", Some("77")));
    assert_eq!(points.key, participant(3).to_string());
    let key = (at + 2).to_string();
    let only: Vec<&Difference> = found.differences.iter().filter(|one| one.key == key).collect();
    assert!(only.iter().any(|one| one.in_use.is_none() && one.column.is_none()), "{:?}", found.differences);
    assert_eq!(found.differing, found.differences.len() as u64);
    // Writing goes on while and after they are compared.
    written(tables, batch(at + 3)).await;
}

/// Tables that lag behind, or are ahead, do not take the place of those in use.
pub async fn replaces_nothing_that_is_not_as_far(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let at = tables.checkpoints().await.unwrap().tables;
    let next = tables.begin_next().await.unwrap();
    let answer = next.hold().await.unwrap().replace().await;
    assert!(matches!(answer, Err(StoreError::Overtaken { .. })), "{answer:?}");
    written(tables, attacked(at + 1)).await;
    assert_eq!(tables.checkpoints().await.unwrap().tables, at + 1);
}

/// Whoever began before another one finds out with the next batch.
pub async fn tells_a_builder_that_another_began(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let first = tables.begin_next().await.unwrap();
    written(&*first.tables(), opening(2)).await;
    let at = first.tables().checkpoints().await.unwrap().tables;
    let second = tables.begin_next().await.unwrap();
    let late = TableBatch { follows: at, ..attacked(at + 1) };
    assert!(first.tables().apply(&late).await.is_err());
    written(&*second.tables(), opening(2)).await;
    second.hold().await.unwrap().replace().await.unwrap();
    assert_eq!(tables.battles(Some(Phase::Created), None, 10).await.unwrap().battles.len(), 1);
}

/// Rows may have other keys in the new tables, and batches after that find them.
pub async fn writes_on_after_tables_with_other_keys_took_their_place(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let at = tables.checkpoints().await.unwrap().tables;
    let late = vec![joined(battle(1), 4)];
    written(tables, TableBatch { joined: late.clone(), ..batch(at + 1) }).await;
    let next: std::sync::Arc<dyn NextTables> = tables.begin_next().await.unwrap();
    // One more, between the others and the last.
    let others = vec![joined(battle(1), 3)];
    written(&*next.tables(), opening(2)).await;
    written(&*next.tables(), TableBatch { joined: others, ..batch(at + 1) }).await;
    written(tables, batch(at + 2)).await;
    written(&*next.tables(), TableBatch { joined: late, ..batch(at + 2) }).await;
    next.hold().await.unwrap().replace().await.unwrap();
    written(tables, TableBatch { participants: holds(4, 55), ..batch(at + 3) }).await;
    let shown = tables.participant(battle(1), participant(4)).await.unwrap().unwrap();
    assert_eq!((shown.balance, shown.username.as_str()), (balance(55), "player 4"));
}

/// That rows have other keys in the next tables is no difference, and no difference hides behind it.
pub async fn finds_the_same_rows_under_other_keys(tables: &dyn Both) {
    let next = tables.begin_next().await.unwrap();
    written(tables, opening(2)).await;
    written(&*next.tables(), opening(2)).await;
    let at = tables.checkpoints().await.unwrap().tables;
    for (n, of) in [(3, 4), (4, 3)].into_iter().zip(1..) {
        let (here, there) = n;
        written(tables, TableBatch { joined: vec![joined(battle(1), here)], ..batch(at + of) }).await;
        written(&*next.tables(), TableBatch { joined: vec![joined(battle(1), there)], ..batch(at + of) })
            .await;
    }
    let attacks = || vec![attack(battle(1), at + 3, 3, 4)];
    written(tables, TableBatch { attacks: attacks(), ..batch(at + 3) }).await;
    written(&*next.tables(), TableBatch { attacks: attacks(), ..batch(at + 3) }).await;
    let same = next.hold().await.unwrap().compare().await.unwrap();
    assert_eq!(same.differing, 0, "{:?}", same.differences);
    // The same integer keys as in the other set, which stand for others there.
    written(tables, TableBatch { attacks: vec![attack(battle(1), at + 4, 3, 4)], ..batch(at + 4) }).await;
    written(&*next.tables(), TableBatch { attacks: vec![attack(battle(1), at + 4, 4, 3)], ..batch(at + 4) })
        .await;
    let found = next.hold().await.unwrap().compare().await.unwrap();
    assert_eq!((found.differing, found.differences[0].column), (1, Some("attacker_id")));
}

/// Whatever they leave out while they are built, an event that cannot be projected is found out as ever.
pub async fn refuses_in_the_next_tables_what_is_refused_in_those_in_use(tables: &dyn Both) {
    written(tables, opening(2)).await;
    let next = tables.begin_next().await.unwrap();
    let next = next.tables();
    written(&*next, opening(2)).await;
    let at = next.checkpoints().await.unwrap().tables + 1;
    let namesake = NewParticipant { id: participant(9), ..joined(battle(1), 2) };
    for wrong in [
        TableBatch { joined: vec![namesake], ..batch(at) },
        TableBatch { joined: vec![joined(battle(1), 1)], ..batch(at) },
        TableBatch { battles: vec![battle_row(battle(1), at)], ..batch(at) },
        TableBatch { attacks: vec![attack(battle(1), at, 1, 99)], ..batch(at) },
    ] {
        let answer = apply(&*next, wrong).await;
        assert!(matches!(answer, Err(StoreError::Constraint { .. })), "{answer:?}");
    }
    written(&*next, batch(at)).await;
}

/// Batches may be large, and one of many rows is refused whole for the sake of one.
pub async fn takes_many_rows_at_once_or_none_of_them(tables: &dyn ReadModels) {
    const MANY: u32 = 5_000;
    written(tables, opening(2)).await;
    let answer = |n: u32| AnswerRow {
        position: 10 + u64::from(n),
        battle_id: battle(1),
        participant_id: participant(1),
        question_id: QuestionId(1),
        attempt: n,
        verdict: Verdict::Pending,
        earned: balance(n),
        answer: n.is_multiple_of(2).then(|| "\"ä\"\n\\".to_owned()),
        submitted_at: second(n.into()),
    };
    let answers: Vec<_> = (1..=MANY).map(answer).collect();
    let attacks: Vec<_> = (1..=MANY).map(|n| attack(battle(1), 10 + u64::from(n), 1, 2)).collect();
    let end = 10 + u64::from(MANY);
    let twice = AnswerRow { position: end, ..answer(1) };
    let wrong = [&answers[1..], &[answer(1), twice]].concat();
    let refused = [
        TableBatch { answers: wrong, attacks: attacks.clone(), ..batch(end) },
        TableBatch {
            attacks: [&attacks[..], &[attack(battle(1), end, 1, 99)]].concat(),
            answers: answers.clone(),
            ..batch(end)
        },
    ];
    for refused in refused {
        let answer = apply(tables, refused).await;
        assert!(matches!(answer, Err(StoreError::Constraint { .. })), "{answer:?}");
        assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
    }
    written(tables, TableBatch { answers, attacks, ..batch(end) }).await;
    let shown = tables.attacks_on(battle(1), participant(2), 0, MANY + 1).await.unwrap();
    assert_eq!(shown.len(), MANY as usize);
    assert_eq!(shown[MANY as usize - 1].attack, attack(battle(1), end, 1, 2));
    let verdict = AnswerVerdict {
        battle_id: battle(1),
        participant_id: participant(1),
        question_id: QuestionId(1),
        attempt: MANY,
        verdict: Verdict::Correct,
        earned: balance(3),
        judged_at: second(2),
    };
    written(tables, TableBatch { verdicts: vec![verdict], ..batch(end + 1) }).await;
}

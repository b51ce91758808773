//! What tables promise to an auditor.

use nimaora_domain::QuestionId;
use nimaora_domain::event::Verdict;

use super::story::{apply, attack, balance, batch, battle_row, joined, opening, second};
use super::{battle, participant};
use crate::Position;
use crate::audit::{AnswerView, AuditedTables};
use crate::rows::{AnswerRow, AnswerVerdict};
use crate::tables::TableBatch;

/// After any position.
const LAST: Position = Position::MAX;

/// Answers and attacks of all battles, each as it was written, page after page.
pub async fn lists_all_rows_in_the_order_of_the_log(tables: &dyn AuditedTables) {
    assert!(
        tables.answers(None, 0, LAST, 10).await.unwrap().is_empty()
            && tables.attacks(None, 0, LAST, 10).await.unwrap().is_empty()
    );
    apply(tables, opening(2)).await.unwrap();
    let answer = |position, player, verdict| AnswerRow {
        position,
        battle_id: battle(if player < 3 { 1 } else { 2 }),
        participant_id: participant(player),
        question_id: QuestionId(2),
        attempt: 1,
        verdict,
        earned: balance(u32::from(verdict == Verdict::Correct)),
        answer: (verdict == Verdict::Pending).then(|| "fn main() {}".to_owned()),
        submitted_at: second(1),
    };
    let answers =
        vec![answer(14, 3, Verdict::Pending), answer(15, 1, Verdict::Correct), answer(17, 2, Verdict::Wrong)];
    let verdict = AnswerVerdict {
        battle_id: battle(2),
        participant_id: participant(3),
        question_id: QuestionId(2),
        attempt: 1,
        verdict: Verdict::Correct,
        earned: balance(3),
        judged_at: second(2),
    };
    let attacks = vec![attack(battle(1), 16, 1, 2), attack(battle(2), 18, 3, 4), attack(battle(1), 19, 2, 1)];
    let more = TableBatch {
        battles: vec![battle_row(battle(2), 11)],
        joined: vec![joined(battle(2), 3), joined(battle(2), 4)],
        answers: answers.clone(),
        verdicts: vec![verdict],
        attacks: attacks.clone(),
        ..batch(20)
    };
    apply(tables, more).await.unwrap();
    let mut expected: Vec<_> =
        answers.into_iter().map(|answer| AnswerView { answer, judged_at: None }).collect();
    expected[0].judged_at = Some(second(2));
    (expected[0].answer.verdict, expected[0].answer.earned) = (Verdict::Correct, balance(3));
    assert_eq!(tables.answers(None, 0, LAST, 10).await.unwrap(), expected);
    assert_eq!(tables.answers(None, 14, LAST, 1).await.unwrap(), expected[1..2]);
    assert_eq!(tables.attacks(None, 0, LAST, 2).await.unwrap(), attacks[..2]);
    assert_eq!(tables.attacks(None, 18, LAST, 2).await.unwrap(), attacks[2..]);
    assert!(tables.answers(None, 17, LAST, 10).await.unwrap().is_empty());
    assert_eq!(tables.answers(None, 14, 15, 10).await.unwrap(), expected[1..2]);
    assert_eq!(tables.attacks(None, 0, 18, 10).await.unwrap(), attacks[..2]);
    // Those of one battle alone.
    assert_eq!(tables.answers(Some(battle(1)), 0, LAST, 10).await.unwrap(), expected[1..]);
    assert_eq!(
        tables.attacks(Some(battle(1)), 0, LAST, 10).await.unwrap(),
        [attacks[0].clone(), attacks[2].clone()]
    );
    assert_eq!(tables.attacks(Some(battle(2)), 0, LAST, 10).await.unwrap(), attacks[1..2]);
    assert!(tables.attacks(Some(battle(3)), 0, LAST, 10).await.unwrap().is_empty());
}

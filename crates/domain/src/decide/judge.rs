//! `JudgeAnswer`: the external judge's verdict, also after the end of the battle's time but not after its end.

use super::{Case, Decision, earn};
use crate::event::{AnswerJudged, Event, Verdict};
use crate::ids::{ParticipantId, QuestionId};
use crate::refusal::Refusal;
use crate::rules::Balance;

pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    question_id: QuestionId,
    attempt: u32,
    correct: bool,
) -> Result<Decision, Refusal> {
    case.running()?;
    let question = case.battle.question(question_id).ok_or(Refusal::QuestionUnknown { question_id })?;
    let participant = case.known(participant_id)?;
    let pending = participant.attempts(question_id).and_then(|attempts| attempts.pending);
    if pending != Some(attempt) {
        return Err(Refusal::NothingToJudge { question_id, attempt });
    }
    let (verdict, reward) =
        if correct { (Verdict::Correct, question.reward) } else { (Verdict::Wrong, Balance::default()) };
    let (earned, balance) = earn(participant.balance, reward);
    let judged = AnswerJudged { participant_id, question_id, attempt, verdict, earned, balance };
    Ok(Decision::Append(vec![Event::AnswerJudged(judged)]))
}

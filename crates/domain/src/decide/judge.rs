//! `JudgeAnswer`.

use crate::battle::{Participant, Status};
use crate::decide::{Case, Decision, earn};
use crate::event::{AnswerJudged, Event, Verdict};
use crate::ids::{ParticipantId, QuestionId};
use crate::refusal::Refusal;
use crate::rules::Balance;

/// Somebody who has left or lapsed is judged like everybody: the answer came in time, and the score is on the
/// board. An answer of somebody who was removed waits for nothing any more.
pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    question_id: QuestionId,
    attempt: u32,
    correct: bool,
) -> Result<Decision, Refusal> {
    case.running_since()?;
    let participant = case.participant(participant_id)?;
    let question = case.battle.question(question_id).ok_or(Refusal::QuestionUnknown { question_id })?;
    if !waits_for_verdict(participant, question_id, attempt) {
        return Err(Refusal::NothingToJudge { question_id, attempt });
    }
    let (verdict, reward) =
        if correct { (Verdict::Correct, question.reward) } else { (Verdict::Wrong, Balance::default()) };
    let (earned, balance) = earn(participant.balance(), reward);
    let judged = AnswerJudged { participant_id, question_id, attempt, verdict, earned, balance };
    Ok(Decision::Append(vec![Event::AnswerJudged(judged)]))
}

fn waits_for_verdict(participant: &Participant, question_id: QuestionId, attempt: u32) -> bool {
    let waits = participant
        .attempts(question_id)
        .is_some_and(|attempts| attempts.verdict == Verdict::Pending && attempts.count == attempt);
    waits && participant.status() != Status::Removed
}

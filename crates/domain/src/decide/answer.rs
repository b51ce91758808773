//! `SubmitAnswer`: in time, within the attempts, and judged at once unless an external judge decides.

use super::{Case, Decision, by_participant, earn, violation};
use crate::answer::normalise;
use crate::battle::{Participant, settles};
use crate::event::{AnswerSubmitted, Event, Verdict};
use crate::ids::{ParticipantId, QuestionId};
use crate::refusal::Refusal;
use crate::rules::{Balance, Question, QuestionKind};
use crate::time::Timestamp;

pub(super) fn decide(
    case: &Case<'_>,
    participant_id: ParticipantId,
    question_id: QuestionId,
    answer: &str,
) -> Result<Decision, Refusal> {
    let participant = case.acting(participant_id)?;
    case.running()?;
    let question = case.battle.question(question_id).ok_or(Refusal::QuestionUnknown { question_id })?;
    in_time(case, question)?;
    let attempt = next_attempt(participant, question)?;
    let normal = normalise(question.kind, question.choices.len(), answer)
        .map_err(|description| Refusal::Invalid(vec![violation("answer", description)]))?;
    let (verdict, answer_hash, answer) = match question.kind {
        QuestionKind::External => (Verdict::Pending, None, Some(normal)),
        QuestionKind::Choice | QuestionKind::Text | QuestionKind::Number => {
            let hash = case.key.hash(case.battle_id, question_id, &normal);
            let correct = question.answer_hashes.contains(&hash);
            (if correct { Verdict::Correct } else { Verdict::Wrong }, Some(hash), None)
        }
    };
    let reward = if settles(verdict) { question.reward } else { Balance::default() };
    let (earned, balance) = earn(participant.balance, reward);
    let submitted = AnswerSubmitted {
        participant_id,
        question_id,
        attempt,
        verdict,
        earned,
        balance,
        answer_hash,
        answer,
    };
    Ok(by_participant(participant, Event::AnswerSubmitted(submitted)))
}

/// The times are those at which the server received the start and the answer.
fn in_time(case: &Case<'_>, question: &Question) -> Result<(), Refusal> {
    let question_id = question.id;
    let received_at = case.context.received_at;
    let started_at = case.battle.started_at().unwrap_or(received_at);
    let opens_at = started_at.plus_millis(question.opens_after_ms);
    if received_at < opens_at {
        return Err(Refusal::QuestionNotOpen { question_id, opens_at });
    }
    let closed_at = closes_at(question, opens_at);
    match closed_at {
        Some(closed_at) if received_at >= closed_at => Err(Refusal::AnswerLate { question_id, closed_at }),
        Some(_) | None => Ok(()),
    }
}

fn closes_at(question: &Question, opens_at: Timestamp) -> Option<Timestamp> {
    (question.answering_time_ms > 0).then(|| opens_at.plus_millis(question.answering_time_ms))
}

fn next_attempt(participant: &Participant, question: &Question) -> Result<u32, Refusal> {
    let question_id = question.id;
    let Some(attempts) = participant.attempts(question_id) else { return Ok(1) };
    if attempts.correct {
        return Err(Refusal::AlreadyAnswered { question_id });
    }
    if attempts.pending.is_some() {
        return Err(Refusal::VerdictPending { question_id });
    }
    if attempts.count >= question.attempts_max {
        let attempts_max = question.attempts_max;
        return Err(Refusal::AttemptsExhausted { question_id, attempts_max });
    }
    Ok(attempts.count + 1)
}

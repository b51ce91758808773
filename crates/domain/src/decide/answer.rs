//! `SubmitAnswer`.

use crate::answer::normalise;
use crate::battle::Participant;
use crate::decide::{Case, Decision, earn, own};
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
    let started_at = case.running_since()?;
    case.is_before_end()?;
    let participant = case.acting(participant_id)?;
    let question = case.battle.question(question_id).ok_or(Refusal::QuestionUnknown { question_id })?;
    check_time(case, question, started_at)?;
    let attempt = next_attempt(participant, question)?;
    // A malformed answer is refused and costs no attempt.
    let normalised = normalise(question.kind, question.choices.len(), answer, "answer")
        .map_err(|violation| Refusal::Invalid(vec![violation]))?;
    let judged = judge(case, question, normalised);
    let reward = if judged.verdict == Verdict::Correct { question.reward } else { Balance::default() };
    let (earned, balance) = earn(participant.balance(), reward);
    let Judged { verdict, answer_hash, answer } = judged;
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
    Ok(own(participant, Event::AnswerSubmitted(submitted)))
}

/// The question takes answers now: from its opening, inclusive, to its closing, exclusive.
fn check_time(case: &Case<'_>, question: &Question, started_at: Timestamp) -> Result<(), Refusal> {
    let question_id = question.id;
    let opens_at = started_at.plus_millis(question.opens_after_ms);
    if case.now() < opens_at {
        return Err(Refusal::QuestionNotOpen { question_id, opens_at });
    }
    let closed_at = opens_at.plus_millis(question.answering_time_ms);
    if question.answering_time_ms > 0 && case.now() >= closed_at {
        return Err(Refusal::AnswerLate { question_id, closed_at });
    }
    Ok(())
}

fn next_attempt(participant: &Participant, question: &Question) -> Result<u32, Refusal> {
    let (question_id, attempts_max) = (question.id, question.attempts_max);
    let Some(attempts) = participant.attempts(question_id) else { return Ok(1) };
    match attempts.verdict {
        Verdict::Correct => Err(Refusal::AlreadyAnswered { question_id }),
        Verdict::Pending => Err(Refusal::VerdictPending { question_id }),
        Verdict::Wrong if attempts.count >= attempts_max => {
            Err(Refusal::AttemptsExhausted { question_id, attempts_max })
        }
        Verdict::Wrong => Ok(attempts.count + 1),
    }
}

/// What the event says of the answer.
struct Judged {
    verdict: Verdict,
    answer_hash: Option<String>,
    answer: Option<String>,
}

fn judge(case: &Case<'_>, question: &Question, normalised: String) -> Judged {
    if question.kind == QuestionKind::External {
        return Judged { verdict: Verdict::Pending, answer_hash: None, answer: Some(normalised) };
    }
    let hash = case.key.hash(case.battle_id, question.id, &normalised);
    let verdict = if question.answer_hashes.contains(&hash) { Verdict::Correct } else { Verdict::Wrong };
    Judged { verdict, answer_hash: Some(hash), answer: None }
}

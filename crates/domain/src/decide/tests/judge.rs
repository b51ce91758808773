use crate::event::{AnswerJudged, ParticipantLeft, ParticipantRemoved, Verdict};
use crate::testing::*;
use crate::{Command, Event, Refusal};

fn judge(attempt: u32, correct: bool) -> Command {
    Command::JudgeAnswer { participant_id: ADA, question_id: PROGRAM, attempt, correct }
}

fn submitted() -> Given {
    given(duel()).when(answer(ADA, PROGRAM, "main = 1")).accepted()
}

fn judged(verdict: Verdict, earned: (u32, u32, u32), after: (u32, u32, u32)) -> Event {
    Event::AnswerJudged(AnswerJudged {
        participant_id: ADA,
        question_id: PROGRAM,
        attempt: 1,
        verdict,
        earned: balance(earned.0, earned.1, earned.2),
        balance: balance(after.0, after.1, after.2),
    })
}

#[test]
fn correct_earns_the_reward() {
    let expected = judged(Verdict::Correct, (10, 1, 2), (13, 2, 4));
    let after = submitted().when(judge(1, true)).then([expected]);
    assert_eq!(after.battle.participant(ADA).unwrap().reached_revision(), 5);
    after.when(answer(ADA, PROGRAM, "main = 2")).refused(Refusal::AlreadyAnswered { question_id: PROGRAM });
}

#[test]
fn wrong_earns_nothing_and_lets_one_try_again() {
    let expected = judged(Verdict::Wrong, (0, 0, 0), (3, 1, 2));
    let after = submitted().when(judge(1, false)).then([expected]);
    let again = after.when(answer(ADA, PROGRAM, "main = 2")).accepted();
    again.clone().when(judge(1, true)).refused(Refusal::NothingToJudge { question_id: PROGRAM, attempt: 1 });
    again.when(judge(2, true)).accepted();
}

#[test]
fn counts_for_somebody_who_left_or_lapsed_since() {
    let gone = Event::ParticipantLeft(ParticipantLeft { participant_id: ADA });
    for away in [gone, lapsed(ADA)] {
        let expected = judged(Verdict::Correct, (10, 1, 2), (13, 2, 4));
        submitted().after(away).when(judge(1, true)).then([expected]);
    }
}

#[test]
fn does_not_count_for_somebody_who_was_removed_since() {
    let removed = ParticipantRemoved { participant_id: ADA, reason: String::new() };
    let given = submitted().after(Event::ParticipantRemoved(removed));
    given.when(judge(1, true)).refused(Refusal::NothingToJudge { question_id: PROGRAM, attempt: 1 });
}

#[test]
fn is_refused_where_nothing_waits() {
    let nothing = Refusal::NothingToJudge { question_id: PROGRAM, attempt: 1 };
    given(duel()).when(judge(1, true)).refused(nothing.clone());
    let done = submitted().when(judge(1, false)).accepted();
    done.when(judge(1, true)).refused(nothing);
    let unknown = Command::JudgeAnswer {
        participant_id: ADA,
        question_id: crate::QuestionId(9),
        attempt: 1,
        correct: true,
    };
    given(duel()).when(unknown).refused(Refusal::QuestionUnknown { question_id: crate::QuestionId(9) });
    let nobody =
        Command::JudgeAnswer { participant_id: EVE, question_id: PROGRAM, attempt: 1, correct: true };
    given(duel()).when(nobody).refused(Refusal::ParticipantUnknown { participant_id: EVE });
}

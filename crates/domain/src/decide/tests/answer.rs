use crate::event::{AnswerSubmitted, ParticipantReturned, Verdict};
use crate::rules::{EXTERNAL_ANSWER_BYTES_MAX, ITEMS_MAX, POINTS_MAX};
use crate::testing::*;
use crate::{Event, Refusal};

fn verdict_on(given: Given, command: crate::Command) -> (Verdict, u32) {
    match given.when(command).event() {
        Event::AnswerSubmitted(event) => (event.verdict, event.attempt),
        other => panic!("no answer but {other:?}"),
    }
}

#[test]
fn that_is_correct_earns_the_reward() {
    let expected = Event::AnswerSubmitted(AnswerSubmitted {
        participant_id: ADA,
        question_id: CAPITAL,
        attempt: 1,
        verdict: Verdict::Correct,
        earned: balance(10, 1, 2),
        balance: balance(13, 2, 4),
        answer_hash: Some(key().hash(battle_id(), CAPITAL, "Oslo")),
        answer: None,
    });
    let after = given(duel()).when(answer(ADA, CAPITAL, " Oslo ")).then([expected]);
    let ada = after.battle.participant(ADA).unwrap();
    assert_eq!((ada.balance(), ada.reached_revision()), (balance(13, 2, 4), 4));
}

#[test]
fn that_is_wrong_earns_nothing_and_uses_an_attempt() {
    let expected = Event::AnswerSubmitted(AnswerSubmitted {
        participant_id: ADA,
        question_id: CAPITAL,
        attempt: 1,
        verdict: Verdict::Wrong,
        earned: balance(0, 0, 0),
        balance: balance(3, 1, 2),
        answer_hash: Some(key().hash(battle_id(), CAPITAL, "Bergen")),
        answer: None,
    });
    let after = given(duel()).when(answer(ADA, CAPITAL, "Bergen")).then([expected]);
    assert_eq!(verdict_on(after, answer(ADA, CAPITAL, "oslo")), (Verdict::Correct, 2));
}

#[test]
fn of_a_number_is_judged_by_value() {
    for same in ["1.5", "+1.50", "15e-1", "01.5", "１.５"] {
        assert_eq!(verdict_on(given(duel()), answer(ADA, HALF, same)), (Verdict::Correct, 1), "{same}");
    }
    for other in ["-1.5", "15", "1.05", "1.5e1"] {
        assert_eq!(verdict_on(given(duel()), answer(ADA, HALF, other)), (Verdict::Wrong, 1), "{other}");
    }
}

#[test]
fn of_a_choice_is_the_number_of_the_choice() {
    assert_eq!(verdict_on(given(duel()).at(10_000), answer(ADA, COLOUR, "2")), (Verdict::Correct, 1));
    assert_eq!(verdict_on(given(duel()).at(10_000), answer(ADA, COLOUR, "1")), (Verdict::Wrong, 1));
}

#[test]
fn for_an_external_judge_is_kept_as_it_is_and_waits() {
    let program = "fn main() {\n\tloop {}\n}\n";
    let expected = Event::AnswerSubmitted(AnswerSubmitted {
        participant_id: ADA,
        question_id: PROGRAM,
        attempt: 1,
        verdict: Verdict::Pending,
        earned: balance(0, 0, 0),
        balance: balance(3, 1, 2),
        answer_hash: None,
        answer: Some(program.to_owned()),
    });
    given(duel()).when(answer(ADA, PROGRAM, program)).then([expected]);
}

#[test]
fn that_is_malformed_costs_no_attempt() {
    let long = "x".repeat(1_025);
    let too_long = "x".repeat(EXTERNAL_ANSWER_BYTES_MAX + 1);
    let malformed = [
        (CAPITAL, ""),
        (CAPITAL, " \n"),
        (CAPITAL, long.as_str()),
        (COLOUR, "0"),
        (COLOUR, "3"),
        (COLOUR, "green"),
        (HALF, "abc"),
        (HALF, "1,5"),
        (PROGRAM, "a\0b"),
        (PROGRAM, too_long.as_str()),
    ];
    for (question_id, text) in malformed {
        given(duel()).at(10_000).when(answer(ADA, question_id, text)).invalid(["answer"]);
    }
}

#[test]
fn is_taken_from_the_opening_to_just_before_the_closing() {
    let early = Refusal::QuestionNotOpen { question_id: COLOUR, opens_at: after_start(10_000) };
    let late = Refusal::AnswerLate { question_id: COLOUR, closed_at: after_start(15_000) };
    given(duel()).at(9_999).when(answer(ADA, COLOUR, "1")).refused(early);
    given(duel()).at(10_000).when(answer(ADA, COLOUR, "1")).accepted();
    given(duel()).at(14_999).when(answer(ADA, COLOUR, "1")).accepted();
    given(duel()).at(15_000).when(answer(ADA, COLOUR, "1")).refused(late);
    given(duel()).at(1_000_000_000).when(answer(ADA, CAPITAL, "Oslo")).accepted();
}

#[test]
fn earns_no_more_than_one_can_hold_and_says_what_was_earned() {
    let rich = joined(ADA, "Ada", balance(POINTS_MAX - 4, ITEMS_MAX, ITEMS_MAX - 1));
    let event = given([created(), rich, started()]).when(answer(ADA, CAPITAL, "Oslo")).event();
    let Event::AnswerSubmitted(event) = event else { panic!("no answer") };
    assert_eq!(event.earned, balance(4, 0, 1));
    assert_eq!(event.balance, balance(POINTS_MAX, ITEMS_MAX, ITEMS_MAX));
}

#[test]
fn of_two_participants_both_earn() {
    let after = given(duel()).when(answer(ADA, CAPITAL, "Oslo")).accepted();
    assert_eq!(verdict_on(after, answer(BOB, CAPITAL, "Oslo")), (Verdict::Correct, 1));
}

#[test]
fn of_a_lapsed_participant_brings_it_back_first() {
    let decided = given(and(duel(), [lapsed(ADA)])).when(answer(ADA, CAPITAL, "Oslo"));
    let after = decided.accepted();
    assert_eq!(after.battle.revision(), Some(6));
    assert_eq!(after.battle.participant(ADA).unwrap().status(), crate::battle::Status::Active);
    let returned = Event::ParticipantReturned(ParticipantReturned { participant_id: BOB });
    let after = given(and(duel(), [lapsed(BOB), returned])).when(answer(BOB, CAPITAL, "Oslo")).accepted();
    assert_eq!(after.battle.revision(), Some(6));
}

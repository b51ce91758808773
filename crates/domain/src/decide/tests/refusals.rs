//! Every refusal, once. A new one does not compile here before it has a case.

use std::collections::BTreeSet;

use crate::event::{BattleCancelled, BattleFinished, ParticipantLeft, ParticipantRemoved, SessionReplaced};
use crate::refusal::Violation;
use crate::testing::*;
use crate::{Actor, Command, Event, QuestionId, Refusal, SessionId};

/// A battle, a command, and why it is refused.
type Case = (Given, Command, Refusal);

fn cases() -> Vec<Case> {
    let mut cases = of_battles();
    cases.extend(of_actors());
    cases.extend(of_attacks());
    cases.extend(of_answers());
    cases
}

fn of_battles() -> Vec<Case> {
    let finished = Event::BattleFinished(BattleFinished { finished_at: after_start(9) });
    let cancelled = BattleCancelled { cancelled_at: after_start(9), reason: String::new() };
    let cancelled = Event::BattleCancelled(cancelled);
    let closed = created_with(|rules| rules.late_join = false);
    let tiny = created_with(|rules| rules.participants_max = 1);
    let ada = || joined(ADA, "Ada", balance(0, 0, 0));
    vec![
        (given([]), attack(ADA, BOB), Refusal::BattleUnknown),
        (given([created()]), creation(), Refusal::BattleExists),
        (given([created(), ada()]), attack(ADA, BOB), Refusal::BattleNotStarted),
        (given(duel()), Command::StartBattle, Refusal::BattleStarted),
        (given(and(duel(), [finished])), attack(ADA, BOB), Refusal::BattleFinished),
        (given(and(duel(), [cancelled])), attack(ADA, BOB), Refusal::BattleCancelled),
        (given([closed, started()]), join(ADA, "Ada"), Refusal::JoinClosed),
        (given([tiny, ada()]), join(BOB, "Bob"), Refusal::BattleFull { participants_max: 1 }),
        (given(duel()), join(EVE, "ADA"), Refusal::UsernameTaken { username: "ADA".to_owned() }),
    ]
}

fn of_actors() -> Vec<Case> {
    let violation = Violation {
        field: "answer".to_owned(),
        description: "'many' is no number; write it as 42, -1.5 or 6.02e23".to_owned(),
    };
    let attacked = given(duel()).with_id(5).when(attack(ADA, BOB)).accepted().with_id(5);
    let other = SessionReplaced { participant_id: ADA, session_id: SessionId(BOB.0) };
    let left = Event::ParticipantLeft(ParticipantLeft { participant_id: ADA });
    let removed = ParticipantRemoved { participant_id: ADA, reason: String::new() };
    let guest = given(duel()).by(Actor::Guest);
    let not_allowed = Refusal::NotAllowed { actor: "somebody without a token", action: "start the battle" };
    vec![
        (given(duel()), answer(ADA, HALF, "many"), Refusal::Invalid(vec![violation])),
        (attacked, answer(ADA, CAPITAL, "Oslo"), Refusal::CommandIdReused),
        (guest, Command::StartBattle, not_allowed),
        (given(and(duel(), [Event::SessionReplaced(other)])), attack(ADA, BOB), Refusal::SessionReplaced),
        (given(duel()), attack(EVE, BOB), Refusal::ParticipantUnknown { participant_id: EVE }),
        (given(and(duel(), [left])), attack(ADA, BOB), Refusal::ParticipantGone),
        (
            given(and(duel(), [Event::ParticipantRemoved(removed)])),
            attack(ADA, BOB),
            Refusal::ParticipantBanned,
        ),
    ]
}

fn of_attacks() -> Vec<Case> {
    let poor =
        [created(), joined(ADA, "Ada", balance(1, 0, 0)), joined(BOB, "Bob", balance(0, 5, 1)), started()];
    let lapsed = and(duel(), [lapsed(BOB)]);
    vec![
        (given(lapsed), attack(ADA, BOB), Refusal::TargetInactive { target_id: BOB }),
        (given(poor.clone()), attack(ADA, BOB), Refusal::NoArrows),
        (given(duel()), attack(ADA, EVE), Refusal::ParticipantUnknown { participant_id: EVE }),
        (given(duel()), attack(ADA, ADA), Refusal::TargetIsAttacker),
        (
            given(poor).after(joined(EVE, "Eve", balance(0, 0, 1))),
            attack(EVE, BOB),
            Refusal::TargetWithoutPoints { target_id: BOB },
        ),
    ]
}

fn of_answers() -> Vec<Case> {
    let unknown = QuestionId(5);
    let answered = |text| given(duel()).when(answer(ADA, CAPITAL, text)).accepted();
    let pending = given(duel()).when(answer(ADA, PROGRAM, "main = 1")).accepted();
    let exhausted = answered("Bergen").when(answer(ADA, CAPITAL, "Bergen")).accepted();
    let opens_at = after_start(10_000);
    let closed_at = after_start(15_000);
    let judge = Command::JudgeAnswer { participant_id: ADA, question_id: PROGRAM, attempt: 2, correct: true };
    vec![
        (given(duel()), answer(ADA, unknown, "1"), Refusal::QuestionUnknown { question_id: unknown }),
        (given(duel()), answer(ADA, COLOUR, "1"), Refusal::QuestionNotOpen { question_id: COLOUR, opens_at }),
        (
            given(duel()).at(15_000),
            answer(ADA, COLOUR, "1"),
            Refusal::AnswerLate { question_id: COLOUR, closed_at },
        ),
        (answered("Oslo"), answer(ADA, CAPITAL, "Oslo"), Refusal::AlreadyAnswered { question_id: CAPITAL }),
        (pending.clone(), answer(ADA, PROGRAM, "main = 2"), Refusal::VerdictPending { question_id: PROGRAM }),
        (
            exhausted,
            answer(ADA, CAPITAL, "Oslo"),
            Refusal::AttemptsExhausted { question_id: CAPITAL, attempts_max: 2 },
        ),
        (pending, judge, Refusal::NothingToJudge { question_id: PROGRAM, attempt: 2 }),
    ]
}

/// How many refusals there are. The list is exhaustive: a refusal that is missing here does not compile.
fn count(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::Invalid(_)
        | Refusal::CommandIdReused
        | Refusal::BattleUnknown
        | Refusal::BattleExists
        | Refusal::BattleNotStarted
        | Refusal::BattleStarted
        | Refusal::BattleFinished
        | Refusal::BattleCancelled
        | Refusal::JoinClosed
        | Refusal::BattleFull { .. }
        | Refusal::UsernameTaken { .. }
        | Refusal::NotAllowed { .. }
        | Refusal::SessionReplaced
        | Refusal::ParticipantUnknown { .. }
        | Refusal::ParticipantGone
        | Refusal::ParticipantBanned
        | Refusal::TargetInactive { .. }
        | Refusal::TargetWithoutPoints { .. }
        | Refusal::TargetIsAttacker
        | Refusal::NoArrows
        | Refusal::QuestionUnknown { .. }
        | Refusal::QuestionNotOpen { .. }
        | Refusal::AnswerLate { .. }
        | Refusal::AlreadyAnswered { .. }
        | Refusal::VerdictPending { .. }
        | Refusal::AttemptsExhausted { .. }
        | Refusal::NothingToJudge { .. } => 27,
    }
}

#[test]
fn every_refusal_is_given_and_has_a_name_and_a_sentence_of_its_own() {
    let cases = cases();
    let total = count(&cases[0].2);
    let (mut reasons, mut sentences) = (BTreeSet::new(), BTreeSet::new());
    for (given, command, refusal) in cases {
        given.when(command).refused(refusal.clone());
        let reason = refusal.reason();
        assert!(reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{reason}");
        reasons.insert(reason);
        sentences.insert(refusal.to_string());
    }
    assert_eq!(reasons.len(), total, "{reasons:?}");
    assert!(sentences.len() >= total, "{sentences:?}");
}

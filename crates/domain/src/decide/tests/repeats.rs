//! A command id that comes again.

use crate::battle::{BATTLE_COMMANDS_MAX, PARTICIPANT_COMMANDS_MAX};
use crate::testing::*;
use crate::{Actor, BattleId, Command, Refusal, SessionId};

fn cancel() -> Command {
    Command::CancelBattle { reason: String::new() }
}

fn lapse(participant_id: crate::ParticipantId) -> Command {
    Command::RecordLapse { participant_ids: vec![participant_id] }
}

#[test]
fn repeats_the_answer_of_each_kind_of_command() {
    let new = SessionId(command_id(77).0);
    let kinds = [
        Command::StartBattle,
        join(ADA, "Ada"),
        join(BOB, "Bob"),
        answer(ADA, CAPITAL, "Oslo"),
        attack(ADA, BOB),
        answer(ADA, PROGRAM, "main = 1"),
        Command::JudgeAnswer { participant_id: ADA, question_id: PROGRAM, attempt: 1, correct: true },
        lapse(ADA),
        Command::RecordReturn { participant_id: ADA },
        Command::ReplaceSession { participant_id: ADA, session_id: new },
        Command::Leave { participant_id: BOB },
        Command::RemoveParticipant { participant_id: BOB, reason: String::new() },
        Command::EraseName { participant_id: ADA, reason: "asked".to_owned() },
        Command::FinishBattle,
    ];
    let mut battle = given([created()]);
    for (number, command) in (1..).zip(kinds) {
        battle = battle.with_id(number).when(command.clone()).accepted();
        let revision = battle.battle.revision().unwrap();
        battle.clone().with_id(number).when(command.clone()).repeats(revision);
        assert_eq!(u128::from(revision), number);
    }
    // Still, at the end, and whatever has become of the battle since.
    battle.clone().with_id(1).when(Command::StartBattle).repeats(1);
    battle.clone().with_id(2).when(join(ADA, "Ada")).repeats(2);
    battle.with_id(5).when(attack(ADA, BOB)).repeats(5);
    given([created()]).with_id(1).when(cancel()).accepted().with_id(1).when(cancel()).repeats(1);
}

#[test]
fn repeats_the_creation_however_long_ago_it_was() {
    let mut battle = given(duel());
    for _ in 0..BATTLE_COMMANDS_MAX {
        battle =
            battle.when(lapse(ADA)).accepted().when(Command::RecordReturn { participant_id: ADA }).accepted();
    }
    battle.with_id(0xc4ea7e).when(creation()).repeats(0);
    assert_eq!(battle_id(), BattleId::created_by(command_id(0xc4ea7e)));
}

#[test]
fn is_refused_for_another_kind_of_command() {
    let after = given(duel()).with_id(5).when(attack(ADA, BOB)).accepted();
    after.clone().with_id(5).when(answer(ADA, CAPITAL, "Oslo")).refused(Refusal::CommandIdReused);
    after.clone().with_id(0xc4ea7e).when(Command::FinishBattle).refused(Refusal::CommandIdReused);
    after.clone().with_id(0xc4ea7e).when(attack(ADA, BOB)).refused(Refusal::CommandIdReused);
    let joined = after.with_id(6).when(join(EVE, "Eve")).accepted();
    joined.clone().with_id(6).when(attack(EVE, BOB)).refused(Refusal::CommandIdReused);
    joined.clone().with_id(6).when(cancel()).refused(Refusal::CommandIdReused);
    let started = given([created()]).with_id(7).when(Command::StartBattle).accepted();
    started.with_id(7).when(join(ADA, "Ada")).refused(Refusal::CommandIdReused);
}

#[test]
fn is_remembered_for_the_last_commands_of_each_participant() {
    let armed = joined(ADA, "Ada", balance(0, 0, 100));
    let target = joined(BOB, "Bob", balance(100, 0, 0));
    let mut battle = given([created(), armed, target, started()]);
    let total = PARTICIPANT_COMMANDS_MAX as u128 + 1;
    for number in 1..=total {
        battle = battle.with_id(number).when(attack(ADA, BOB)).accepted();
    }
    for number in 2..=total {
        let answered = battle.battle.answered(command_id(number), Some(ADA));
        assert_eq!(answered.map(u128::from), Some(3 + number));
    }
    assert_eq!(battle.battle.answered(command_id(1), Some(ADA)), None);
    assert_eq!(battle.battle.answered(command_id(2), Some(BOB)), None);
    assert_eq!(battle.battle.answered(command_id(2), Some(EVE)), None);
}

#[test]
fn is_answered_in_a_new_session_and_in_an_old_one() {
    let after = given(duel()).with_id(5).when(attack(ADA, BOB)).accepted();
    let new = SessionId(command_id(77).0);
    let after =
        after.with_id(6).when(Command::ReplaceSession { participant_id: ADA, session_id: new }).accepted();
    after.clone().with_id(5).by(Actor::Participant(ADA, new)).when(attack(ADA, BOB)).repeats(4);
    after.clone().with_id(5).when(attack(ADA, BOB)).repeats(4);
    after
        .with_id(5)
        .by(Actor::Participant(BOB, session(BOB)))
        .when(attack(ADA, BOB))
        .refused(Refusal::NotAllowed { actor: "a participant", action: "act for another participant" });
}

#[test]
fn is_not_remembered_when_it_was_refused() {
    let battle =
        given([created(), joined(ADA, "Ada", balance(0, 0, 1)), joined(BOB, "Bob", balance(1, 0, 0))]);
    battle.clone().with_id(5).when(attack(ADA, BOB)).refused(Refusal::BattleNotStarted);
    battle.after(started()).with_id(5).when(attack(ADA, BOB)).accepted();
}

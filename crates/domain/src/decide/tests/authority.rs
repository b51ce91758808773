//! Who may give which command.

use crate::testing::*;
use crate::{Actor, Command, Phase, Refusal, SessionId};

fn every_command() -> Vec<Command> {
    vec![
        creation(),
        Command::StartBattle,
        Command::FinishBattle,
        Command::CancelBattle { reason: String::new() },
        join(EVE, "Eve"),
        Command::ReplaceSession { participant_id: ADA, session_id: SessionId(ADA.0) },
        answer(ADA, CAPITAL, "Oslo"),
        attack(ADA, BOB),
        Command::Leave { participant_id: ADA },
        Command::JudgeAnswer { participant_id: ADA, question_id: PROGRAM, attempt: 1, correct: true },
        Command::RemoveParticipant { participant_id: ADA, reason: String::new() },
        Command::EraseName { participant_id: ADA, reason: "asked".to_owned() },
        Command::RecordLapse { participant_ids: vec![ADA] },
        Command::RecordReturn { participant_id: ADA },
    ]
}

fn refusal_of(given: Given, actor: Actor, command: &Command) -> Option<Refusal> {
    given.by(actor).when(command.clone()).refusal()
}

#[test]
fn each_command_has_its_actors_and_refuses_all_others() {
    let actors = [
        Actor::Admin,
        Actor::Guest,
        Actor::System,
        Actor::Participant(ADA, session(ADA)),
        Actor::Participant(BOB, session(BOB)),
    ];
    for command in every_command() {
        let by_clock = matches!(command, Command::StartBattle | Command::FinishBattle);
        for actor in actors {
            let may = actor == rightful_actor(&command) || (by_clock && actor == Actor::System);
            let refusal = refusal_of(given(duel()), actor, &command);
            let refused = matches!(refusal, Some(Refusal::NotAllowed { .. }));
            assert_eq!(refused, !may, "{actor:?} {command:?}: {refusal:?}");
        }
    }
}

#[test]
fn a_refusal_says_who_may_not_do_what() {
    let said = |actor, command: &Command| refusal_of(given(duel()), actor, command).unwrap().to_string();
    assert_eq!(
        said(Actor::Guest, &Command::StartBattle),
        "somebody without a token may not start the battle"
    );
    assert_eq!(said(Actor::Admin, &attack(ADA, BOB)), "an admin may not attack a participant");
    assert_eq!(said(Actor::System, &join(EVE, "Eve")), "the system may not join the battle");
    let bob = Actor::Participant(BOB, session(BOB));
    assert_eq!(said(bob, &attack(ADA, BOB)), "a participant may not act for another participant");
    assert_eq!(said(bob, &Command::FinishBattle), "a participant may not finish the battle");
}

#[test]
fn nothing_but_a_creation_works_on_a_battle_that_does_not_exist() {
    assert_eq!(given([]).battle.phase(), Phase::Absent);
    for command in every_command().into_iter().skip(1) {
        given([]).when(command).refused(Refusal::BattleUnknown);
    }
}

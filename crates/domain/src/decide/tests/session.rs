use crate::event::{BattleFinished, ParticipantReturned, SessionReplaced};
use crate::testing::*;
use crate::{Actor, Command, Event, Refusal, SessionId};

fn sign_in(session_id: SessionId) -> Command {
    Command::ReplaceSession { participant_id: ADA, session_id }
}

fn signed_in(session_id: SessionId) -> Event {
    Event::SessionReplaced(SessionReplaced { participant_id: ADA, session_id })
}

#[test]
fn replaced_can_act_no_more() {
    let new = SessionId(command_id(77).0);
    let after = given(duel()).when(sign_in(new)).then([signed_in(new)]);
    assert_eq!(after.battle.participant(ADA).unwrap().session_id(), new);
    for command in [answer(ADA, CAPITAL, "Oslo"), attack(ADA, BOB), Command::Leave { participant_id: ADA }] {
        after.clone().when(command.clone()).refused(Refusal::SessionReplaced);
        after.clone().by(Actor::Participant(ADA, new)).when(command).accepted();
    }
}

#[test]
fn replaced_can_sign_in_again() {
    let (second, third) = (SessionId(command_id(77).0), SessionId(command_id(78).0));
    let after = given(duel()).when(sign_in(second)).accepted();
    after.when(sign_in(third)).then([signed_in(third)]);
}

#[test]
fn can_be_replaced_after_the_end() {
    let finished = Event::BattleFinished(BattleFinished { finished_at: after_start(9) });
    given(and(duel(), [finished])).when(sign_in(SessionId(command_id(77).0))).accepted();
}

#[test]
fn of_a_lapsed_participant_brings_it_back_first() {
    let new = SessionId(command_id(77).0);
    let returned = Event::ParticipantReturned(ParticipantReturned { participant_id: ADA });
    given(and(duel(), [lapsed(ADA)])).when(sign_in(new)).then([returned, signed_in(new)]);
}

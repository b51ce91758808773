use crate::battle::Status;
use crate::event::{ParticipantLeft, ParticipantReturned};
use crate::testing::*;
use crate::{Command, Event, Refusal};

const LEAVE: Command = Command::Leave { participant_id: ADA };

fn left() -> Event {
    Event::ParticipantLeft(ParticipantLeft { participant_id: ADA })
}

#[test]
fn keeps_the_score_on_the_board() {
    let after = given(duel()).when(LEAVE).then([left()]);
    assert_eq!(after.battle.participant(ADA).unwrap().status(), Status::Left);
    assert_eq!(after.battle.standings()[0].id(), ADA);
}

#[test]
fn ends_what_the_participant_can_do() {
    let after = given(duel()).when(LEAVE).accepted();
    for command in [LEAVE, answer(ADA, CAPITAL, "Oslo"), attack(ADA, BOB)] {
        after.clone().when(command).refused(Refusal::ParticipantGone);
    }
    after.when(attack(BOB, ADA)).refused(Refusal::TargetInactive { target_id: ADA });
}

#[test]
fn is_possible_before_the_start() {
    given([created(), joined(ADA, "Ada", balance(0, 0, 0))]).when(LEAVE).then([left()]);
}

#[test]
fn of_a_lapsed_participant_records_its_return_first() {
    let returned = Event::ParticipantReturned(ParticipantReturned { participant_id: ADA });
    given(and(duel(), [lapsed(ADA)])).when(LEAVE).then([returned, left()]);
}

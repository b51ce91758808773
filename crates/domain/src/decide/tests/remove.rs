use crate::event::{ParticipantLeft, ParticipantRemoved};
use crate::testing::*;
use crate::{Command, Event, Refusal};

fn remove(reason: &str) -> Command {
    Command::RemoveParticipant { participant_id: ADA, reason: reason.to_owned() }
}

#[test]
fn takes_somebody_off_the_board() {
    let reason = "cheated".to_owned();
    let removed = Event::ParticipantRemoved(ParticipantRemoved { participant_id: ADA, reason });
    let after = given(duel()).when(remove(" cheated ")).then([removed]);
    let order: Vec<_> = after.battle.standings().iter().map(|participant| participant.id()).collect();
    assert_eq!(order, [BOB]);
    after.clone().when(attack(ADA, BOB)).refused(Refusal::ParticipantBanned);
    after.when(attack(BOB, ADA)).refused(Refusal::TargetInactive { target_id: ADA });
}

#[test]
fn works_on_who_has_left_or_lapsed() {
    let left = Event::ParticipantLeft(ParticipantLeft { participant_id: ADA });
    for away in [left, lapsed(ADA)] {
        given(and(duel(), [away])).when(remove("")).accepted();
    }
}

#[test]
fn works_once() {
    let after = given(duel()).when(remove("")).accepted();
    after.when(remove("")).refused(Refusal::TargetInactive { target_id: ADA });
}

#[test]
fn takes_a_short_reason() {
    given(duel()).when(remove(&"x".repeat(201))).invalid(["reason"]);
}

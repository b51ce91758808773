use uuid::Uuid;

use crate::battle::Status;
use crate::decide::Decision;
use crate::event::{BattleFinished, ParticipantLeft, ParticipantReturned, ParticipantsLapsed};
use crate::rules::LAPSED_PER_EVENT_MAX;
use crate::testing::*;
use crate::{Actor, Battle, Command, CommandContext, Event, ParticipantId, Recorded, Refusal, decide};

fn lapse(participant_ids: &[ParticipantId]) -> Command {
    Command::RecordLapse { participant_ids: participant_ids.to_vec() }
}

const BACK: Command = Command::RecordReturn { participant_id: ADA };

fn finished() -> Event {
    Event::BattleFinished(BattleFinished { finished_at: after_start(9) })
}

#[test]
fn protects_from_attacks_until_the_return() {
    let after = given(duel()).when(lapse(&[ADA])).then([lapsed(ADA)]);
    assert_eq!(after.battle.participant(ADA).unwrap().status(), Status::Lapsed);
    after.clone().when(attack(BOB, ADA)).refused(Refusal::TargetInactive { target_id: ADA });
    let returned = Event::ParticipantReturned(ParticipantReturned { participant_id: ADA });
    after.when(BACK).then([returned]).when(attack(BOB, ADA)).accepted();
}

#[test]
fn passes_over_whom_it_does_not_concern() {
    let left = Event::ParticipantLeft(ParticipantLeft { participant_id: BOB });
    given(and(duel(), [left])).when(lapse(&[ADA, BOB, EVE, ADA])).then([lapsed(ADA)]);
    given(and(duel(), [lapsed(ADA)])).when(lapse(&[ADA, EVE])).nothing();
    given(duel()).when(lapse(&[])).nothing();
    given(and(duel(), [finished()])).when(lapse(&[ADA])).nothing();
}

#[test]
fn of_very_many_takes_several_events() {
    let ids: Vec<_> =
        (1..=LAPSED_PER_EVENT_MAX as u128 + 1).map(|n| ParticipantId(Uuid::from_u128(n))).collect();
    let mut battle = Battle::default();
    let all = ids.iter().map(|&id| joined(id, &format!("p{}", id.0.as_u128()), balance(0, 0, 0)));
    for (revision, event) in (0..).zip(std::iter::once(created()).chain(all)) {
        let (event_id, time) = (Uuid::nil(), after_start(0));
        battle.evolve(&Recorded { revision, event_id, command_id: command_id(revision.into()), time, event });
    }
    let context =
        CommandContext { command_id: command_id(1 << 70), actor: Actor::System, received_at: after_start(0) };
    let decided = decide(battle_id(), &battle, &key(), &lapse(&ids), &context).unwrap();
    let chunk = |ids: &[ParticipantId]| {
        Event::ParticipantsLapsed(ParticipantsLapsed { participant_ids: ids.to_vec() })
    };
    let (first, rest) = ids.split_at(LAPSED_PER_EVENT_MAX);
    assert_eq!(decided, Decision::Append(vec![chunk(first), chunk(rest)]));
}

#[test]
fn that_is_not_there_needs_no_return() {
    given(duel()).when(BACK).nothing();
    given(and(duel(), [lapsed(ADA), finished()])).when(BACK).nothing();
    let nobody = Command::RecordReturn { participant_id: EVE };
    given(duel()).when(nobody).refused(Refusal::ParticipantUnknown { participant_id: EVE });
}

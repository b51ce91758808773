use crate::event::{BattleFinished, NameErased, ParticipantRemoved};
use crate::testing::*;
use crate::{Battle, Command, Event, SealedName, Username};

fn erase(reason: &str) -> Command {
    Command::EraseName { participant_id: ADA, reason: reason.to_owned() }
}

fn erased(was_sealed: bool) -> Event {
    Event::NameErased(NameErased { participant_id: ADA, number: 1, was_sealed, reason: "asked".to_owned() })
}

/// A name as it comes from the log, before it is read with its key.
fn sealed() -> Username {
    Username::erased(1).sealed_as(SealedName { number: 1, text: "c2VhbGVk".into() })
}

#[test]
fn shows_a_number_in_the_place_of_the_name() {
    let after = given(duel()).when(erase(" asked ")).then([erased(false)]);
    let ada = after.battle.participant(ADA).unwrap();
    assert_eq!((ada.username().as_str(), ada.erased_revision()), ("erased player 1", Some(4)));
    assert_eq!(after.battle.participant(BOB).unwrap().username().as_str(), "Bob");
    // Whoever was erased plays on, and the name is free.
    after.clone().when(attack(ADA, BOB)).accepted();
    after.clone().when(join(EVE, "ada")).accepted();
    let json = serde_json::to_string(&after.battle).unwrap();
    assert!(!json.contains("Ada"), "{json}");
    let restored: Battle = serde_json::from_str(&json).unwrap();
    assert_eq!(restored, after.battle);
}

#[test]
fn works_whatever_has_become_of_battle_and_participant() {
    let reason = String::new();
    let removed = Event::ParticipantRemoved(ParticipantRemoved { participant_id: ADA, reason });
    let finished = Event::BattleFinished(BattleFinished { finished_at: after_start(9) });
    for late in [removed, finished, lapsed(ADA)] {
        given(and(duel(), [late])).when(erase("asked")).then([erased(false)]);
    }
}

#[test]
fn repeats_its_answer_whoever_asks_again() {
    let after = given(duel()).with_id(7).when(erase("asked")).accepted();
    after.with_id(8).when(erase("and again")).repeats(4);
}

#[test]
fn says_whether_the_name_was_sealed() {
    let mut events = duel();
    let Some(Event::ParticipantJoined(joined)) = events.get_mut(1) else { panic!("not a join") };
    joined.username = sealed();
    given(events).when(erase("asked")).then([erased(true)]);
}

#[test]
fn a_reason_has_to_be_given() {
    given(duel()).when(erase(" ")).invalid(["reason"]);
    given(duel()).when(erase(&"x".repeat(201))).invalid(["reason"]);
}

#[test]
fn sealed_names_of_a_snapshot_are_read_with_their_keys_and_taken_again() {
    let mut battle = given(duel()).battle;
    battle.open_names(|_, _| panic!("no name is closed"));
    let mut events = duel();
    let Some(Event::ParticipantJoined(joined)) = events.get_mut(1) else { panic!("not a join") };
    joined.username = sealed();
    // Read back without a key.
    let mut closed = given(events).battle;
    assert!(!closed.is_taken(&Username::new("Ada").unwrap()));
    closed.open_names(|id, seal| (id == ADA && &*seal.text == "c2VhbGVk").then(|| "Ada".to_owned()));
    assert!(closed.is_taken(&Username::new("ada").unwrap()));
    assert_eq!(closed.participant(ADA).unwrap().username(), &sealed().opened("Ada"));
}

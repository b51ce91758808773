use crate::event::{BattleFinished, ParticipantRemoved};
use crate::testing::*;
use crate::{Event, Refusal};

fn taken(username: &str) -> Refusal {
    Refusal::UsernameTaken { username: username.to_owned() }
}

#[test]
fn gives_what_the_rules_give() {
    let after = given([created()]).when(join(ADA, " Ada ")).then([joined(ADA, "Ada", balance(3, 0, 1))]);
    let ada = after.battle.participant(ADA).unwrap();
    assert_eq!((ada.id(), ada.username().as_str(), ada.session_id()), (ADA, "Ada", session(ADA)));
    assert_eq!((ada.balance(), ada.reached_revision()), (balance(3, 0, 1), 1));
}

#[test]
fn is_possible_after_the_start_if_the_rules_say_so() {
    given([created(), started()]).when(join(ADA, "Ada")).accepted();
    let strict = created_with(|rules| rules.late_join = false);
    given([strict.clone()]).when(join(ADA, "Ada")).accepted();
    given([strict, started()]).when(join(ADA, "Ada")).refused(Refusal::JoinClosed);
}

#[test]
fn needs_a_name_that_is_free_in_every_spelling() {
    let street = joined(ADA, "Straße", balance(0, 0, 0));
    for same in ["Straße", "STRASSE", "ｓｔｒａｓｓｅ", " straße "] {
        given([created(), street.clone()]).when(join(BOB, same)).refused(taken(same.trim()));
    }
    given([created(), street]).when(join(BOB, "Strase")).accepted();
}

#[test]
fn does_not_free_the_name_of_who_was_removed() {
    let removed =
        Event::ParticipantRemoved(ParticipantRemoved { participant_id: ADA, reason: String::new() });
    given(and(duel(), [removed])).when(join(EVE, "ADA")).refused(taken("ADA"));
}

#[test]
fn needs_a_name_that_can_be_read() {
    for bad in ["", "   ", "a\u{202e}b", &"x".repeat(51)] {
        given([created()]).when(join(ADA, bad)).invalid(["username"]);
    }
}

#[test]
fn stops_when_the_battle_is_full() {
    let small = created_with(|rules| rules.participants_max = 1);
    let one = given([small]).when(join(ADA, "Ada")).accepted();
    one.when(join(BOB, "Bob")).refused(Refusal::BattleFull { participants_max: 1 });
}

#[test]
fn stops_when_the_battle_is_over() {
    let finished = Event::BattleFinished(BattleFinished { finished_at: after_start(9) });
    given(and(duel(), [finished])).when(join(EVE, "Eve")).refused(Refusal::BattleFinished);
}

#[test]
fn never_takes_over_a_participant_that_is_there() {
    given(duel()).when(join(ADA, "Somebody else")).refused(Refusal::CommandIdReused);
}

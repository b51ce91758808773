use crate::Event;
use crate::event::{AttackLanded, ParticipantReturned};
use crate::testing::*;

#[test]
fn takes_a_point_from_a_target_without_a_shield() {
    let after = given(duel()).when(attack(ADA, BOB)).then([Event::AttackLanded(AttackLanded {
        attacker_id: ADA,
        target_id: BOB,
        blocked: false,
        points_deducted: 1,
        attacker_balance: balance(3, 1, 1),
        target_balance: balance(1, 0, 1),
    })]);
    assert_eq!(after.battle.participant(ADA).unwrap().balance(), balance(3, 1, 1));
    assert_eq!(after.battle.participant(BOB).unwrap().balance(), balance(1, 0, 1));
}

#[test]
fn is_absorbed_by_a_shield() {
    let after = given(duel()).when(attack(BOB, ADA)).then([Event::AttackLanded(AttackLanded {
        attacker_id: BOB,
        target_id: ADA,
        blocked: true,
        points_deducted: 0,
        attacker_balance: balance(2, 0, 0),
        target_balance: balance(3, 0, 2),
    })]);
    assert_eq!(after.battle.participant(ADA).unwrap().balance(), balance(3, 0, 2));
}

#[test]
fn takes_as_many_points_as_the_rules_say_but_no_more_than_there_are() {
    let fierce = created_with(|rules| rules.points_per_attack = 5);
    let (ada, bob) = (joined(ADA, "Ada", balance(0, 0, 2)), joined(BOB, "Bob", balance(7, 0, 0)));
    let once = given([fierce, ada, bob, started()]).when(attack(ADA, BOB)).accepted();
    assert_eq!(once.battle.participant(BOB).unwrap().balance().points, 2);
    let Event::AttackLanded(second) = once.when(attack(ADA, BOB)).event() else { panic!("no attack") };
    assert_eq!((second.points_deducted, second.target_balance.points), (2, 0));
}

#[test]
fn of_a_lapsed_participant_brings_it_back_first() {
    let back = Event::ParticipantReturned(ParticipantReturned { participant_id: ADA });
    let after = given(and(duel(), [lapsed(ADA)])).with_id(5).when(attack(ADA, BOB)).then([
        back,
        Event::AttackLanded(AttackLanded {
            attacker_id: ADA,
            target_id: BOB,
            blocked: false,
            points_deducted: 1,
            attacker_balance: balance(3, 1, 1),
            target_balance: balance(1, 0, 1),
        }),
    ]);
    // It is active again, and the repeat finds the attack and not the return.
    after.clone().when(attack(BOB, ADA)).accepted();
    after.with_id(5).when(attack(ADA, BOB)).repeats(6);
}

#[test]
fn moves_the_target_behind_whoever_reached_the_same_score_before() {
    let eve = joined(EVE, "Eve", balance(1, 0, 0));
    let after = given([
        created(),
        joined(ADA, "Ada", balance(1, 0, 9)),
        joined(BOB, "Bob", balance(2, 0, 0)),
        eve,
        started(),
    ])
    .when(attack(ADA, BOB))
    .accepted();
    let order: Vec<_> = after.battle.standings().iter().map(|participant| participant.id()).collect();
    assert_eq!(order, [ADA, EVE, BOB]);
    assert_eq!(after.battle.participant(BOB).unwrap().reached_revision(), 5);
}

#[test]
fn that_is_absorbed_leaves_the_target_in_its_place() {
    let after = given(duel()).when(attack(BOB, ADA)).accepted();
    assert_eq!(after.battle.participant(ADA).unwrap().reached_revision(), 1);
}

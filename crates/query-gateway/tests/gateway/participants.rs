//! GetParticipant and ListAttacks: what is private stays so.

use nimaora_api::v1::{Balance, GetParticipantRequest, ListAttacksRequest};
use nimaora_read_models::TableBatch;
use nimaora_read_models::contract::{battle, participant, story};
use tonic::{Code, Request};

use crate::house::{House, battle_id, fields, player_id, reason, with_token};

/// Asks for the second player.
fn asked() -> GetParticipantRequest {
    GetParticipantRequest {
        battle_id: battle_id(),
        participant_id: player_id(2),
        ..GetParticipantRequest::default()
    }
}

fn attacks_on(n: u128) -> ListAttacksRequest {
    ListAttacksRequest {
        battle_id: battle_id(),
        participant_id: player_id(n),
        ..ListAttacksRequest::default()
    }
}

#[tokio::test]
async fn shields_arrows_and_activity_are_for_oneself_and_admins() {
    let house = House::new().await;
    let requests = [
        (Request::new(asked()), false),
        (with_token(&house.own(1), asked()), false),
        (with_token(&house.player(battle(2), participant(2), story::session(2)), asked()), false),
        (with_token(&house.own(2), asked()), true),
        (with_token(&house.admin(), asked()), true),
    ];
    for (request, private) in requests {
        let answer = house.client().get_participant(request).await.unwrap().into_inner();
        assert_eq!(answer.as_of, 10);
        let participant = answer.participant.unwrap();
        assert_eq!(participant.username, "player 2");
        assert_eq!(participant.battle_id, battle_id());
        assert_eq!(participant.active, private);
        let shown = if private {
            Balance { points: 2, shields: 3, arrows: 4 }
        } else {
            Balance { points: 2, shields: 0, arrows: 0 }
        };
        assert_eq!(participant.balance, Some(shown));
    }
}

#[tokio::test]
async fn a_session_that_was_replaced_reads_nothing_private() {
    let house = House::new().await;
    let old = house.player(battle(1), participant(2), story::session(1));
    let refused = house.client().get_participant(with_token(&old, asked())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "SESSION_REPLACED"));
    let refused = house.client().list_attacks(with_token(&old, attacks_on(2))).await.unwrap_err();
    assert_eq!(reason(&refused), "SESSION_REPLACED");
    // The tables have not heard of the newest session yet.
    let newer = house.player(battle(1), participant(2), story::session(3));
    let answer = house.client().get_participant(with_token(&newer, asked())).await.unwrap().into_inner();
    assert_eq!(answer.participant.unwrap().balance.unwrap().shields, 3);
}

#[tokio::test]
async fn a_bad_token_is_refused_with_its_reason() {
    let house = House::new().await;
    let own = house.own(2);
    house.clock.advance(60_000);
    let refused = house.client().get_participant(with_token(&own, asked())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"));
    let mut request = Request::new(asked());
    request.metadata_mut().insert("authorization", "Basic c2FyYTpzZWNyZXQ=".parse().unwrap());
    let refused = house.client().get_participant(request).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let house = House::new().await;
    let nobody = GetParticipantRequest { participant_id: player_id(9), ..asked() };
    let refused = house.client().get_participant(nobody).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "PARTICIPANT_UNKNOWN"));
    let nowhere = GetParticipantRequest { battle_id: battle(2).to_string(), ..asked() };
    let refused = house.client().get_participant(nowhere).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "BATTLE_UNKNOWN"));
    let malformed = GetParticipantRequest { participant_id: "2".to_owned(), ..asked() };
    let refused = house.client().get_participant(malformed).await.unwrap_err();
    assert_eq!(fields(&refused), ["participant_id"]);
}

#[tokio::test]
async fn the_attacked_read_what_they_missed_in_order() {
    let house = House::new().await;
    let attacks = vec![
        story::attack(battle(1), 11, 1, 2),
        story::attack(battle(1), 12, 3, 2),
        story::attack(battle(1), 13, 2, 3),
        story::attack(battle(1), 14, 1, 2),
    ];
    story::apply(&*house.tables, TableBatch { attacks, ..story::batch(14) }).await.unwrap();
    let request = ListAttacksRequest { page_size: 2, ..attacks_on(2) };
    let first = house.client().list_attacks(with_token(&house.own(2), request.clone())).await.unwrap();
    let first = first.into_inner();
    assert_eq!(first.as_of, 14);
    let told: Vec<_> = first.attacks.iter().map(|a| (a.position, a.attacker.as_str(), a.blocked)).collect();
    assert_eq!(told, [(11, "player 1", false), (12, "player 3", true)]);
    assert_eq!(first.attacks[0].attacker_id, player_id(1));
    assert_eq!(first.attacks[0].points_lost, 1);

    let rest = ListAttacksRequest { after_position: 12, ..request };
    let rest = house.client().list_attacks(with_token(&house.admin(), rest)).await.unwrap().into_inner();
    assert_eq!(rest.attacks.iter().map(|a| a.position).collect::<Vec<_>>(), [14]);
}

#[tokio::test]
async fn attacks_are_nobody_elses_business() {
    let house = House::new().await;
    let refused = house.client().list_attacks(attacks_on(2)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
    let of_another_battle = house.player(battle(2), participant(2), story::session(2));
    for foreign in [house.own(1), of_another_battle] {
        let refused = house.client().list_attacks(with_token(&foreign, attacks_on(2))).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "NOT_ALLOWED"));
    }
    let too_many = ListAttacksRequest { page_size: 1_001, ..attacks_on(2) };
    let refused = house.client().list_attacks(with_token(&house.own(2), too_many)).await.unwrap_err();
    assert_eq!(fields(&refused), ["page_size"]);
}

//! Nobody acts as somebody else.

use nimaora_api::v1;
use nimaora_sessions::Role;
use tonic::{Code, Request};

use crate::support::{Server, admin, bearer, foreign_token, id, refused};

#[tokio::test]
async fn a_players_call_needs_the_players_token() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = || v1::AttackRequest { command_id: id(), target_id: duel.bob.participant_id.clone() };
    let attack = |request: Request<v1::AttackRequest>| {
        let mut client = server.client.clone();
        async move { client.attack(request).await }
    };
    let code = Code::Unauthenticated;
    refused(attack(Request::new(request())).await, code, "TOKEN_MISSING");
    refused(attack(bearer(request(), "x")).await, code, "TOKEN_MALFORMED");
    let role = Role::Participant {
        battle_id: duel.battle_id.parse().unwrap(),
        participant_id: duel.ann.participant_id.parse().unwrap(),
        session_id: id().parse().unwrap(),
    };
    refused(attack(bearer(request(), &foreign_token(role))).await, code, "TOKEN_FORGED");
    refused(attack(admin(request())).await, Code::PermissionDenied, "PARTICIPANT_REQUIRED");
    server.clock.advance(24 * 60 * 60 * 1_000);
    refused(attack(bearer(request(), &duel.ann.token)).await, code, "TOKEN_EXPIRED");
    assert_eq!(server.events().await.len(), 4);
}

#[tokio::test]
async fn an_admins_call_needs_the_admins_token() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = || v1::FinishBattleRequest { command_id: id(), battle_id: duel.battle_id.clone() };
    let mut client = server.client.clone();
    let by_player = client.finish_battle(bearer(request(), &duel.ann.token)).await;
    refused(by_player, Code::PermissionDenied, "ADMIN_REQUIRED");
    refused(client.finish_battle(Request::new(request())).await, Code::Unauthenticated, "TOKEN_MISSING");
    let forged = bearer(request(), &foreign_token(Role::Admin));
    refused(client.finish_battle(forged).await, Code::Unauthenticated, "TOKEN_FORGED");
    client.finish_battle(admin(request())).await.unwrap();
}

#[tokio::test]
async fn a_token_is_for_its_battle_and_participant_only() {
    let server = Server::start().await;
    let (one, two) = (server.duel().await, server.duel().await);
    let attack = server.attack(&one.ann.token, &two.bob.participant_id).await;
    refused(attack, Code::NotFound, "PARTICIPANT_UNKNOWN");
}

#[tokio::test]
async fn a_new_session_replaces_the_old_one() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let request = bearer(v1::ReplaceSessionRequest { command_id: id() }, &duel.ann.token);
    let replaced = server.client.clone().replace_session(request).await.unwrap().into_inner();
    let old = server.attack(&duel.ann.token, &duel.bob.participant_id).await;
    refused(old, Code::Unauthenticated, "SESSION_REPLACED");
    server.attack(&replaced.token, &duel.bob.participant_id).await.unwrap();
}

//! What a client is told when it does something that it may not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use fastwebsockets::{Frame, OpCode, Payload};
use nimaora_realtime::Config;
use serde_json::json;
use support::client::{
    Client, Event, Next, authorise, get, handshake_status, in_time, open, post, upgrade_status,
};
use support::{Arena, KEY, config};

async fn refused(client: &mut Client, data: serde_json::Value) -> Event {
    client.say("pusher:subscribe", data).await;
    let event = client.event().await;
    assert_eq!(event.name, "pusher:subscription_error");
    event
}

#[tokio::test]
async fn a_wrong_address_is_closed_with_the_protocols_own_codes() {
    let arena = Arena::start(config()).await;
    for (path, code) in [
        ("/app/other-key?protocol=7".to_owned(), 4001),
        ("/app?protocol=7".to_owned(), 4005),
        (format!("/app/{KEY}/more?protocol=7"), 4005),
        (format!("/app/{KEY}?protocol=seven"), 4006),
        (format!("/app/{KEY}?protocol=4"), 4007),
        (format!("/app/{KEY}?protocol=8"), 4007),
        (format!("/app/{KEY}"), 4008),
    ] {
        let mut client = Client::of(open(&arena, &path).await);
        let error = client.event().await;
        assert_eq!((error.name.as_str(), &error.data["code"]), ("pusher:error", &json!(code)), "{path}");
        assert_eq!(client.next().await, Next::Closed(code), "{path}");
    }
    for version in 5..=7 {
        let mut client = Client::of(open(&arena, &format!("/app/{KEY}?protocol={version}")).await);
        assert_eq!(client.event().await.name, "pusher:connection_established");
    }
}

#[tokio::test]
async fn plain_http_is_answered_as_such() {
    let arena = Arena::start(config()).await;
    assert_eq!(get(&arena, "/app/websocket-health").await.0, 200);
    let path = format!("/app/{KEY}?protocol=7");
    assert_eq!(get(&arena, &path).await.0, 426);
    // The key of a handshake is 16 bytes in base64.
    for key in ["", "x", "==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ=="] {
        assert_eq!(handshake_status(&arena, &path, key).await, 400, "'{key}'");
    }
    assert_eq!(handshake_status(&arena, &path, "dGhlIHNhbXBsZSBub25jZQ==").await, 101);
}

#[tokio::test]
async fn what_is_no_upgrade_takes_nobodys_turn() {
    // One newcomer a second, and none waits.
    let pace = Config { handshakes_per_second_max: 1, handshake_delay_max_ms: 0, ..config() };
    let arena = Arena::start(pace).await;
    let path = format!("/app/{KEY}?protocol=7");
    for _ in 0..30 {
        assert_eq!(get(&arena, &path).await.0, 426);
        assert_eq!(handshake_status(&arena, &path, "x").await, 400);
    }
    Client::connect(&arena).await;
}

#[tokio::test]
async fn a_full_node_asks_to_come_again() {
    let arena = Arena::start(Config { sockets_max: 2, ..config() }).await;
    let first = Client::connect(&arena).await;
    let _second = Client::connect(&arena).await;
    assert_eq!(arena.realtime.sockets(), 2);
    let path = format!("/app/{KEY}?protocol=7");
    let mut third = Client::of(open(&arena, &path).await);
    assert_eq!(third.event().await.data["code"], 4100);
    assert_eq!(third.next().await, Next::Closed(4100));

    drop(first);
    in_time(async {
        while arena.realtime.connections() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    Client::connect(&arena).await;
}

#[tokio::test]
async fn who_is_being_closed_or_refused_counts_until_it_is_gone() {
    let config = Config { sockets_max: 1, refused_sockets_max: 1, close_timeout_ms: 1_000_000, ..config() };
    let arena = Arena::start(config).await;
    let mut closed = Client::connect(&arena).await;
    closed.send(Frame::binary(Payload::Owned(b"hi".to_vec()))).await;
    assert_eq!(closed.next().await, Next::Closed(1003));
    // It was closed and does not go.
    let path = format!("/app/{KEY}?protocol=7");
    let mut refused = Client::of(open(&arena, &path).await);
    assert_eq!(refused.event().await.data["code"], 4100);
    assert_eq!(refused.next().await, Next::Closed(4100));
    // Nor does this one, and there is room for one such only.
    for path in [path.as_str(), "/app/other-key?protocol=7"] {
        assert_eq!(upgrade_status(&arena, path).await, 503, "{path}");
    }
    assert_eq!(arena.realtime.connections(), 2);

    drop((closed, refused));
    in_time(async {
        while arena.realtime.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    Client::connect(&arena).await;
}

#[tokio::test]
async fn what_is_not_understood_is_named_and_the_socket_lives_on() {
    let arena = Arena::start(config()).await;
    let mut client = Client::connect(&arena).await;
    for (text, code) in [
        ("hello", json!(null)),
        ("{}", json!(null)),
        (r#"{"event":"pusher:subscribe","data":{}}"#, json!(null)),
        (r#"{"event":"pusher:signin","data":{}}"#, json!(null)),
        (r#"{"event":"client-typing","channel":"private-x","data":{}}"#, json!(4009)),
    ] {
        client.send_text(text).await;
        let error = client.event().await;
        assert_eq!((error.name.as_str(), &error.data["code"]), ("pusher:error", &code), "{text}");
    }
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_socket() {
    let arena = Arena::start(Config { message_bytes_max: 1_000, ..config() }).await;
    let big = vec![b' '; 1_001];
    for (frame, code) in [
        (Frame::binary(Payload::Owned(b"hi".to_vec())), 1003),
        (Frame::new(true, OpCode::Text, None, Payload::Owned(b"\xc3\x28".to_vec())), 1007),
        (Frame::text(Payload::Owned(big)), 1009),
        (Frame::new(true, OpCode::Continuation, None, Payload::Owned(b"x".to_vec())), 1002),
        (Frame::close(1000, b"bye"), 1000),
    ] {
        let mut client = Client::connect(&arena).await;
        client.send(frame).await;
        assert_eq!(client.next().await, Next::Closed(code));
    }
}

#[tokio::test]
async fn channels_that_are_not_served_are_refused_by_name() {
    let arena = Arena::start(Config { channels_per_socket_max: 1, ..config() }).await;
    let battle = arena.create_battle().await;
    let mut client = Client::connect(&arena).await;
    for (channel, status) in [
        ("presence-battle.1".to_owned(), 404),
        ("cache/board".to_owned(), 404),
        ("private-encrypted-x".to_owned(), 401),
        ("#server-to-user-1".to_owned(), 403),
        ("no name".to_owned(), 404),
        (format!("battle.{}", uuid::Uuid::from_u128(1)), 404),
    ] {
        let error = refused(&mut client, json!({ "channel": channel })).await;
        assert_eq!(error.channel.as_deref(), Some(channel.as_str()));
        assert_eq!(error.data["status"], status, "{channel}");
    }
    client.subscribe(&format!("battle.{battle}")).await;
    client.event_named("leaderboard.updated").await;
    let other = arena.create_battle().await;
    let error = refused(&mut client, json!({ "channel": format!("battle.{other}") })).await;
    assert_eq!(error.data["status"], 429);
}

#[tokio::test]
async fn nobody_listens_to_a_channel_without_its_own_signature() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let mut client = Client::connect(&arena).await;
    let mut other = Client::connect(&arena).await;

    let missing = refused(&mut client, json!({ "channel": ada.channel() })).await;
    assert_eq!((&missing.data["type"], &missing.data["status"]), (&json!("AuthError"), &json!(401)));

    let token = arena.token(&ada);
    let (_, signature) = authorise(&arena, Some(&token), &client.socket_id, &ada.channel()).await;
    let with = |channel: String, data: &serde_json::Value| json!({ "channel": channel, "auth": signature["auth"], "channel_data": data });
    let data = &signature["channel_data"];
    let foreign =
        json!(data.as_str().unwrap().replace(&ada.session_id.to_string(), &bob.session_id.to_string()));
    assert_eq!(refused(&mut other, with(ada.channel(), data)).await.data["status"], 401);
    for wish in [
        with(bob.channel(), data),
        with(ada.channel(), &foreign),
        json!({ "channel": ada.channel(), "auth": signature["auth"] }),
    ] {
        assert_eq!(refused(&mut client, wish).await.data["status"], 401);
    }
    client.say("pusher:subscribe", with(ada.channel(), data)).await;
    client.confirmed(&ada.channel()).await;
}

#[tokio::test]
async fn a_signature_is_worth_nothing_after_the_session_was_replaced() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    let (_, signature) = authorise(&arena, Some(&arena.token(&ada)), &client.socket_id, &ada.channel()).await;
    arena.replace_session(&ada).await;
    let mut wish = signature;
    wish["channel"] = ada.channel().into();
    assert_eq!(refused(&mut client, wish).await.data["status"], 403);
}

#[tokio::test]
async fn only_a_players_own_channel_is_signed() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let bob = arena.join(battle, "bob").await;
    let token = arena.token(&ada);
    let public = format!("battle.{battle}");
    for (token, socket_id, channel, status) in [
        (None, "1.1", ada.channel(), 401),
        (Some("forged"), "1.1", ada.channel(), 401),
        (Some(token.as_str()), "1.1", bob.channel(), 403),
        (Some(token.as_str()), "1.1", public, 403),
        (Some(token.as_str()), "1.1", "presence-battle.1".to_owned(), 403),
        (Some(&arena.admin_token()), "1.1", ada.channel(), 403),
        (Some(token.as_str()), "one", ada.channel(), 400),
        (Some(token.as_str()), "1.1", ada.channel(), 200),
    ] {
        let (got, body) = authorise(&arena, token, socket_id, &channel).await;
        assert_eq!(got, status, "{channel}: {body}");
        assert_eq!(body["error"].is_string(), status != 200, "{body}");
    }
    let json = json!({ "socket_id": "1.1", "channel_name": ada.channel() }).to_string();
    let (status, body) = post(&arena, "/pusher/auth", Some(&token), "application/json", json).await;
    assert_eq!(status, 200, "{body}");
    assert!(body["auth"].as_str().unwrap().starts_with("test-key:"), "{body}");

    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let (status, body) =
            post(&arena, "/pusher/auth", Some(&token), content_type, "x".repeat(10_000)).await;
        assert_eq!((status, &body["error"]), (413, &json!("the body is larger than 8192 bytes")));
    }

    arena.replace_session(&ada).await;
    assert_eq!(authorise(&arena, Some(&token), "1.1", &ada.channel()).await.0, 403);
}

//! The HTTP API, as the application's own servers use it and as others try to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::{Client, Next, api, get, open, post, sign_api};
use support::{Arena, KEY, config};

const EVENTS: &str = "/apps/1/events";

fn event(channels: &[&str]) -> Value {
    json!({ "name": "news", "channels": channels, "data": "{}" })
}

#[tokio::test]
async fn only_what_the_application_signed_now_is_done_and_only_once() {
    const JSON: &str = "application/json";
    let arena = Arena::start(config()).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe("news").await;
    let body = event(&["news"]).to_string();
    let signed = sign_api("POST", EVENTS, &[], &body, arena.now_ms());
    let old = sign_api("POST", EVENTS, &[], &body, arena.now_ms() - 601_000);
    let ahead = sign_api("POST", EVENTS, &[], &body, arena.now_ms() + 601_000);
    let other_path = signed.replace("events", "batch_events");
    let no_digest = sign_api("POST", EVENTS, &[], "", arena.now_ms());
    let wrong_key = signed.replace(KEY, "another");
    for path in [EVENTS, &old, &ahead, &other_path, &no_digest, &wrong_key] {
        let (status, why) = post(&arena, path, None, JSON, body.clone()).await;
        assert_eq!(status, 401, "{path}: {why}");
    }
    let altered = body.replace("news", "nows");
    assert_eq!(post(&arena, &signed, None, JSON, altered).await.0, 401);
    let elsewhere = sign_api("POST", "/apps/other/events", &[], &body, arena.now_ms());
    assert_eq!(post(&arena, &elsewhere, None, JSON, body.clone()).await.0, 404);

    // A library sends the same once more when it got no answer; who kept it may not.
    for _ in 0..2 {
        assert_eq!(post(&arena, &signed, None, JSON, body.clone()).await.0, 200);
        assert_eq!(client.event().await.name, "news");
    }
    arena.pass_time_ms(6_000);
    let (status, why) = post(&arena, &signed, None, JSON, body).await;
    assert_eq!((status, why), (401, json!("this request was sent before; sign it anew")));
    client.say("pusher:ping", json!({})).await;
    assert_eq!(client.event().await.name, "pusher:pong");
}

#[tokio::test]
async fn wrong_events_are_refused_whole() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let (many, long) = (vec!["a"; 101], "x".repeat(201));
    let own = format!("presence-battle.{battle}");
    let wrong_socket = json!({ "name": "n", "channels": ["a"], "data": "", "socket_id": "x" });
    let large = json!({ "name": "n", "channels": ["a"], "data": "x".repeat(10_241) });
    for (body, expected) in [
        (json!({}), 400),
        (event(&[]), 400),
        (event(&many), 400),
        (event(&["a b"]), 400),
        (event(&[&long]), 400),
        (json!({ "name": long, "channels": ["a"], "data": "" }), 400),
        (json!({ "name": "n", "channels": ["a"], "data": {} }), 400),
        (wrong_socket, 400),
        (event(&[&own]), 403),
        (event(&[&format!("battle.{battle}")]), 403),
        (large, 413),
        (json!({ "name": "n", "channels": ["a"], "data": "x".repeat(300_000) }), 413),
    ] {
        let (status, why) = api(&arena, EVENTS, Some(&body)).await;
        assert_eq!(status, expected, "{why}");
    }
    let mut client = Client::connect(&arena).await;
    client.subscribe("a").await;
    let good = json!({ "name": "n", "channel": "a", "data": "" });
    let bad = json!({ "name": "", "channel": "a", "data": "" });
    let batch = json!({ "batch": [good, bad] });
    assert_eq!(api(&arena, "/apps/1/batch_events", Some(&batch)).await.0, 400);
    assert_eq!(api(&arena, "/apps/1/batch_events", Some(&json!({ "batch": vec![&good; 11] }))).await.0, 400);
    let batch = json!({ "batch": [&good, { "name": "m", "channel": "a", "data": "", "info": "subscription_count" }] });
    let answer = api(&arena, "/apps/1/batch_events", Some(&batch)).await;
    assert_eq!(answer, (200, json!({ "batch": [{}, { "subscription_count": 1 }] })));
    assert_eq!(client.event().await.name, "n");
    assert_eq!(client.event().await.name, "m");
}

#[tokio::test]
async fn who_is_where_is_told_of_all_nodes() {
    let arena = Arena::start(config()).await;
    let other = arena.another_node(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let (mut one, mut two) = (Client::connect(&arena).await, Client::connect(&other).await);
    for (client, id) in [(&mut one, r#"{"user_id":"1"}"#), (&mut two, r#"{"user_id":"2"}"#)] {
        client.subscribe("news").await;
        client.subscribe_signed("presence-room", Some(id)).await;
    }
    one.event_named("pusher_internal:member_added").await;
    one.listen(&arena, &ada).await;

    for node in [&arena, &other] {
        let (status, answer) = api(node, "/apps/1/channels?info=subscription_count", None).await;
        assert_eq!(status, 200, "{answer}");
        let channels = &answer["channels"];
        assert_eq!(channels["news"], json!({ "subscription_count": 2 }));
        assert_eq!(channels["presence-room"], json!({ "subscription_count": 2 }));
        assert_eq!(channels[ada.channel()], json!({ "subscription_count": 1 }));
        let path = "/apps/1/channels?filter_by_prefix=presence-&info=user_count";
        let expected = json!({ "channels": { "presence-room": { "user_count": 2 } } });
        assert_eq!(api(node, path, None).await, (200, expected));
        let path = "/apps/1/channels/presence-room?info=user_count,subscription_count";
        let expected = json!({ "occupied": true, "user_count": 2, "subscription_count": 2 });
        assert_eq!(api(node, path, None).await, (200, expected));
        let own = format!("/apps/1/channels/{}?info=subscription_count", ada.channel());
        assert_eq!(api(node, &own, None).await, (200, json!({ "occupied": true, "subscription_count": 1 })));
        let expected = json!({ "channels": { ada.channel(): {} } });
        let path = "/apps/1/channels?filter_by_prefix=private-participant.0";
        assert_eq!(api(node, path, None).await, (200, expected));
        let empty = api(node, "/apps/1/channels/nobody", None).await;
        assert_eq!(empty, (200, json!({ "occupied": false })));
        let users = api(node, "/apps/1/channels/presence-room/users", None).await;
        assert_eq!(users, (200, json!({ "users": [{ "id": "1" }, { "id": "2" }] })));
        assert_eq!(api(node, "/apps/1/connections", None).await, (200, json!({ "connections": 2 })));
    }
    for path in [
        "/apps/1/channels?info=user_count",
        "/apps/1/channels/news?info=user_count",
        "/apps/1/channels/news/users",
    ] {
        assert_eq!(api(&arena, path, None).await.0, 400, "{path}");
    }
    assert_eq!(get(&arena, "/apps/1/channels").await.0, 401);
    assert_eq!(get(&arena, "/up").await, (200, json!({ "health": "OK" })));
}

#[tokio::test]
async fn a_page_of_another_origin_is_closed_and_a_program_is_not() {
    let origins = vec!["https://example.com".to_owned()];
    let arena = Arena::start(Config { allowed_origins: origins, ..config() }).await;
    Client::connect(&arena).await;
    let path = format!("/app/{KEY}?protocol=7");
    let mut client = Client::of(support::client::open_from(&arena, &path, "https://evil.net").await);
    assert_eq!(client.event().await.data["code"], 4009);
    assert_eq!(client.next().await, Next::Closed(4009));
    let mut client = Client::of(support::client::open_from(&arena, &path, "https://example.com").await);
    assert_eq!(client.event().await.name, "pusher:connection_established");
    drop(open(&arena, &path).await);
}

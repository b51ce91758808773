//! What the application's own server is told of what happens, by whichever node.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use nimaora_realtime::{Config, Webhook, WebhookEvent};
use serde_json::{Value, json};
use sha2::Sha256;
use support::client::{Client, acquaint, api, in_time};
use support::{Arena, KEY, SECRET, config};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The application's server: it answers each request as it is told to, and hands on what it got.
async fn receiver_that(
    answer: impl Fn(&Bytes) -> StatusCode + Clone + Send + Sync + 'static,
) -> (String, mpsc::Receiver<Bytes>) {
    let (took, taken) = mpsc::channel(1_000);
    let take = move |headers: HeaderMap, body: Bytes| {
        let (took, answer) = (took.clone(), answer.clone());
        async move {
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(&body);
            assert_eq!(headers["x-pusher-signature"], hex::encode(mac.finalize().into_bytes()));
            assert_eq!(headers["x-pusher-key"], KEY);
            let status = answer(&body);
            took.send(body).await.unwrap();
            status
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let routes = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, taken)
}

/// It refuses the first request, and takes all others.
async fn receiver() -> (String, mpsc::Receiver<Bytes>) {
    let is_first = Arc::new(AtomicBool::new(true));
    receiver_that(move |_| match is_first.swap(false, Ordering::Relaxed) {
        true => StatusCode::BAD_GATEWAY,
        false => StatusCode::OK,
    })
    .await
}

fn with(webhooks: Vec<Webhook>) -> Config {
    Config { webhooks, presence_grace_ms: 1, ..config() }
}

/// `name channel user` of the next events, each as often as it was told, until there are so many.
async fn told(taken: &mut mpsc::Receiver<Bytes>, events: usize) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    while told.values().sum::<usize>() < events {
        read(&in_time(taken.recv()).await.unwrap(), &mut told);
    }
    told
}

fn read(body: &[u8], told: &mut BTreeMap<String, usize>) {
    let body: Value = serde_json::from_slice(body).unwrap();
    assert!(body["time_ms"].is_i64());
    for event in body["events"].as_array().unwrap() {
        let part = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
        let line = format!("{} {} {}", part("name"), part("channel"), part("user_id"));
        *told.entry(line).or_default() += 1;
    }
}

fn lines(lines: &[&str]) -> BTreeMap<String, usize> {
    lines.iter().map(|line| ((*line).to_owned(), 1)).collect()
}

#[tokio::test]
async fn each_thing_that_happens_is_told_once_by_one_of_two_nodes() {
    let (url, mut taken) = receiver().await;
    let webhooks = vec![Webhook { url, events: Vec::new() }];
    let arena = Arena::start(with(webhooks.clone())).await;
    let other = arena.another_node(with(webhooks)).await;
    let (mut ada, mut bob) = (Client::connect(&arena).await, Client::connect(&other).await);
    ada.subscribe_signed("presence-room", Some(r#"{"user_id":"1"}"#)).await;
    // The first request was refused and comes again, the same.
    let first = in_time(taken.recv()).await.unwrap();
    let again = in_time(taken.recv()).await.unwrap();
    assert_eq!(first, again);
    // Whatever a node has said before it answers is known to the one that asked.
    assert_eq!(api(&other, "/apps/1/channels", None).await.0, 200);

    bob.subscribe_signed("presence-room", Some(r#"{"user_id":"2"}"#)).await;
    ada.event_named("pusher_internal:member_added").await;
    bob.tell("client-hi", "presence-room", json!({})).await;
    ada.event_named("client-hi").await;
    ada.subscribe("cache-x").await;
    let mut all = BTreeMap::new();
    read(&again, &mut all);
    all.extend(told(&mut taken, 6 - all.len()).await);
    let expected = lines(&[
        "channel_occupied presence-room -",
        "member_added presence-room 1",
        "member_added presence-room 2",
        "client_event presence-room 2",
        "channel_occupied cache-x -",
        "cache_miss cache-x -",
    ]);
    assert_eq!(all, expected);
    drop((ada, bob));
    let expected = lines(&[
        "member_removed presence-room 1",
        "member_removed presence-room 2",
        "channel_vacated presence-room -",
        "channel_vacated cache-x -",
    ]);
    assert_eq!(told(&mut taken, 4).await, expected);
}

#[tokio::test]
async fn who_wants_some_is_told_of_no_others() {
    let (url, mut taken) = receiver().await;
    let events = vec![WebhookEvent::CacheMiss];
    let arena = Arena::start(with(vec![Webhook { url, events }])).await;
    let mut ada = Client::connect(&arena).await;
    ada.subscribe_signed("presence-room", Some(r#"{"user_id":"1"}"#)).await;
    ada.subscribe("cache-x").await;
    for _ in 0..2 {
        assert_eq!(told(&mut taken, 1).await, lines(&["cache_miss cache-x -"]));
    }
}

#[tokio::test]
async fn battles_own_channels_are_told_of_as_any_others() {
    let (url, mut taken) = receiver().await;
    let webhooks = vec![Webhook { url, events: Vec::new() }];
    let arena = Arena::start(with(webhooks.clone())).await;
    let other = arena.another_node(with(webhooks)).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let mut viewer = Client::connect(&arena).await;
    viewer.subscribe(&format!("battle.{battle}")).await;
    let mut at_arena = Client::connect(&arena).await;
    at_arena.subscribe(&format!("attacks.battle.{battle}")).await;
    at_arena.listen(&arena, &ada).await;
    at_arena.attend(&arena, &ada).await;
    let (board, attacks) = (format!("battle.{battle}"), format!("attacks.battle.{battle}"));
    let (presence, own) = (format!("presence-battle.{battle}"), ada.channel());
    let occupied = [&board, &attacks, &presence, &own].map(|channel| format!("channel_occupied {channel} -"));
    let mut expected: BTreeMap<_, _> = occupied.into_iter().map(|line| (line, 1)).collect();
    expected.insert(format!("member_added {presence} {}", ada.id), 1);
    // The first request was refused and comes again, the same.
    in_time(taken.recv()).await.unwrap();
    assert_eq!(told(&mut taken, 5).await, expected);

    // The same channels on the other node are nothing new; one more member is.
    acquaint(&other, 2).await;
    let (mut another_viewer, mut at_other) = (Client::connect(&other).await, Client::connect(&other).await);
    another_viewer.subscribe(&board).await;
    at_other.attend(&other, &bob).await;
    assert_eq!(told(&mut taken, 1).await, lines(&[&format!("member_added {presence} {}", bob.id)]));
    // What the API tells of a channel is the same as without webhooks.
    let (_, shown) = api(&arena, &format!("/apps/1/channels/{board}?info=subscription_count"), None).await;
    assert_eq!(shown, json!({ "occupied": true, "subscription_count": 2 }));

    drop((viewer, at_arena, another_viewer, at_other));
    let mut expected: BTreeMap<_, _> = [board, attacks, presence.clone(), own]
        .into_iter()
        .map(|channel| (format!("channel_vacated {channel} -"), 1))
        .collect();
    for player in [&ada, &bob] {
        expected.insert(format!("member_removed {presence} {}", player.id), 1);
    }
    assert_eq!(told(&mut taken, 6).await, expected);
}

#[tokio::test]
async fn counts_of_sockets_are_told_by_one_node_where_they_are_kept() {
    let (url, mut taken) = receiver().await;
    let webhooks = vec![Webhook { url, events: vec![WebhookEvent::SubscriptionCount] }];
    let counted = || Config { subscription_counts: true, ..with(webhooks.clone()) };
    let arena = Arena::start(counted()).await;
    let other = arena.another_node(counted()).await;
    let battle = arena.create_battle().await;
    let channel = format!("battle.{battle}");
    let mut at_arena = Client::connect(&arena).await;
    at_arena.subscribe(&channel).await;
    let mut at_other = Client::connect(&other).await;
    at_other.subscribe(&channel).await;
    // Those who listen are told too.
    while at_arena.event_named("pusher_internal:subscription_count").await.data
        != json!({ "subscription_count": 2 })
    {}
    loop {
        let body: Value = serde_json::from_slice(&in_time(taken.recv()).await.unwrap()).unwrap();
        let events = body["events"].as_array().unwrap();
        assert!(events.iter().all(|event| event["channel"] == json!(channel)), "{body}");
        if events.last().unwrap()["subscription_count"] == 2 {
            return;
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_cut_and_one_that_is_refused_is_given_up() {
    const EVENT_BYTES: usize = 10_000;
    // It takes two large events at once, and one of them never.
    let (url, mut taken) = receiver_that(|body| match String::from_utf8_lossy(body) {
        text if text.len() > 3 * EVENT_BYTES => StatusCode::PAYLOAD_TOO_LARGE,
        text if text.contains("poison") => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    })
    .await;
    let events = vec![WebhookEvent::ClientEvent];
    let config = Config { client_events_per_second_max: 1_000, ..with(vec![Webhook { url, events }]) };
    let arena = Arena::start(config).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe_signed("private-room", None).await;
    let names: Vec<_> =
        (0..60).map(|n| if n == 7 { "client-poison".to_owned() } else { format!("client-{n}") }).collect();
    for name in &names {
        client.tell(name, "private-room", json!("x".repeat(EVENT_BYTES))).await;
    }
    let mut told = Vec::new();
    while told.last() != names.last() {
        let body = in_time(taken.recv()).await.unwrap();
        if body.len() <= 3 * EVENT_BYTES && !body.windows(6).any(|part| part == b"poison") {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let names = body["events"].as_array().unwrap().iter();
            told.extend(names.map(|event| event["event"].as_str().unwrap().to_owned()));
        }
        assert!(body.len() <= 300_000, "no request is larger than many servers take");
    }
    // In their order; with the poisoned one at most its neighbour in the request is lost.
    assert!(told.len() >= names.len() - 2, "{told:?}");
    let expected: Vec<_> = names.iter().filter(|name| told.contains(name)).cloned().collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_node_that_stops_tells_of_its_sockets_until_they_are_closed() {
    let (url, mut taken) = receiver_that(|_| StatusCode::OK).await;
    let webhooks = vec![Webhook { url, events: vec![WebhookEvent::CacheMiss] }];
    // Two sockets are closed a long pause apart.
    let arena = Arena::start(Config { drain_ms: 20 * 600_000, ..with(webhooks) }).await;
    let (mut one, mut two) = (Client::connect(&arena).await, Client::connect(&arena).await);
    arena.shutdown.request();
    let is_left = tokio::select! {
        _ = one.close_code() => &mut two,
        _ = two.close_code() => &mut one,
    };
    is_left.subscribe("cache-x").await;
    assert_eq!(told(&mut taken, 1).await, lines(&["cache_miss cache-x -"]));
}

#[tokio::test]
async fn what_waits_when_the_server_stops_is_tried_once_more() {
    let is_away = Arc::new(AtomicBool::new(true));
    let of_receiver = Arc::clone(&is_away);
    let (url, mut taken) = receiver_that(move |_| match of_receiver.load(Ordering::Relaxed) {
        true => StatusCode::BAD_GATEWAY,
        false => StatusCode::OK,
    })
    .await;
    let events = vec![WebhookEvent::CacheMiss];
    let arena = Arena::start(with(vec![Webhook { url, events }])).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe("cache-one").await;
    client.event_named("pusher:cache_miss").await;
    in_time(taken.recv()).await.unwrap();
    // These wait behind the one that is not taken.
    client.subscribe("cache-two").await;
    client.event_named("pusher:cache_miss").await;
    client.subscribe("cache-three").await;
    is_away.store(false, Ordering::Relaxed);
    arena.shutdown.request();
    // In one request or in several; what was refused meanwhile comes again.
    let mut all = BTreeMap::new();
    while all.len() < 3 {
        read(&in_time(taken.recv()).await.unwrap(), &mut all);
    }
    let expected = lines(&["cache_miss cache-one -", "cache_miss cache-two -", "cache_miss cache-three -"]);
    assert!(all.keys().eq(expected.keys()), "{all:?}");
}

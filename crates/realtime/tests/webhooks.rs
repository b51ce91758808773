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
use support::client::{Client, api, in_time};
use support::{Arena, KEY, SECRET, config};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The application's server: it refuses the first request, and takes all others.
async fn receiver() -> (String, mpsc::Receiver<Bytes>) {
    let (took, taken) = mpsc::channel(1_000);
    let is_first = Arc::new(AtomicBool::new(true));
    let take = move |headers: HeaderMap, body: Bytes| {
        let (took, is_first) = (took.clone(), Arc::clone(&is_first));
        async move {
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(&body);
            assert_eq!(headers["x-pusher-signature"], hex::encode(mac.finalize().into_bytes()));
            assert_eq!(headers["x-pusher-key"], KEY);
            took.send(body).await.unwrap();
            if is_first.swap(false, Ordering::Relaxed) { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let routes = Router::new().route("/hook", post(take));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, taken)
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

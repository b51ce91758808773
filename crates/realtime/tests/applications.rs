//! The official server libraries and pusher-js, unmodified, as an application uses them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nimaora_runtime::Clock;
use serde_json::{Value, json};
use support::client::{Client, in_time};
use support::{Arena, KEY, SECRET, config};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A program that does as it is told; it ends with its input.
struct App {
    orders: ChildStdin,
    heard: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl App {
    fn start(arena: &Arena, command: &mut Command) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
        let mut process = command
            .current_dir(folder)
            .args([&arena.address.port().to_string(), "1", KEY, SECRET])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let heard = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { orders: process.stdin.take().unwrap(), heard, _process: process }
    }

    fn in_node(arena: &Arena) -> Self {
        Self::start(arena, Command::new("node").arg("app.mjs"))
    }

    async fn order(&mut self, order: Value) {
        in_time(self.orders.write_all(format!("{order}\n").as_bytes())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = in_time(self.heard.next_line()).await.unwrap();
        let Some(line) = line else { panic!("the program has ended") };
        serde_json::from_str(&line).unwrap()
    }

    /// What the page hears next under this name.
    async fn expect(&mut self, event: &str) -> Value {
        loop {
            let heard = self.next().await;
            if heard["event"] == event {
                return heard;
            }
            assert_ne!(heard["event"], "pusher:subscription_error", "{heard}");
        }
    }

    async fn subscribe(&mut self, channel: &str) -> Value {
        self.order(json!({ "do": "subscribe", "channel": channel })).await;
        let heard = self.expect("pusher:subscription_succeeded").await;
        assert_eq!(heard["channel"], channel);
        heard["data"].clone()
    }

    /// Calls a method of the server's library that answers with a response.
    async fn call(&mut self, method: &str, args: Value) -> Value {
        self.order(json!({ "do": "server", "method": method, "args": args })).await;
        let answer = self.expect("answer").await["data"].clone();
        assert_eq!(answer["status"], 200, "{method}: {answer}");
        answer["body"].clone()
    }
}

async fn arena() -> Arena {
    // The libraries sign with the time of day.
    Arena::start_at(config(), Clock::system()).await
}

#[tokio::test]
async fn a_page_hears_what_its_server_says_in_each_kind_of_channel() {
    let arena = arena().await;
    let mut app = App::in_node(&arena);
    app.expect("connected").await;
    for channel in ["news", "private-news", "private-encrypted-news", "presence-news"] {
        app.subscribe(channel).await;
        app.order(json!({ "do": "server", "method": "trigger", "args": [channel, "flash", { "n": "é" }] }))
            .await;
        let heard = app.expect("flash").await;
        assert_eq!((&heard["channel"], &heard["data"]), (&json!(channel), &json!({ "n": "é" })));
    }
    for channel in ["cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"] {
        app.subscribe(channel).await;
        app.expect("pusher:cache_miss").await;
        app.order(json!({ "do": "server", "method": "trigger", "args": [channel, "kept", { "n": 1 }] }))
            .await;
        app.expect("kept").await;
        let mut later = App::in_node(&arena);
        later.expect("connected").await;
        later.subscribe(channel).await;
        assert_eq!(later.expect("kept").await["data"], json!({ "n": 1 }));
    }
    let batch = json!([[
        { "channel": "news", "name": "one", "data": "1" },
        { "channel": "private-news", "name": "two", "data": "2", "info": "subscription_count" },
    ]]);
    app.order(json!({ "do": "server", "method": "triggerBatch", "args": batch })).await;
    app.expect("one").await;
    app.expect("two").await;
}

#[tokio::test]
async fn pages_see_and_tell_each_other_and_their_server_sees_them() {
    let arena = arena().await;
    let (mut ada, mut bob) = (App::in_node(&arena), App::in_node(&arena));
    bob.order(json!({ "do": "user", "id": "u2", "user_info": { "name": "bob" } })).await;
    ada.expect("connected").await;
    bob.expect("connected").await;
    ada.subscribe("presence-room").await;
    let members = bob.subscribe("presence-room").await;
    let expected = json!({ "u1": { "name": "ada" }, "u2": { "name": "bob" } });
    assert_eq!((&members["members"], &members["count"]), (&expected, &json!(2)));
    assert_eq!(members["me"], json!({ "id": "u2", "info": { "name": "bob" } }));
    let added = ada.expect("pusher:member_added").await;
    assert_eq!(added["data"], json!({ "id": "u2", "info": { "name": "bob" } }));

    ada.order(json!({ "do": "bind", "channel": "presence-room", "event": "client-hi" })).await;
    bob.order(
        json!({ "do": "trigger", "channel": "presence-room", "event": "client-hi", "data": { "a": 1 } }),
    )
    .await;
    let heard = ada.expect("bound client-hi").await;
    assert_eq!((&heard["data"], &heard["user_id"]), (&json!({ "a": 1 }), &json!("u2")));

    let get = |path: &str, params: Value| json!([{ "path": path, "params": params }]);
    let room = bob.call("get", get("/channels/presence-room", json!({ "info": "user_count" }))).await;
    assert_eq!(room, json!({ "occupied": true, "user_count": 2 }));
    let users = bob.call("get", get("/channels/presence-room/users", json!({}))).await;
    assert_eq!(users, json!({ "users": [{ "id": "u1" }, { "id": "u2" }] }));
    let all = bob.call("get", get("/channels", json!({ "filter_by_prefix": "presence-" }))).await;
    assert_eq!(all, json!({ "channels": { "presence-room": {} } }));

    bob.order(json!({ "do": "unsubscribe", "channel": "presence-room" })).await;
    ada.expect("pusher:member_removed").await;
    ada.order(json!({ "do": "members", "channel": "presence-room" })).await;
    let members = ada.expect("members").await;
    assert_eq!(members["data"], json!({ "members": { "u1": { "name": "ada" } }, "count": 1 }));
}

#[tokio::test]
async fn a_page_signs_in_and_its_server_writes_to_it_and_ends_it() {
    let arena = arena().await;
    let (mut page, mut server) = (App::in_node(&arena), App::in_node(&arena));
    page.expect("connected").await;
    page.order(json!({ "do": "signin" })).await;
    // The client subscribes to its user's channel by itself; it says so to nobody.
    let mut heard = None;
    while heard.is_none() {
        server.call("sendToUser", json!(["u1", "letter", { "n": 1 }])).await;
        page.order(json!({ "do": "server", "method": "get", "args": [{ "path": "/channels/%23server-to-user-u1" }] })).await;
        loop {
            let next = page.next().await;
            if next["event"] == "user letter" {
                heard = Some(next);
                break;
            }
            if next["event"] == "answer" {
                break;
            }
        }
    }
    assert_eq!(heard.unwrap()["data"], json!({ "n": 1 }));
    server.call("terminateUserConnections", json!(["u1"])).await;
    page.expect("disconnected").await;
}

#[tokio::test]
async fn a_page_is_told_when_those_whom_it_watches_come_and_go() {
    let arena = arena().await;
    let (mut ada, mut bob) = (App::in_node(&arena), App::in_node(&arena));
    ada.order(json!({ "do": "user", "id": "u1", "watchlist": ["u2"] })).await;
    bob.order(json!({ "do": "user", "id": "u2" })).await;
    ada.expect("connected").await;
    bob.expect("connected").await;
    ada.order(json!({ "do": "signin" })).await;
    assert_eq!(ada.expect("offline").await["data"], json!(["u2"]));
    bob.order(json!({ "do": "signin" })).await;
    assert_eq!(ada.expect("online").await["data"], json!(["u2"]));
    drop(bob);
    assert_eq!(ada.expect("offline").await["data"], json!(["u2"]));
}

#[tokio::test]
async fn the_python_library_publishes_and_asks() {
    let arena = arena().await;
    let libraries = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../tools/python");
    assert!(libraries.is_dir(), "the library is not installed; ./check does that");
    let mut server = App::start(&arena, Command::new("python3").arg("app.py").env("PYTHONPATH", libraries));
    let mut client = Client::connect(&arena).await;
    client.subscribe("news").await;
    client.subscribe_signed("presence-room", Some(r#"{"user_id":"7"}"#)).await;
    let mut calls = Vec::new();
    for (method, args) in [
        ("trigger", json!(["news", "flash", { "n": "é" }])),
        ("trigger_batch", json!([[{ "channel": "news", "name": "more", "data": "x" }]])),
        ("channels_info", json!(["presence-", ["user_count"]])),
        ("channel_info", json!(["presence-room", ["user_count", "subscription_count"]])),
        ("users_info", json!(["presence-room"])),
        ("trigger", json!(["battle.0190163d-8694-739b-aea5-966c26f8ad91", "flash", {}])),
    ] {
        server.order(json!({ "method": method, "args": args })).await;
        calls.push(server.next().await);
    }
    let event = client.event().await;
    assert_eq!((event.name.as_str(), event.data), ("flash", json!({ "n": "é" })));
    assert_eq!(client.event().await.name, "more");
    assert_eq!(calls[2]["ok"], json!({ "channels": { "presence-room": { "user_count": 1 } } }));
    assert_eq!(calls[3]["ok"], json!({ "occupied": true, "user_count": 1, "subscription_count": 1 }));
    assert_eq!(calls[4]["ok"], json!({ "users": [{ "id": "7" }] }));
    assert_eq!(calls[5]["failed"], "PusherForbidden", "{}", calls[5]);
}

//! The public clients, unmodified, as a player's page uses them: pusher-js and laravel-echo in Node.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Stdio;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::in_time;
use support::{Arena, KEY, Player, config};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A program that runs one of the clients; it ends with its input.
struct Page {
    orders: ChildStdin,
    heard: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Page {
    fn open(arena: &Arena, client: &str, player: &Player) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
        assert!(folder.join("node_modules").is_dir(), "the clients are not installed; ./check does that");
        let mut process = Command::new("node")
            .current_dir(folder)
            .args(["listen.mjs", client, &arena.address.port().to_string(), KEY, &arena.token(player)])
            .args([player.battle_id.to_string(), player.id.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let heard = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { orders: process.stdin.take().unwrap(), heard, _process: process }
    }

    async fn order(&mut self, order: &str) {
        in_time(self.orders.write_all(format!("{order}\n").as_bytes())).await.unwrap();
    }

    /// What the page hears next, connection states and boards included.
    async fn next(&mut self) -> Value {
        let line = in_time(self.heard.next_line()).await.unwrap();
        serde_json::from_str(&line.unwrap()).unwrap()
    }

    async fn expect(&mut self, event: &str) -> Value {
        loop {
            let heard = self.next().await;
            assert_ne!(heard["event"], "failed", "{heard}");
            if heard["event"] == event {
                return heard["data"].clone();
            }
        }
    }

    /// The alerts that come next have these positions, and none comes before or between them.
    async fn expect_alerts(&mut self, positions: &[u64]) {
        for position in positions {
            assert_eq!(self.expect("attack.received").await["position"], json!(position));
        }
    }
}

async fn plays_and_returns(client: &str) {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let mut page = Page::open(&arena, client, &bob);
    page.expect("subscribed").await;
    let first = arena.attack(&ada, &bob).await;
    let alert = page.expect("attack.received").await;
    assert_eq!((&alert["attacker"], &alert["position"]), (&json!("ada"), &json!(first)));

    page.order("disconnect").await;
    page.expect("disconnected").await;
    let second = arena.attack(&ada, &bob).await;
    let third = arena.attack(&ada, &bob).await;
    page.order("connect").await;
    page.expect_alerts(&[first, second, third]).await;

    // A page that says which alert it had last hears none twice.
    page.order("send position").await;
    page.order("disconnect").await;
    page.expect("disconnected").await;
    let fourth = arena.attack(&ada, &bob).await;
    page.order("connect").await;
    page.expect_alerts(&[fourth]).await;

    let after = arena.replace_session(&bob).await;
    assert_eq!(page.expect("session.replaced").await["session_id"], json!(after.session_id));
    // Closed with 4009, which the client takes as final.
    page.expect("disconnected").await;
}

#[tokio::test]
async fn pusher_js_hears_what_it_missed_and_stays_away_when_its_session_ended() {
    plays_and_returns("pusher-js").await;
}

#[tokio::test]
async fn laravel_echo_hears_what_it_missed_and_stays_away_when_its_session_ended() {
    plays_and_returns("echo").await;
}

#[tokio::test]
async fn both_show_the_board_as_it_moves() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    for (points, client) in [(5, "pusher-js"), (9, "echo")] {
        let mut page = Page::open(&arena, client, &ada);
        page.expect("leaderboard.updated").await;
        arena.score(&ada, points).await;
        while page.expect("leaderboard.updated").await["entries"][0]["points"] != json!(points) {}
    }
}

#[tokio::test]
async fn both_see_who_is_online_and_who_comes_and_goes() {
    let arena = Arena::start(Config { presence_grace_ms: 1, ..config() }).await;
    for (client, other) in [("pusher-js", "echo"), ("echo", "pusher-js")] {
        let battle = arena.create_battle().await;
        let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
        let mut at_ada = Page::open(&arena, client, &ada);
        at_ada.expect("subscribed").await;
        at_ada.order("attend").await;
        assert_eq!(at_ada.expect("here").await, json!([{ "username": "ada" }]));
        let mut at_bob = Page::open(&arena, other, &bob);
        at_bob.expect("subscribed").await;
        at_bob.order("attend").await;
        assert_eq!(at_bob.expect("here").await.as_array().unwrap().len(), 2);
        assert_eq!(at_ada.expect("joining").await, json!({ "username": "bob" }));
        at_bob.order("disconnect").await;
        assert_eq!(at_ada.expect("leaving").await, json!({ "username": "bob" }));
        at_bob.order("connect").await;
        at_bob.expect("here").await;
        drop(at_ada);
        assert_eq!(at_bob.expect("leaving").await, json!({ "username": "ada" }));
    }
}

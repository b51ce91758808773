//! Many sockets, slow ones and silent ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use nimaora_domain::Phase;
use nimaora_realtime::Config;
use serde_json::json;
use support::client::{Client, in_time, open};
use support::{Arena, KEY, PATIENCE, config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HERD: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_gets_every_alert_and_the_last_board() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let mut herd = Vec::new();
    for n in 0..HERD {
        let player = arena.join(battle, &format!("player-{n}")).await;
        let mut client = Client::connect(&arena).await;
        client.listen(&arena, &player).await;
        client.say("pusher:subscribe", json!({ "channel": format!("battle.{battle}") })).await;
        client.event_named("pusher_internal:subscription_succeeded").await;
        herd.push((player, client));
    }
    assert_eq!(arena.realtime.sockets(), HERD);

    let attacker = herd[0].0.clone();
    let mut positions = Vec::new();
    for (player, _) in &herd {
        positions.push(arena.attack(&attacker, player).await);
    }
    let last = arena.score(&attacker, 99).await;
    for ((_, client), position) in herd.iter_mut().zip(positions) {
        assert_eq!(client.event_named("attack.received").await.data["position"], position);
    }
    for (_, client) in &mut herd[1..] {
        while client.event_named("leaderboard.updated").await.data["as_of"] != last {}
    }

    drop(herd);
    in_time(async {
        while arena.realtime.sockets() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_cut_off_and_the_others_do_not_notice() {
    let config = Config { outbox_bytes_max: 16 * 1024, send_buffer_bytes: 4 * 1024, ..config() };
    let arena = Arena::start(config).await;
    let battle = arena.create_battle().await;
    let slow_player = arena.join(battle, "slow").await;
    let fast_player = arena.join(battle, "fast").await;
    let mut slow = Client::connect(&arena).await;
    slow.listen(&arena, &slow_player).await;
    let mut fast = Client::connect(&arena).await;
    fast.listen(&arena, &fast_player).await;

    // Attacks on the slow one until the server has had enough of it; the fast one reads each of its own.
    let mut attacks = 0;
    while arena.realtime.sockets() == 2 {
        for _ in 0..100 {
            let (change, position) = arena.attack_untold(&fast_player, &slow_player).await;
            arena.publish(battle, change, position).await;
        }
        attacks += 100;
        let position = arena.attack(&slow_player, &fast_player).await;
        assert_eq!(fast.event().await.data["position"], position);
        assert!(attacks < 1_000_000, "the slow reader was never cut off");
    }
    assert_eq!(slow.close_code().await, 4100);
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_closed() {
    let config = Config { activity_timeout_s: 1, ping_grace_s: 0, pong_timeout_s: 1, ..config() };
    let arena = Arena::start(config).await;
    let mut client = Client::connect(&arena).await;
    assert_eq!(client.activity_timeout, 1);
    assert_eq!(client.event().await.name, "pusher:ping");
    assert_eq!(client.close_code().await, 4201);
}

#[tokio::test]
async fn sockets_are_told_different_times_so_that_they_do_not_ping_together() {
    let arena = Arena::start(config()).await;
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 3 {
        let timeout = Client::connect(&arena).await.activity_timeout;
        assert!((25..=35).contains(&timeout), "{timeout}");
        told.insert(timeout);
    }
}

#[tokio::test]
async fn a_stopping_server_sends_its_sockets_elsewhere() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::connect(&arena).await;
        client.subscribe(&format!("battle.{battle}")).await;
        clients.push(client);
    }
    arena.enter_phase(battle, Phase::Running).await;
    let stopping = tokio::spawn({
        let shutdown = arena.shutdown.clone();
        async move { shutdown.finish(Duration::from_secs(20)).await }
    });
    for mut client in clients {
        assert_eq!(client.close_code().await, 4200);
    }
    assert!(in_time(stopping).await.unwrap(), "something was left running");
    assert_eq!(arena.realtime.sockets(), 0);
}

#[tokio::test]
async fn a_socket_that_opens_while_the_server_stops_is_sent_elsewhere_too() {
    /// Less than the answer to an upgrade, so that the server waits for the client in the midst of it.
    const PIPE_BYTES: usize = 16;
    let arena = Arena::start(config()).await;
    let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
    let service = TowerToHyperService::new(arena.realtime.routes());
    tokio::spawn(async move {
        let builder = auto::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(server), service).await;
    });
    let request = format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    in_time(client.write_all(request.as_bytes())).await.unwrap();
    let mut first = [0];
    in_time(client.read_exact(&mut first)).await.unwrap();

    arena.shutdown.request();
    // The sockets that are there are closed within this: there are none yet.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let code = 4200_u16.to_be_bytes();
    let mut told = Vec::new();
    while !told.windows(2).any(|bytes| bytes == code) {
        let read = in_time(client.read_buf(&mut told)).await.unwrap();
        assert!(read > 0, "the connection ended without a word: {}", String::from_utf8_lossy(&told));
    }
    drop(client);
    assert!(arena.shutdown.finish(PATIENCE).await, "something was left running");
}

#[tokio::test]
async fn a_herd_is_let_in_one_after_the_other_and_nobody_is_turned_away_for_good() {
    const HERD: usize = 30;
    /// What a quarter of a second has turns for, and the one whose turn it is, come in without a wait.
    const AT_ONCE: usize = 6;
    const PER_SECOND: u32 = 20;
    let pace = Config { handshakes_per_second_max: PER_SECOND, handshake_delay_max_ms: 300, ..config() };
    let arena = Arena::start(pace).await;
    let path = format!("/app/{KEY}?protocol=7");
    let began = Instant::now();
    let mut waiting = HERD;
    while waiting > 0 {
        let mut came = Vec::new();
        for _ in 0..waiting {
            came.push(Client::of(open(&arena, &path).await));
        }
        for client in &mut came {
            let event = client.event().await;
            if event.name == "pusher:connection_established" {
                waiting -= 1;
            } else {
                assert_eq!(event.data["code"], 4100, "it comes again");
            }
        }
    }
    // However fast the machine is, nobody came before its turn.
    let turns = u32::try_from(HERD - AT_ONCE).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1) * turns / PER_SECOND, "they came unpaced");
}

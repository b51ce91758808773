//! Events that cannot be projected, and stores that cannot be used.

use std::sync::Arc;

use crate::support::{Arena, DeadlyLog, RecordingBus, Server, World, eventually, soon};
use nimaora_domain::event::{AttackLanded, ParticipantJoined};
use nimaora_domain::{Balance, Event, ParticipantId, SessionId, Username};
use nimaora_event_log::{Append, EventLog, Expected, NewEvent};
use nimaora_projection_service::{Config, Deps, Projection};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{Leaderboard, ReadModels};
use nimaora_runtime::{Health, Shutdown};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

/// An attack by somebody who never joined.
fn unruly_attack(arena: &Arena) -> Event {
    Event::AttackLanded(AttackLanded {
        attacker_id: ParticipantId(Uuid::from_u128(666)),
        target_id: arena.who(1),
        blocked: false,
        points_deducted: 4,
        attacker_balance: Balance::default(),
        target_balance: Balance { points: 1, shields: 0, arrows: 0 },
    })
}

/// A second one with the name of the first.
fn namesake() -> Event {
    Event::ParticipantJoined(ParticipantJoined {
        participant_id: ParticipantId(Uuid::from_u128(667)),
        username: Username::new("player 1").unwrap(),
        session_id: SessionId(Uuid::from_u128(668)),
        balance: Balance { points: 900, shields: 0, arrows: 0 },
    })
}

/// A battle with good events and four that cannot be projected. Answers with the positions of the bad ones.
async fn poisoned(world: &World) -> (Arena, Vec<u64>) {
    let mut arena = Arena::running(&world.log, 1, 3).await;
    let mut bad = Vec::new();
    arena.append_unheard_of("BattleTurnedInsideOut", "{\"v\":1}").await;
    bad.push(arena.position);
    arena.attack(1, 2).await;
    arena.append_unheard_of("AttackLanded", "{\"v\":99}").await;
    bad.push(arena.position);
    let attack = unruly_attack(&arena);
    arena.append_unruly(attack).await;
    bad.push(arena.position);
    arena.append_unruly(namesake()).await;
    bad.push(arena.position);
    arena.attack(1, 3).await;
    (arena, bad)
}

async fn expect_parked(server: &Server, world: &World, arena: &Arena, bad: &[u64]) {
    server.done(world).await;
    let parked = server.tables.parked(0, 100).await.unwrap();
    assert_eq!(parked.iter().map(|event| event.position).collect::<Vec<_>>(), bad);
    assert!(parked.iter().all(|event| !event.reason.is_empty()));
    assert_eq!(server.handle.status().parked, bad.len());
    assert!(server.health.is_ready(), "{:?}", server.health.missing());
    let board = server.leaderboard.top(arena.id, 100).await.unwrap();
    assert_eq!(board, server.tables.top(arena.id, 100).await.unwrap());
    assert_eq!((board.total, board.as_of), (3, arena.position));
    assert_eq!(server.tables.attacks_on(arena.id, arena.who(3), 0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_projected_is_parked_and_all_else_goes_on() {
    let world = World::new();
    let server = world.start().await;
    let (arena, bad) = poisoned(&world).await;
    expect_parked(&server, &world, &arena, &bad).await;
    let told = server.bus.attacks();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|position| !bad.contains(position)));
}

#[tokio::test]
async fn the_same_is_parked_in_a_rebuild_and_after_a_restart() {
    let world = World::new();
    let (arena, bad) = poisoned(&world).await;
    let server = world.start().await;
    expect_parked(&server, &world, &arena, &bad).await;
    server.stop().await;
    let again = world.start().await;
    expect_parked(&again, &world, &arena, &bad).await;
}

#[tokio::test]
async fn a_stream_that_is_no_battles_is_parked() {
    let world = World::new();
    let server = world.start().await;
    let id = Uuid::from_u128(1);
    let event = NewEvent { id, event_type: "X".into(), data: "{}".into(), metadata: "{}".into() };
    let append = Append { stream: "battle-royale".into(), expected: Expected::Any, events: vec![event] };
    world.log.append(append).await.unwrap();
    server.done(&world).await;
    let parked = server.tables.parked(0, 10).await.unwrap();
    assert_eq!((parked.len(), &*parked[0].stream), (1, "battle-royale"));
}

#[tokio::test]
async fn events_of_other_streams_are_none_of_its_business() {
    let world = World::new();
    let server = world.start().await;
    for n in 0..3 {
        let id = Uuid::from_u128(n);
        let event = NewEvent { id, event_type: "X".into(), data: "{}".into(), metadata: "{}".into() };
        let append = Append { stream: "account-1".into(), expected: Expected::Any, events: vec![event] };
        world.log.append(append).await.unwrap();
    }
    let arena = Arena::running(&world.log, 1, 2).await;
    server.done(&world).await;
    assert_eq!(server.handle.status().parked, 0);
    assert_eq!(server.tables.battle(arena.id).await.unwrap().unwrap().participants, 2);
}

#[tokio::test]
async fn tables_that_are_locked_are_tried_until_they_are_free() {
    let world = World::new();
    let server = world.start_impatient().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    let other = SqliteConnectOptions::new().filename(world.tables_file("read-models.db"));
    let mut other = other.connect().await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    arena.attack(1, 2).await;
    world.clock.advance(1_500);
    eventually(async || !server.health.is_ready()).await;
    let lag = server.handle.lag().await.unwrap();
    assert_eq!((lag.positions, lag.millis), (1, 1_500));
    lock.rollback().await.unwrap();
    server.done(&world).await;
    eventually(async || server.health.is_ready()).await;
    assert_eq!(server.bus.attacks(), vec![arena.position]);
    let lag = server.handle.lag().await.unwrap();
    assert_eq!((lag.positions, lag.millis), (0, 0));
}

#[tokio::test]
async fn tables_that_are_ahead_of_the_log_stop_it() {
    let world = World::new();
    let server = world.start().await;
    Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    server.stop().await;
    let emptier = World::new();
    std::fs::copy(world.tables_file("read-models.db"), emptier.tables_file("read-models.db")).unwrap();
    let server = emptier.start().await;
    let stopped = soon(server.handle.caught_up()).await.unwrap_err();
    assert!(stopped.reason.contains("ahead of the log"), "{stopped}");
    assert!(!server.health.is_ready());
}

#[tokio::test]
async fn it_is_ready_when_it_has_caught_up() {
    let world = World::new();
    Arena::running(&world.log, 1, 3).await;
    let server = world.start().await;
    server.done(&world).await;
    assert!(server.health.is_ready());
    server.stop().await;
    assert!(!server.health.is_ready());
    assert!(server.handle.applied(u64::MAX).await.is_err());
}

#[tokio::test]
async fn a_follower_of_the_log_that_dies_is_no_orderly_stop() {
    let world = World::new();
    let file = world.tables_file("read-models.db");
    let tables = SqliteReadModels::open(&file, SqliteConfig::default()).await.unwrap();
    let deps = Deps {
        log: Arc::new(DeadlyLog(Arc::clone(&world.log))),
        leaderboard: Arc::new(MemoryLeaderboard::default()),
        read_models: Arc::new(tables),
        bus: Arc::new(RecordingBus::default()),
    };
    let (shutdown, health) = (Shutdown::new(), Health::default());
    let handle = Projection::start(deps, Config::new(world.clock.clone(), 1), &shutdown, &health);
    let stopped = soon(handle.caught_up()).await.unwrap_err();
    assert!(stopped.reason.contains("follower has ended"), "{stopped}");
    assert!(!health.is_ready());
}

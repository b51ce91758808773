//! What an operator sees of the projection, above all when it is in trouble.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]
#![allow(dead_code, unused_imports, reason = "it uses a part of what the tests share")]

#[path = "projection/support/mod.rs"]
mod support;

use nimaora_runtime::telemetry::{self, Metrics};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::support::{Arena, World, eventually};

const DAY_MS: i64 = 86_400_000;

/// A figure of Prometheus' text.
fn figure(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.render();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
}

#[tokio::test]
async fn lag_is_told_while_nothing_can_be_applied_and_history_is_none() {
    let metrics = telemetry::init_metrics().unwrap();
    let world = World::new();
    let server = world.start_impatient().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;

    let other = SqliteConnectOptions::new().filename(world.tables_file("read-models.db"));
    let mut other = other.connect().await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    arena.attack(1, 2).await;
    eventually(async || server.handle.status().pending_since_ms.is_some()).await;
    world.clock.advance(1_500);
    eventually(async || {
        let positions = figure(&metrics, "nimaora_projection_behind_positions");
        positions == 1.0 && figure(&metrics, "nimaora_projection_behind_seconds") == 1.5
    })
    .await;
    lock.rollback().await.unwrap();
    server.done(&world).await;
    eventually(async || figure(&metrics, "nimaora_projection_behind_seconds") == 0.0).await;
    server.stop().await;

    // Boards that are made anew after a restart neither count history again nor call it late.
    let events = figure(&metrics, "nimaora_projection_events_total");
    world.clock.advance(DAY_MS);
    let server = world.start().await;
    server.done(&world).await;
    assert_eq!(figure(&metrics, "nimaora_projection_events_total"), events);
    assert!(figure(&metrics, "nimaora_projection_lag_seconds_sum") < 10.0);
    arena.attack(1, 3).await;
    server.done(&world).await;
    assert_eq!(figure(&metrics, "nimaora_projection_events_total"), events + 1.0);
}

//! Each server starts, crashes and comes back at the same place.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use nimaora_local_servers::{
    LocalServerError, Nats, NatsCluster, NatsOptions, PgBouncer, Postgres, Program, Redis, RedisCluster,
    scratch,
};

#[tokio::test]
async fn redis_comes_back_after_a_crash() {
    let dir = scratch().unwrap();
    let mut redis = Redis::start(&dir.path().join("redis"), &[]).await.unwrap();
    let (port, first) = (redis.port(), redis.process.id());
    redis.process.kill().await;
    redis.start_again().await.unwrap();
    assert_eq!(redis.port(), port);
    assert_ne!(redis.process.id(), first);
}

#[tokio::test]
async fn a_redis_cluster_serves_all_slots() {
    let dir = scratch().unwrap();
    let cluster = RedisCluster::start(dir.path()).await.unwrap();
    assert_eq!(cluster.urls().len(), 3);
}

#[tokio::test]
async fn postgres_and_pgbouncer_come_back_after_a_crash() {
    let dir = scratch().unwrap();
    let mut postgres = Postgres::start(&dir.path().join("postgres"), &[]).await.unwrap();
    let mut pool = PgBouncer::start(&dir.path().join("pgbouncer"), &postgres, 5, &[]).await.unwrap();
    postgres.process.kill().await;
    pool.process.kill().await;
    postgres.start_again().await.unwrap();
    pool.start_again().await.unwrap();
    postgres.stop().await;
    assert!(postgres.process.id().is_none());
}

#[tokio::test]
async fn nats_comes_back_after_a_crash() {
    let dir = scratch().unwrap();
    let mut nats = Nats::start(&dir.path().join("nats"), NatsOptions::default()).await.unwrap();
    nats.process.kill().await;
    nats.start_again().await.unwrap();
}

#[tokio::test]
async fn the_nats_of_debian_starts_too() {
    let dir = scratch().unwrap();
    let options = NatsOptions { program: Program::NatsOfDebian, sync_always: false };
    Nats::start(&dir.path().join("nats"), options).await.unwrap();
}

#[tokio::test]
async fn a_nats_cluster_has_three_nodes() {
    let dir = scratch().unwrap();
    let cluster = NatsCluster::start(dir.path(), NatsOptions::default()).await.unwrap();
    assert_eq!(cluster.url().split(',').count(), 3);
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = scratch().unwrap();
    let refused = Redis::start(&dir.path().join("redis"), &["--maxmemory-policy", "unheard-of"]).await;
    let Err(error @ LocalServerError::NotReady { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("maxmemory-policy"), "{error}");
}

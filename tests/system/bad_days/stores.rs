//! Bad days of Redis, PostgreSQL and PgBouncer. None of them is needed to accept a command.

use nimaora_local_servers::Postgres;
use nimaora_local_servers::postgres::SUPERUSER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::attacks::Attacks;
use super::house::{CONNECTIONS_MAX, House};

/// Attacks that must land during a bad day, and again after it.
const ATTACKS: u32 = 10;

/// What may befall a store.
#[derive(Clone, Copy, Debug)]
enum BadDay {
    RedisHangs,
    RedisStops,
    RedisIsFlushed,
    PostgresStops,
    PostgresIsKilled,
    PostgresIsFull,
    PgBouncerIsKilled,
}

const BAD_DAYS: [BadDay; 7] = [
    BadDay::RedisHangs,
    BadDay::RedisStops,
    BadDay::RedisIsFlushed,
    BadDay::PostgresStops,
    BadDay::PostgresIsKilled,
    BadDay::PostgresIsFull,
    BadDay::PgBouncerIsKilled,
];

#[tokio::test]
async fn a_cluster_bears_what_befalls_its_stores() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut days = BAD_DAYS;
    fastrand::Rng::with_seed(seed).shuffle(&mut days);
    let mut house = House::start(|_| Vec::new()).await;
    let mut attacks = house.attacks().await;
    attacks.more(ATTACKS).await;
    for day in days {
        eprintln!("{day:?}");
        befall(day, &mut house, &mut attacks).await;
        house.tables_hold_all(&attacks).await;
        attacks.more(ATTACKS).await;
    }
    house.all_is_well(attacks).await;
}

/// Lets it happen, sees that the battle goes on meanwhile, and gives the store back.
async fn befall(day: BadDay, house: &mut House, attacks: &mut Attacks) {
    match day {
        BadDay::RedisHangs => {
            house.redis.process.pause();
            attacks.more(ATTACKS).await;
            house.board_is_served(attacks).await;
            house.redis.process.resume();
        }
        BadDay::RedisStops => {
            house.redis.process.stop().await;
            attacks.more(ATTACKS).await;
            house.board_is_served(attacks).await;
            house.tables_hold_all(attacks).await;
            house.redis.start_again().await.unwrap();
        }
        BadDay::RedisIsFlushed => {
            assert!(house.redis.by_hand("FLUSHALL").await.unwrap().starts_with("+OK"));
            house.board_is_served(attacks).await;
        }
        BadDay::PostgresStops => {
            house.postgres.stop().await;
            attacks.more(ATTACKS).await;
            house.tables_answer_or_refuse(attacks).await;
            house.postgres.start_again().await.unwrap();
        }
        BadDay::PostgresIsKilled => {
            house.postgres.process.kill().await;
            attacks.more(ATTACKS).await;
            house.postgres.start_again().await.unwrap();
        }
        BadDay::PostgresIsFull => {
            // PgBouncer looks away while the server comes back and others take every connection.
            house.pgbouncer.process.pause();
            house.postgres.stop().await;
            house.postgres.start_again().await.unwrap();
            let others = take_every_connection(&house.postgres).await;
            house.pgbouncer.process.resume();
            attacks.more(ATTACKS).await;
            house.tables_answer_or_refuse(attacks).await;
            drop(others);
        }
        BadDay::PgBouncerIsKilled => {
            house.pgbouncer.process.kill().await;
            attacks.more(ATTACKS).await;
            house.tables_answer_or_refuse(attacks).await;
            house.pgbouncer.start_again().await.unwrap();
        }
    }
}

/// Opens connections until the server takes no more.
async fn take_every_connection(postgres: &Postgres) -> Vec<TcpStream> {
    let mut taken = Vec::new();
    while let Some(connection) = connect(postgres).await {
        taken.push(connection);
        assert!(taken.len() <= CONNECTIONS_MAX, "it takes more than it was told to");
    }
    assert!(!taken.is_empty());
    taken
}

/// A connection that the server let in; `None` where it is full.
async fn connect(postgres: &Postgres) -> Option<TcpStream> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend_from_slice(format!("user\0{SUPERUSER}\0database\0postgres\0\0").as_bytes());
    let length = u32::try_from(body.len() + 4).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", postgres.port())).await.unwrap();
    stream.write_all(&[&length.to_be_bytes(), &body[..]].concat()).await.unwrap();
    (stream.read_u8().await.unwrap() == b'R').then_some(stream)
}

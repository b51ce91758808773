use nimaora_local_servers::{PgBouncer, Postgres, scratch};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tempfile::TempDir;

use super::*;
use crate::contract::battle;
use crate::contract::story::{batch, joined, moved};

/// The server's own folder goes last.
type Home = (Postgres, TempDir);

async fn server(settings: &[&str]) -> Home {
    let dir = scratch().unwrap();
    (Postgres::start(&dir.path().join("postgres"), settings).await.unwrap(), dir)
}

async fn connected(url: &str) -> PostgresReadModels {
    PostgresReadModels::connect(PostgresConfig::new(url).unwrap()).await.unwrap()
}

/// Somebody else's connection.
async fn other(home: &Home) -> PgConnection {
    PgConnection::connect(&home.0.url("postgres")).await.unwrap()
}

/// The number that a query answers.
async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(connection).await;
    row.unwrap().get(0)
}

/// The batch after the opening and `n - 1` of these, in which the `n`th participant joins.
fn join(n: u32) -> TableBatch {
    let position = 10 + Position::from(n);
    let updates = vec![moved(battle(1), position, 1)];
    TableBatch { joined: vec![joined(battle(1), n)], updates, follows: position - 1, ..batch(position) }
}

fn is_outage<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable { .. }))
}

/// Tables in a server, spoken to straight.
async fn straight() -> (PostgresReadModels, Home) {
    let home = server(&[]).await;
    (connected(&home.0.url("postgres")).await, home)
}

mod contract_straight {
    crate::read_models_contract!(super::straight().await);
}

/// Tables behind a PgBouncer with two connections to the server.
async fn pooled() -> (PostgresReadModels, (PgBouncer, Home)) {
    let home = server(&[]).await;
    let pool = PgBouncer::start(&home.1.path().join("pgbouncer"), &home.0, 2, &[]).await.unwrap();
    (connected(&pool.url("postgres")).await, (pool, home))
}

mod contract_pooled {
    crate::read_models_contract!(super::pooled().await);
}

mod outages;
mod rivals;
mod server;
mod standby;

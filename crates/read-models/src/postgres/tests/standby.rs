use std::sync::Arc;

use super::*;
use crate::ReplicaFirst;
use crate::contract::story::opening;

/// A server and its standby.
async fn pair() -> (Postgres, Postgres, TempDir) {
    let dir = scratch().unwrap();
    let server = Postgres::start(&dir.path().join("server"), &["wal_keep_size=64MB"]).await.unwrap();
    let standby = server.start_standby(&dir.path().join("standby")).await.unwrap();
    (server, standby, dir)
}

fn of_standby(standby: &Postgres) -> PostgresReadModels {
    PostgresReadModels::of_standby(&PostgresConfig::new(&standby.url("postgres")).unwrap())
}

/// Waits until the standby has the checkpoint.
async fn follows(standby: &PostgresReadModels, position: Position) {
    let there = async {
        while !standby.checkpoints().await.is_ok_and(|found| found.tables == position) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), there).await.unwrap();
}

#[tokio::test]
async fn a_standby_answers_what_it_has_and_takes_nothing() {
    let (server, standby, _dir) = pair().await;
    let tables = connected(&server.url("postgres")).await;
    tables.apply(&opening(3)).await.unwrap();
    let replica = of_standby(&standby);
    follows(&replica, 10).await;
    assert_eq!(replica.top(battle(1), 10).await.unwrap(), tables.top(battle(1), 10).await.unwrap());
    assert!(is_outage(&replica.apply(&join(4)).await));
    // A process that is told that the standby holds the tables goes on waiting, and starts when it is promoted.
    assert_eq!(connected(&standby.url("postgres")).await.checkpoints().await.unwrap().tables, 10);
}

#[tokio::test]
async fn tables_answer_for_a_standby_of_something_else() {
    let (server, _standby, dir) = pair().await;
    let other = Postgres::start(&dir.path().join("other"), &[]).await.unwrap();
    let tables = Arc::new(connected(&server.url("postgres")).await);
    tables.apply(&opening(3)).await.unwrap();
    let first = ReplicaFirst::new(Arc::new(of_standby(&other)), tables);
    assert_eq!(first.battle(battle(1)).await.unwrap().unwrap().as_of, 10);
    assert_eq!(first.top(battle(1), 10).await.unwrap().total, 3);
}

#[tokio::test]
async fn a_standby_that_lacks_the_last_batches_is_promoted_and_gets_them_again() {
    let (mut server, mut standby, _dir) = pair().await;
    let tables = connected(&server.url("postgres")).await;
    tables.apply(&opening(0)).await.unwrap();
    follows(&of_standby(&standby), 10).await;
    standby.stop().await;
    tables.apply(&join(1)).await.unwrap();
    tables.apply(&join(2)).await.unwrap();
    server.process.kill().await;
    standby.start_again().await.unwrap();
    let mut by_hand = PgConnection::connect(&standby.url("postgres")).await.unwrap();
    sqlx::query("SELECT pg_promote()").execute(&mut by_hand).await.unwrap();
    let tables = connected(&standby.url("postgres")).await;
    // Who wrote to the one before goes on where this one is.
    let overtaken = loop {
        match tables.apply(&join(3)).await {
            // It is being promoted.
            Err(StoreError::Unavailable { .. }) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await
            }
            other => break other,
        }
    };
    assert!(matches!(overtaken, Err(StoreError::Overtaken { expected: 12, stored: 10 })), "{overtaken:?}");
    for n in 1..=3 {
        tables.apply(&join(n)).await.unwrap();
    }
    assert_eq!(tables.battle(battle(1)).await.unwrap().unwrap().participants, 3);
}

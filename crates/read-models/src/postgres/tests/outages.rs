use std::time::Duration;

use nimaora_local_servers::Process;

use super::*;
use crate::contract::participant;
use crate::contract::story::opening;

/// Asks until the answer is no outage.
async fn healed(tables: &PostgresReadModels, batch: &TableBatch) {
    loop {
        match tables.apply(batch).await {
            Ok(()) => return,
            Err(StoreError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn impatient(url: &str) -> PostgresReadModels {
    let mut config = PostgresConfig::new(url).unwrap();
    config.acquire_timeout = Duration::from_millis(500);
    config.read_timeout = Duration::from_millis(500);
    config.write_timeout = Duration::from_millis(500);
    PostgresReadModels::connect(config).await.unwrap()
}

#[tokio::test]
async fn goes_on_after_the_server_was_stopped() {
    let mut home = server(&[]).await;
    let tables = impatient(&home.0.url("postgres")).await;
    tables.apply(&opening(0)).await.unwrap();
    home.0.stop().await;
    assert!(is_outage(&tables.apply(&join(1)).await));
    assert!(is_outage(&tables.battle(battle(1)).await));
    home.0.start_again().await.unwrap();
    healed(&tables, &join(1)).await;
    assert_eq!(tables.battle(battle(1)).await.unwrap().unwrap().participants, 1);
}

#[tokio::test]
async fn keeps_what_was_applied_when_the_server_is_killed() {
    let mut home = server(&[]).await;
    let tables = connected(&home.0.url("postgres")).await;
    tables.apply(&opening(0)).await.unwrap();
    for n in 1..=3 {
        tables.apply(&join(n)).await.unwrap();
        home.0.process.kill().await;
        home.0.start_again().await.unwrap();
        assert_eq!(tables.checkpoints().await.unwrap().tables, 10 + Position::from(n));
    }
}

#[tokio::test]
async fn notices_no_restart_that_happened_while_it_was_idle() {
    let mut home = server(&[]).await;
    let tables = connected(&home.0.url("postgres")).await;
    tables.apply(&opening(0)).await.unwrap();
    home.0.stop().await;
    home.0.start_again().await.unwrap();
    tables.apply(&join(1)).await.unwrap();
    assert!(tables.participant(battle(1), participant(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn answers_in_time_while_everything_hangs() {
    let (tables, (pool, _home)) = pooled().await;
    tables.apply(&opening(0)).await.unwrap();
    let url = pool.url("postgres");
    let tables = impatient(&url).await;
    hang(&pool.process, &tables, &url).await;
    healed(&tables, &join(1)).await;
    assert_eq!(tables.battle(battle(1)).await.unwrap().unwrap().participants, 1);
}

async fn hang(process: &Process, tables: &PostgresReadModels, url: &str) {
    process.pause();
    assert!(is_outage(&tables.apply(&join(1)).await));
    assert!(is_outage(&tables.top(battle(1), 10).await));
    let opened = PostgresReadModels::connect(PostgresConfig::new(url).unwrap()).await;
    process.resume();
    assert!(is_outage(&opened), "{opened:?}");
}

#[tokio::test]
async fn waits_for_a_connection_when_the_server_has_none() {
    let settings = ["max_connections=4", "superuser_reserved_connections=0", "max_wal_senders=0"];
    let home = server(&settings).await;
    let tables = impatient(&home.0.url("postgres")).await;
    tables.apply(&opening(0)).await.unwrap();
    tables.close().await;
    let mut taken = Vec::new();
    while let Ok(connection) = PgConnection::connect(&home.0.url("postgres")).await {
        taken.push(connection);
    }
    let opened = PostgresReadModels::connect(PostgresConfig::new(&home.0.url("postgres")).unwrap()).await;
    assert!(is_outage(&opened), "{opened:?}");
    for connection in taken {
        connection.close().await.unwrap();
    }
    let tables = connected(&home.0.url("postgres")).await;
    tables.apply(&join(1)).await.unwrap();
}

#[tokio::test]
async fn applies_a_batch_once_whose_commit_nobody_heard_of() {
    // A commit waits for a standby that is not there: it is done, and cannot say so.
    let (mut pool, home, tables) = {
        let (tables, (pool, home)) = pooled().await;
        (pool, home, tables)
    };
    tables.apply(&opening(0)).await.unwrap();
    let mut other = other(&home).await;
    for sql in ["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"] {
        sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
    }
    while count(
        &mut other,
        "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = 'nobody'",
    )
    .await
        == 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let first_batch = join(1);
    let killing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        while count(&mut other, waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        pool.process.kill().await;
    };
    let (first, ()) = tokio::join!(tables.apply(&first_batch), killing);
    assert!(is_outage(&first), "{first:?}");
    pool.start_again().await.unwrap();
    let release = async {
        for sql in ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"] {
            sqlx::raw_sql(sql).execute(&mut other).await.unwrap();
        }
    };
    let (again, ()) = tokio::join!(tables.apply(&first_batch), release);
    again.unwrap();
    tables.apply(&join(2)).await.unwrap();
    assert_eq!(tables.battle(battle(1)).await.unwrap().unwrap().participants, 2);
}

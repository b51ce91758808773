use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::contract::story::opening;
use crate::rebuild::Rebuildable;

/// How many participants join while all goes on.
const JOINS: u32 = 300;
const READERS: usize = 12;

#[tokio::test]
async fn a_writer_goes_on_after_another_gave_out_keys() {
    let (first, home) = straight().await;
    let second = connected(&home.0.url("postgres")).await;
    first.apply(&opening(0)).await.unwrap();
    first.apply(&join(1)).await.unwrap();
    second.apply(&join(2)).await.unwrap();
    first.apply(&join(3)).await.unwrap();
    second.apply(&join(4)).await.unwrap();
    let overtaken = first.apply(&TableBatch { follows: 13, ..batch(20) }).await;
    assert!(matches!(overtaken, Err(StoreError::Overtaken { expected: 13, stored: 14 })), "{overtaken:?}");
    assert_eq!(first.usernames(battle(1)).await.unwrap().len(), 4);
}

/// A rebuild may run in one process while another one is at work.
#[tokio::test]
async fn who_writes_in_another_process_waits_for_an_exchange_and_goes_on_in_the_new_tables() {
    let (tables, home) = straight().await;
    let rival = connected(&home.0.url("postgres")).await;
    rival.apply(&opening(0)).await.unwrap();
    rival.apply(&join(1)).await.unwrap();
    let next = tables.begin_next().await.unwrap();
    next.tables().apply(&opening(0)).await.unwrap();
    next.tables().apply(&join(1)).await.unwrap();
    let held = next.hold().await.unwrap();
    let writing = tokio::spawn(async move {
        rival.apply(&join(2)).await.unwrap();
        rival.apply(&join(3)).await.unwrap();
    });
    let mut other = other(&home).await;
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    while count(&mut other, waits).await == 0 {
        tokio::task::yield_now().await;
    }
    held.replace().await.unwrap();
    writing.await.unwrap();
    assert_eq!(tables.usernames(battle(1)).await.unwrap().len(), 3);
    assert_eq!(count(&mut other, "SELECT count(*) FROM battle_participants").await, 3);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'public_%'";
    assert_eq!(count(&mut other, left).await, 0);
}

/// All indexes and constraints of a schema's tables.
const DEFINED: &str = "SELECT string_agg(d, E'\n' ORDER BY d) FROM ( \
     SELECT replace(pg_get_indexdef(i.indexrelid), t.relnamespace::regnamespace::text, '') AS d FROM pg_index i \
     JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = 'public'::regnamespace \
     UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE connamespace = 'public'::regnamespace) AS all_of_them";

async fn defined(connection: &mut PgConnection) -> String {
    sqlx::query(DEFINED).persistent(false).fetch_one(connection).await.unwrap().get(0)
}

/// What is left out while tables are built is there again when they are used.
#[tokio::test]
async fn tables_that_were_exchanged_have_all_their_indexes_and_constraints() {
    let (tables, home) = straight().await;
    let mut other = other(&home).await;
    let before = defined(&mut other).await;
    assert!(before.contains("idx_attacks_target") && before.contains("attacks_pkey"), "{before}");
    tables.apply(&opening(2)).await.unwrap();
    let next = tables.begin_next().await.unwrap();
    next.tables().apply(&opening(2)).await.unwrap();
    next.hold().await.unwrap().replace().await.unwrap();
    assert_eq!(defined(&mut other).await, before);
}

/// A rebuild that was overtaken by another one makes nothing in the tables of that one.
#[tokio::test]
async fn a_rebuild_that_was_overtaken_leaves_the_tables_of_the_other_alone() {
    let (tables, _home) = straight().await;
    tables.apply(&opening(2)).await.unwrap();
    let first = tables.begin_next().await.unwrap();
    let second = tables.begin_next().await.unwrap();
    assert!(first.hold().await.is_err());
    second.tables().apply(&opening(2)).await.unwrap();
    second.hold().await.unwrap().replace().await.unwrap();
}

/// Each of two processes takes itself for the only one that writes, many ask, PgBouncer has two connections and is killed again
/// and again: every batch is applied once, and no answer is a mixture.
#[tokio::test]
async fn two_writers_and_many_readers_go_on_while_pgbouncer_is_restarted() {
    let (tables, (mut pool, _home)) = pooled().await;
    tables.apply(&opening(0)).await.unwrap();
    let url = pool.url("postgres");
    let tables = Arc::new(tables);
    let (progress, mut reached) = watch::channel(0);
    let mut writers = Vec::new();
    for _ in 0..2 {
        let rival = connected(&url).await;
        writers.push(tokio::spawn(write_all(rival, progress.clone())));
    }
    let read = |_| tokio::spawn(read_until_all_joined(Arc::clone(&tables)));
    let readers: Vec<_> = (0..READERS).map(read).collect();
    for part in 1..=3 {
        reached.wait_for(|&joined| joined >= JOINS * part / 4).await.unwrap();
        pool.process.kill().await;
        pool.start_again().await.unwrap();
    }
    for task in writers.into_iter().chain(readers) {
        task.await.unwrap();
    }
    let names = tables.usernames(battle(1)).await.unwrap();
    assert_eq!(names.len(), JOINS as usize);
    assert_eq!(tables.battle(battle(1)).await.unwrap().unwrap().participants, JOINS);
}

/// What a projection does: it goes on from where the tables are, whoever brought them there.
async fn write_all(tables: PostgresReadModels, progress: watch::Sender<u32>) {
    let mut next = 1;
    while next <= JOINS {
        match tables.apply(&join(next)).await {
            Ok(()) => next += 1,
            Err(StoreError::Overtaken { stored, .. }) => next = u32::try_from(stored - 10).unwrap() + 1,
            Err(StoreError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
        progress.send_modify(|joined| *joined = (*joined).max(next - 1));
    }
}

async fn read_until_all_joined(tables: Arc<PostgresReadModels>) {
    let mut joined = 0;
    while joined < JOINS {
        match tables.top(battle(1), 1_000).await {
            Ok(board) => {
                assert_eq!(board.entries.len(), board.total as usize);
                assert_eq!(u64::from(board.total), board.as_of - 10);
                assert!(board.total >= joined, "{} after {joined}", board.total);
                joined = board.total;
            }
            Err(StoreError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

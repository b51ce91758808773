use sqlx::Row;
use tempfile::TempDir;

use super::*;
use crate::contract::story::{apply, attack, batch, joined, opening};
use crate::contract::{battle, participant};
use crate::tables::TableBatch;

async fn tables_in(home: &TempDir) -> Result<SqliteReadModels, StoreError> {
    SqliteReadModels::open(&home.path().join("read-models.db"), SqliteConfig::default()).await
}

async fn tables() -> (SqliteReadModels, TempDir) {
    let home = tempfile::tempdir().unwrap();
    (tables_in(&home).await.unwrap(), home)
}

crate::read_models_contract!(tables().await);

async fn schema_of(tables: &SqliteReadModels, name: &str) -> String {
    let row = sqlx::query("SELECT sql FROM sqlite_schema WHERE name = ?1")
        .bind(name.to_owned())
        .fetch_one(&tables.readers)
        .await
        .unwrap();
    row.get::<String, _>(0).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn who_only_reads_changes_nothing() {
    let (tables, home) = tables().await;
    apply(&tables, opening(2)).await.unwrap();
    let file = home.path().join("read-models.db");
    // An older version's, while a server has it open and when none has.
    sqlx::query("UPDATE _sqlx_migrations SET version = 99 WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&tables.writer)
        .await
        .unwrap();
    for open in [true, false] {
        if !open {
            tables.close().await;
        }
        let before = std::fs::read(&file).unwrap();
        let read_only = SqliteReadModels::open_read_only(&file, SqliteConfig::default()).await.unwrap();
        assert_eq!(read_only.checkpoints().await.unwrap().tables, 10);
        assert!(apply(&read_only, batch(11)).await.is_err());
        read_only.close().await;
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    let nowhere = SqliteReadModels::open_read_only(&home.path().join("no"), SqliteConfig::default()).await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable { .. })), "{nowhere:?}");
}

#[tokio::test]
async fn goes_on_where_it_was_after_a_restart() {
    let (tables, home) = tables().await;
    apply(&tables, opening(2)).await.unwrap();
    tables.close().await;
    let tables = tables_in(&home).await.unwrap();
    assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
    let attack = attack(battle(1), 11, 1, 2);
    apply(&tables, TableBatch { attacks: vec![attack.clone()], ..batch(11) }).await.unwrap();
    let listed = tables.attacks_on(battle(1), participant(2), 0, 10).await.unwrap();
    assert_eq!(listed[0].attack, attack);
}

#[tokio::test]
async fn answers_the_reference_query_from_the_reference_table() {
    let (tables, _home) = tables().await;
    apply(&tables, opening(3)).await.unwrap();
    let rows = sqlx::query(
        "SELECT username, points, shields, arrows FROM battle_participants \
         WHERE battle_id = $1 ORDER BY points DESC LIMIT 100",
    )
    .bind(1)
    .fetch_all(&tables.readers)
    .await
    .unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, vec!["player 3", "player 2", "player 1"]);
}

#[tokio::test]
async fn has_the_constraint_and_the_indexes_of_the_reference() {
    let (tables, _home) = tables().await;
    let table = schema_of(&tables, "battle_participants").await;
    for part in [
        "username VARCHAR(50) NOT NULL",
        "session_id VARCHAR(100)",
        "points INTEGER DEFAULT 0",
        "is_active BOOLEAN DEFAULT TRUE",
        "last_activity_at TIMESTAMP",
        "CONSTRAINT unique_battle_username UNIQUE (battle_id, username)",
    ] {
        assert!(table.contains(part), "{part} is not in {table}");
    }
    for (index, on) in [
        ("idx_participants_leaderboard", "ON battle_participants (battle_id, points DESC)"),
        ("idx_participants_session", "ON battle_participants (battle_id, session_id) WHERE is_active = TRUE"),
        ("idx_participants_active", "ON battle_participants (battle_id, is_active, last_activity_at)"),
    ] {
        assert!(schema_of(&tables, index).await.ends_with(on), "{index}");
    }
}

#[tokio::test]
async fn says_that_a_foreign_file_is_damaged() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("read-models.db"), [b'x'; 8_192]).unwrap();
    let answer = tables_in(&home).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
}

#[tokio::test]
async fn says_that_tables_of_a_newer_version_are_not_for_it() {
    let (tables, home) = tables().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&tables.writer).await.unwrap();
    tables.close().await;
    let answer = tables_in(&home).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
}

#[tokio::test]
async fn passes_over_a_checkpoint_that_it_does_not_know() {
    let (tables, _home) = tables().await;
    apply(&tables, opening(2)).await.unwrap();
    let later = "INSERT INTO projection_checkpoints (name, position) VALUES ('of tomorrow', 7)";
    sqlx::query(later).execute(&tables.writer).await.unwrap();
    assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
}

/// The file as the first version left it, with the rows that `insert` makes.
async fn file_of_the_first_version(home: &TempDir, insert: &'static str) {
    let tables = tables_in(home).await.unwrap();
    apply(&tables, opening(3)).await.unwrap();
    for sql in [
        insert,
        "ALTER TABLE battle_participants DROP COLUMN has_left",
        "ALTER TABLE parked_events DROP COLUMN discarded_at",
        "ALTER TABLE parked_events DROP COLUMN discard_reason",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(sql).execute(&tables.writer).await.unwrap();
    }
    tables.close().await;
}

#[tokio::test]
async fn tells_who_left_from_who_lapsed_in_a_file_of_the_first_version() {
    let home = tempfile::tempdir().unwrap();
    let first_left_and_second_lapsed = "UPDATE battle_participants SET is_active = id = 3, \
         last_activity_at = '2026-01-01', updated_at = iif(id = 1, '2026-01-01', '2026-01-02')";
    file_of_the_first_version(&home, first_left_and_second_lapsed).await;
    let tables = tables_in(&home).await.unwrap();
    let mut left = Vec::new();
    for n in 1..=3 {
        left.push(tables.participant(battle(1), participant(n)).await.unwrap().unwrap().has_left);
    }
    assert_eq!(left, vec![true, false, false]);
}

#[tokio::test]
async fn is_unavailable_while_the_disk_is_full_and_then_goes_on() {
    let (tables, _home) = tables().await;
    apply(&tables, opening(2)).await.unwrap();
    let attacks = (11..5_000).map(|position| attack(battle(1), position, 1, 2)).collect();
    let much = TableBatch { attacks, ..batch(5_000) };
    // SQLite answers with the same code when a file system has no room.
    sqlx::query("PRAGMA max_page_count = 30").execute(&tables.writer).await.unwrap();
    let answer = apply(&tables, much.clone()).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    assert_eq!(tables.checkpoints().await.unwrap().tables, 10);
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&tables.writer).await.unwrap();
    apply(&tables, much).await.unwrap();
    assert_eq!(tables.checkpoints().await.unwrap().tables, 5_000);
}

#[tokio::test]
async fn is_unavailable_when_all_readers_are_taken_for_too_long() {
    let home = tempfile::tempdir().unwrap();
    let config = SqliteConfig { readers_max: 1, ..SqliteConfig::default() };
    let tables = SqliteReadModels::open(&home.path().join("read-models.db"), config).await.unwrap();
    let taken = tables.readers.acquire().await.unwrap();
    let answer = tables.battle(battle(1)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    drop(taken);
}

#[tokio::test]
async fn looks_rows_up_by_their_keys() {
    let (tables, _home) = tables().await;
    let statements = [
        include_str!("sql/update_participants.sql"),
        include_str!("sql/update_actors.sql"),
        include_str!("sql/update_players.sql"),
        include_str!("sql/update_targets.sql"),
        include_str!("sql/update_verdicts.sql"),
        include_str!("sql/update_battles.sql"),
        include_str!("sql/attacks_on.sql"),
        include_str!("sql/last_attacks_on.sql"),
        include_str!("sql/board.sql"),
        include_str!("sql/place.sql"),
        include_str!("sql/participant.sql"),
        include_str!("sql/battle_keys.sql"),
        include_str!("sql/participant_keys.sql"),
        include_str!("sql/battles.sql"),
        include_str!("sql/battles_in_phase.sql"),
        include_str!("sql/battle_by_join_code.sql"),
    ];
    for sql in statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&tables.writer).await.unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let scans = steps.iter().find(|step| {
            step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE") && !step.contains("CONSTANT ROW")
        });
        assert_eq!(scans, None, "{sql}\n{steps:#?}");
    }
}

#[tokio::test]
async fn a_writer_goes_on_after_another_gave_out_keys() {
    let (first, home) = tables().await;
    let second = tables_in(&home).await.unwrap();
    apply(&first, opening(1)).await.unwrap();
    for (n, writer) in [(2, &second), (3, &first), (4, &second), (5, &first)] {
        let batch = TableBatch { joined: vec![joined(battle(1), n)], ..batch(10 + u64::from(n)) };
        apply(writer, batch).await.unwrap();
    }
    assert_eq!(first.usernames(battle(1)).await.unwrap().len(), 5);
}

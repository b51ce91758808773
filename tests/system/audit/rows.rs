//! Rows of the tables that are not what the log says.

use super::*;

#[tokio::test]
async fn an_edited_row_is_named_with_its_column() {
    let (folder, battle) = played().await;
    let file = folder.path().join("read-models.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut tables = SqliteConnection::connect_with(&options).await.unwrap();
    let edits = [
        (
            "battle_participants SET shields = 7",
            "battle_participants SET shields = 0",
            "column shields: the log says 0, stored is 7",
        ),
        (
            "battle_participants SET is_active = 0",
            "battle_participants SET is_active = 1",
            "column is_active",
        ),
        (
            "questions SET prompt = 'Odd?' WHERE number = 1",
            "questions SET prompt = 'Which one is even?' WHERE number = 1",
            "column prompt",
        ),
        ("battles SET title = 'Another'", "battles SET title = 'A test of courage'", "column title"),
        (
            "answers SET verdict = 'correct'",
            "answers SET verdict = 'wrong' WHERE position = 7",
            "column verdict",
        ),
        (
            "attacks SET points_deducted = 9",
            "attacks SET points_deducted = 1",
            "attacks, row 8, column points",
        ),
        (
            "attacks SET position = 99 WHERE position = 12",
            "attacks SET position = 12 WHERE position = 99",
            "attacks, row 12: it is missing",
        ),
        (
            "answers SET position = 2 WHERE position = 7",
            "answers SET position = 7 WHERE position = 2",
            "answers, row 2: the log holds no such event",
        ),
    ];
    for (edit, undo, named) in edits {
        sqlx::query(AssertSqlSafe(format!("UPDATE {edit}"))).execute(&mut tables).await.unwrap();
        let said = ends_with(1, &["verify"], &dir(&folder)).await;
        assert!(said.contains("row ") && said.contains(named), "{said}");
        let said = ends_with(1, &["verify", &battle], &dir(&folder)).await;
        assert!(said.contains("row ") && said.contains(named), "{said}");
        let json = ends_with(1, &["verify", "--json"], &dir(&folder)).await;
        assert!(json.contains("\"clean\": false"), "{json}");
        sqlx::query(AssertSqlSafe(format!("UPDATE {undo}"))).execute(&mut tables).await.unwrap();
        ends_with(0, &["verify"], &dir(&folder)).await;
    }
    sqlx::query("DELETE FROM battle_participants WHERE username = 'eve'").execute(&mut tables).await.unwrap();
    assert!(ends_with(1, &["verify"], &dir(&folder)).await.contains("it is missing"));
    tables.close().await.unwrap();
}

#[tokio::test]
async fn rows_that_the_log_knows_nothing_of_are_named() {
    let (folder, _) = played().await;
    let file = folder.path().join("read-models.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut tables = SqliteConnection::connect_with(&options).await.unwrap();
    let question = "INSERT INTO questions (battle_id, number, kind, prompt, choices, reward_points, reward_shields, \
                    reward_arrows, attempts_max, opens_after_ms, answering_time_ms) \
                    SELECT battle_id, 99, kind, prompt, choices, reward_points, reward_shields, reward_arrows, \
                    attempts_max, opens_after_ms, answering_time_ms FROM questions WHERE number = 1";
    // It says of itself that it is newer than the log.
    let stranger = "00000000-0000-4000-8000-000000000000";
    let battle = format!(
        "INSERT INTO battles (uuid, join_code, title, rules, questions, phase, created_at, created_position, position) \
         SELECT '{stranger}', 'ABCDEF', title, rules, 0, phase, created_at, 1000, 1000 FROM battles"
    );
    let forgeries = [
        (question, "DELETE FROM questions WHERE number = 99", "column count: the log says 3, stored is 4"),
        (&battle, "DELETE FROM battles WHERE created_position = 1000", "the log holds no such battle"),
    ];
    for (forgery, undo, named) in forgeries {
        sqlx::query(AssertSqlSafe(forgery.to_owned())).execute(&mut tables).await.unwrap();
        let said = ends_with(1, &["verify"], &dir(&folder)).await;
        assert!(said.contains(named), "{said}");
        sqlx::query(undo).execute(&mut tables).await.unwrap();
        ends_with(0, &["verify"], &dir(&folder)).await;
    }
    tables.close().await.unwrap();
}

#[tokio::test]
async fn rows_that_were_put_back_to_an_earlier_state_are_named() {
    let (folder, battle) = played().await;
    // The same log without its last event, and tables that a server made of it.
    let earlier = forge(folder.path(), |events| drop(events.pop())).await;
    std::fs::rename(folder.path().join("secrets"), earlier.path().join("secrets")).unwrap();
    copy_names(folder.path(), earlier.path());
    let server = Server::start(earlier.path(), "127.0.0.1:0").await;
    projected(&server, earlier.path()).await;
    assert_eq!(server.terminate().await, 0);
    for file in ["read-models.sqlite-wal", "read-models.sqlite-shm"] {
        assert!(!earlier.path().join(file).exists());
        let _absent = std::fs::remove_file(folder.path().join(file));
    }
    let file = folder.path().join("read-models.sqlite");
    std::fs::copy(earlier.path().join("read-models.sqlite"), &file).unwrap();
    // Tables that are behind and say so are in order.
    let said = ends_with(0, &["verify"], &dir(&folder)).await;
    assert!(said.contains("the tables stand at position 11, 1 behind the log"), "{said}");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut tables = SqliteConnection::connect_with(&options).await.unwrap();
    let newer = "UPDATE projection_checkpoints SET position = 12 WHERE name = 'tables'";
    sqlx::query(newer).execute(&mut tables).await.unwrap();
    let said = ends_with(1, &["verify"], &dir(&folder)).await;
    assert!(said.contains("attacks, row 12: it is missing"), "{said}");
    let said = ends_with(1, &["verify", &battle], &dir(&folder)).await;
    assert!(said.contains("attacks, row 12: it is missing"), "{said}");
    tables.close().await.unwrap();
}

#[tokio::test]
async fn a_parked_event_excuses_no_row() {
    let (folder, _) = played().await;
    let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system())).unwrap();
    let last = log.read_all(12, Direction::Forwards, 1, &Filter::default()).await.unwrap().events.remove(0);
    log.close().await;
    let file = folder.path().join("read-models.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut tables = SqliteConnection::connect_with(&options).await.unwrap();
    let edit = "UPDATE battle_participants SET points = points + 1 WHERE username = 'bob'";
    sqlx::query(edit).execute(&mut tables).await.unwrap();
    ends_with(1, &["verify"], &dir(&folder)).await;
    let park = "INSERT INTO parked_events (position, stream, revision, event_id, event_type, reason, parked_at) \
                VALUES (12, $1, $2, $3, $4, 'a reason', '2026-01-31T12:00:00Z')";
    let park =
        sqlx::query(park).bind(&*last.stream).bind(last.revision.cast_signed()).bind(last.id.to_string());
    park.bind(&*last.event_type).execute(&mut tables).await.unwrap();
    let said = ends_with(1, &["verify"], &dir(&folder)).await;
    assert!(
        said.contains("column points") && said.contains("positions [12] of the battle are parked"),
        "{said}"
    );
    tables.close().await.unwrap();
}

use super::*;
use crate::contract::participant;
use crate::contract::story::opening;

#[tokio::test]
async fn many_nodes_make_the_tables_at_once() {
    let home = server(&[]).await;
    let pool = PgBouncer::start(&home.1.path().join("pgbouncer"), &home.0, 2, &[]).await.unwrap();
    let connect = || {
        let url = pool.url("postgres");
        tokio::spawn(async move { connected(&url).await })
    };
    let nodes: Vec<_> = (0..6).map(|_| connect()).collect();
    for node in nodes {
        assert_eq!(node.await.unwrap().checkpoints().await.unwrap(), Checkpoints::default());
    }
}

#[tokio::test]
async fn says_that_tables_of_a_newer_version_are_not_for_it() {
    let (tables, home) = straight().await;
    tables.close().await;
    let newer =
        "INSERT INTO schema_migrations (version, description, checksum) VALUES (9999, 'of tomorrow', '')";
    sqlx::query(newer).execute(&mut other(&home).await).await.unwrap();
    let answer = PostgresReadModels::connect(PostgresConfig::new(&home.0.url("postgres")).unwrap()).await;
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
}

#[tokio::test]
async fn has_the_constraint_and_the_indexes_of_the_reference() {
    let (_tables, home) = straight().await;
    let mut other = other(&home).await;
    let constraint =
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'unique_battle_username'";
    let constraint: String = sqlx::query_scalar(constraint).fetch_one(&mut other).await.unwrap();
    assert_eq!(constraint, "UNIQUE (battle_id, username)");
    for (index, on) in [
        ("idx_participants_leaderboard", "(battle_id, points DESC)"),
        ("idx_participants_session", "(battle_id, session_id) WHERE (is_active = true)"),
        ("idx_participants_active", "(battle_id, is_active, last_activity_at)"),
    ] {
        let query = sqlx::query_scalar("SELECT indexdef FROM pg_indexes WHERE indexname = $1").bind(index);
        let definition: String = query.fetch_one(&mut other).await.unwrap();
        assert!(definition.ends_with(on), "{definition}");
    }
}

#[tokio::test]
async fn people_read_plain_times_and_names() {
    let (tables, home) = straight().await;
    tables.apply(&opening(1)).await.unwrap();
    let sql = "SELECT username || ' ' || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') \
               FROM battle_participants";
    let line: String = sqlx::query_scalar(sql).fetch_one(&mut other(&home).await).await.unwrap();
    assert_eq!(line, "player 1 2026-11-24 01:47:15.123000");
}

#[tokio::test]
async fn holds_few_connections_however_much_is_asked() {
    let (tables, home) = straight().await;
    tables.apply(&opening(2)).await.unwrap();
    let tables = std::sync::Arc::new(tables);
    let ask = |_| {
        let tables = std::sync::Arc::clone(&tables);
        tokio::spawn(async move { tables.participant(battle(1), participant(1)).await })
    };
    let asked: Vec<_> = (0..200).map(ask).collect();
    for answer in asked {
        assert!(answer.await.unwrap().unwrap().is_some());
    }
    let held = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nimaora'";
    let held = count(&mut other(&home).await, held).await;
    assert!((1..=5).contains(&held), "{held}");
}

#[tokio::test]
async fn leaves_nothing_behind_on_a_connection_of_the_server() {
    let home = server(&[]).await;
    let pool = PgBouncer::start(&home.1.path().join("pgbouncer"), &home.0, 1, &[]).await.unwrap();
    let tables = connected(&pool.url("postgres")).await;
    tables.apply(&opening(2)).await.unwrap();
    tables.top(battle(1), 10).await.unwrap();
    // There is but one connection behind the PgBouncer, so this is the one that did all that.
    let sql = "SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> '') \
               + (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name LIKE '%timeout%') \
               + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')";
    let row = sqlx::raw_sql(AssertSqlSafe(sql));
    let mut guest = PgConnection::connect_with(&PostgresConfig::new(&pool.url("postgres")).unwrap().options)
        .await
        .unwrap();
    let left: i64 = row.fetch_one(&mut guest).await.unwrap().get(0);
    assert_eq!(left, 0);
}

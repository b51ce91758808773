//! Tables that are built anew beside those in use.

use std::sync::Arc;

use nimaora_projection_service::Config;
use nimaora_projection_service::parity::BoardsBeside;
use nimaora_projection_service::rebuild::{PROJECTION_VERSION, Progress, Rebuild, RebuildError, Rebuilt};
use nimaora_read_models::{BoardLine, Leaderboard, ReadModels, WholeBoard};
use nimaora_runtime::Shutdown;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::sync::watch;

use crate::support::{Arena, Server, World, eventually, soon};

fn rebuild(world: &World, server: &Server, shutdown: &Shutdown) -> Rebuild {
    Rebuild {
        log: Arc::<nimaora_event_log::embedded::EmbeddedLog>::clone(&world.log),
        tables: Arc::<nimaora_read_models::sqlite::SqliteReadModels>::clone(&server.tables),
        boards: BoardsBeside {
            leaderboard: Arc::<nimaora_read_models::memory::MemoryLeaderboard>::clone(&server.leaderboard),
            tables: Arc::<nimaora_read_models::sqlite::SqliteReadModels>::clone(&server.tables),
        },
        config: Config::new(world.clock.clone(), 3),
        shutdown: shutdown.clone(),
        progress: watch::Sender::new(Progress::default()),
    }
}

async fn rebuilt(world: &World, server: &Server, accept_differences: bool) -> Result<Rebuilt, RebuildError> {
    soon(rebuild(world, server, &Shutdown::new()).run(accept_differences)).await
}

/// Changes a row behind everybody's back.
async fn tamper(world: &World, sql: &str) {
    let options = SqliteConnectOptions::new().filename(world.tables_file("read-models.db"));
    let mut tables = options.connect().await.unwrap();
    sqlx::query(AssertSqlSafe(sql)).execute(&mut tables).await.unwrap();
}

#[tokio::test]
async fn tables_that_are_right_are_exchanged_and_nobody_is_told_anything_twice() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    arena.attack(1, 2).await;
    server.done(&world).await;
    let told = server.bus.batches().len();
    let done = rebuilt(&world, &server, false).await.unwrap();
    assert_eq!((done.comparison.differing, done.exchanged_at), (0, Some(arena.position)));
    assert_eq!(server.bus.batches().len(), told);
    arena.attack(2, 3).await;
    server.done(&world).await;
    assert_eq!(server.tables.attacks_on(arena.id, arena.who(3), 0, 10).await.unwrap().len(), 1);
    assert_eq!(server.bus.attacks().len(), 2);
}

#[tokio::test]
async fn tables_that_differ_are_left_unless_that_is_wanted() {
    let world = World::new();
    let server = world.start().await;
    let arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    tamper(&world, "UPDATE battle_participants SET points = 77 WHERE id = 2").await;
    let found = rebuilt(&world, &server, false).await.unwrap();
    assert_eq!((found.comparison.differing, found.exchanged_at), (1, None));
    let difference = &found.comparison.differences[0];
    assert_eq!((difference.table, difference.column), ("battle_participants", Some("points")));
    assert_eq!(difference.in_use.as_deref(), Some("77"));
    let points = async || {
        let shown = server.tables.participant(arena.id, arena.who(2)).await.unwrap().unwrap();
        shown.balance.points
    };
    assert_eq!(points().await, 77);
    let found = rebuilt(&world, &server, true).await.unwrap();
    assert_eq!((found.comparison.differing, found.exchanged_at.is_some()), (1, true));
    assert_ne!(points().await, 77);
    assert_eq!(rebuilt(&world, &server, false).await.unwrap().comparison.differing, 0);
}

#[tokio::test]
async fn battles_go_on_while_tables_are_built_and_exchanged() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 4).await;
    server.done(&world).await;
    let playing = async {
        let mut attacks = 0;
        for n in 0..200_u128 {
            attacks += usize::from(arena.attack(1 + n % 4, 1 + (n + 1) % 4).await);
        }
        attacks
    };
    let building = async {
        for _ in 0..3 {
            let done = rebuilt(&world, &server, false).await.unwrap();
            assert_eq!((done.comparison.differing, done.exchanged_at.is_some()), (0, true));
        }
    };
    let (attacks, ()) = tokio::join!(playing, building);
    server.done(&world).await;
    assert!(attacks > 0);
    assert_eq!(server.bus.attacks().len(), attacks);
    assert_eq!(rebuilt(&world, &server, false).await.unwrap().comparison.differing, 0);
}

#[tokio::test]
async fn what_was_parked_stays_parked_and_a_rebuild_that_is_dropped_leaves_everything() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    arena.append_unheard_of("BattleSang", "{}").await;
    server.done(&world).await;
    drop(rebuild(&world, &server, &Shutdown::new()).run(false));
    assert_eq!(server.tables.checkpoints().await.unwrap().tables, world.head().await);
    assert_eq!(rebuilt(&world, &server, false).await.unwrap().comparison.differing, 0);
    assert_eq!(server.tables.parked(0, 10).await.unwrap().len(), 1);
}

/// Puts another board in the place of the battle's, as of the same event: everybody has so many points.
async fn tamper_with_board(server: &Server, arena: &Arena, points: u32) {
    let board = server.leaderboard.top(arena.id, 100).await.unwrap();
    let line = |entry: &nimaora_read_models::BoardEntry| BoardLine {
        participant_id: entry.participant_id,
        username: Arc::clone(&entry.username),
        points,
        reached_revision: entry.reached_revision,
    };
    let lines = board.entries.iter().map(line).collect();
    let revision = arena.last_revision();
    server.leaderboard.forget(&[arena.id]).await.unwrap();
    let wrong = WholeBoard { battle_id: arena.id, lines, revision, position: board.as_of, ended: false };
    server.leaderboard.restore(&wrong).await.unwrap();
}

async fn board_is_right(server: &Server, arena: &Arena) -> bool {
    match server.leaderboard.top(arena.id, 100).await {
        Ok(board) => board == server.tables.top(arena.id, 100).await.unwrap(),
        Err(_) => false,
    }
}

#[tokio::test]
async fn boards_that_differ_from_the_tables_are_told_and_made_anew() {
    let world = World::new();
    let server = world.start().await;
    let arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    let rows = rebuilt(&world, &server, false).await.unwrap().comparison.rows;
    let boards = rows.iter().find(|rows| rows.table == "leaderboard").unwrap();
    assert_eq!((boards.in_use, boards.next), (3, 3));

    tamper_with_board(&server, &arena, 77).await;
    assert!(!board_is_right(&server, &arena).await);
    let found = rebuilt(&world, &server, false).await.unwrap();
    assert_eq!((found.comparison.differing, found.exchanged_at.is_some()), (3, true));
    let named = &found.comparison.differences[0];
    assert_eq!(
        (named.table, named.column, named.in_use.as_deref()),
        ("leaderboard", Some("points"), Some("77"))
    );
    eventually(async || board_is_right(&server, &arena).await).await;
}

#[tokio::test]
async fn boards_are_made_anew_by_themselves_when_the_tables_became_others() {
    let world = World::new();
    let server = world.start().await;
    let arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    tamper(&world, "UPDATE battle_participants SET points = 77 WHERE id = 2").await;
    tamper_with_board(&server, &arena, 77).await;
    assert!(rebuilt(&world, &server, true).await.unwrap().exchanged_at.is_some());
    eventually(async || board_is_right(&server, &arena).await).await;
    assert_ne!(server.leaderboard.top(arena.id, 1).await.unwrap().entries[0].points, 77);
}

#[tokio::test]
async fn tables_say_which_version_they_are_of_and_take_that_of_those_that_replace_them() {
    let world = World::new();
    let server = world.start().await;
    let version = async || server.tables.checkpoints().await.unwrap().version;
    assert_eq!(version().await, Some(PROJECTION_VERSION));
    server.tables.save_version(PROJECTION_VERSION + 1).await.unwrap();
    server.done(&world).await;
    assert_eq!(version().await, Some(PROJECTION_VERSION + 1));
    assert!(rebuilt(&world, &server, false).await.unwrap().exchanged_at.is_some());
    assert_eq!(version().await, Some(PROJECTION_VERSION));
}

//! Tables and boards equal a fold of the log, however it was followed.

use std::collections::BTreeMap;

use crate::support::{Arena, RecordingBus, Server, World};
use nimaora_domain::battle::Status;
use nimaora_domain::{Actor, Command, QuestionId};
use nimaora_read_models::{Leaderboard, ReadModels};
use proptest::prelude::*;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

const PLAYERS: u128 = 12;
const TABLES: [&str; 7] = [
    "battles",
    "questions",
    "battle_participants",
    "answers",
    "attacks",
    "parked_events",
    "projection_checkpoints",
];

/// One random step of a battle. The rules may refuse it.
async fn step(arena: &mut Arena, rng: &mut fastrand::Rng) {
    let (n, other) = (rng.u128(1..=PLAYERS), rng.u128(1..=PLAYERS));
    let participant_id = arena.who(n);
    let question_id = QuestionId(rng.u32(1..=5));
    match rng.u32(0..100) {
        0..10 => arena.join(n).await,
        10..50 => arena.attack(n, other).await,
        50..75 => {
            let answer = *rng.choice(&["yes", "no", "7", "8"]).unwrap();
            arena.answer(n, question_id.0, answer).await
        }
        75..85 => {
            let (attempt, correct) = (rng.u32(1..=3), rng.bool());
            arena.admin(Command::JudgeAnswer { participant_id, question_id, attempt, correct }).await
        }
        85..89 => {
            let session_id = arena.session();
            let actor = Actor::Participant(participant_id, session_id);
            arena.command(Command::ReplaceSession { participant_id, session_id }, actor).await
        }
        89..93 => {
            let participant_ids = vec![participant_id, arena.who(other)];
            arena.command(Command::RecordLapse { participant_ids }, Actor::System).await
        }
        93..97 => arena.command(Command::RecordReturn { participant_id }, Actor::System).await,
        97 => arena.act(n, Command::Leave { participant_id }).await,
        98 => {
            let reason = "for the test".to_owned();
            arena.admin(Command::RemoveParticipant { participant_id, reason }).await
        }
        _ => arena.admin(Command::StartBattle).await,
    };
}

async fn agrees(server: &Server, arena: &Arena) {
    let (tables, boards) = (&server.tables, &server.leaderboard);
    let battle = tables.battle(arena.id).await.unwrap().unwrap();
    let standings = arena.state.standings();
    assert_eq!((battle.phase, battle.as_of), (arena.state.phase(), arena.position));
    assert_eq!(battle.started_at, arena.state.started_at());
    assert_eq!(battle.participants as usize, standings.len());
    for expected in arena.state.participants() {
        let found = tables.participant(arena.id, expected.id()).await.unwrap().unwrap();
        assert_eq!(found.username, expected.username().as_str());
        assert_eq!((found.balance, found.session_id), (expected.balance(), expected.session_id()));
        assert_eq!(found.is_active, expected.status() == Status::Active, "{expected:?}");
        assert_eq!(found.has_left && !found.removed, expected.status() == Status::Left, "{expected:?}");
        assert_eq!(found.removed, expected.status() == Status::Removed, "{expected:?}");
    }
    let board = boards.top(arena.id, 1_000).await.unwrap();
    assert_eq!(board, tables.top(arena.id, 1_000).await.unwrap());
    assert_eq!((board.total as usize, board.as_of), (standings.len(), arena.position));
    for (line, expected) in board.entries.iter().zip(standings) {
        assert_eq!(line.participant_id, expected.id());
        assert_eq!(
            (line.points, line.reached_revision),
            (expected.balance().points, expected.reached_revision())
        );
        assert_eq!(&*line.username, expected.username().as_str());
    }
}

/// All rows of all tables, but for when events were parked.
async fn dump(world: &World, file: &str) -> BTreeMap<&'static str, Vec<String>> {
    let options = SqliteConnectOptions::new().filename(world.tables_file(file));
    let mut connection = options.connect().await.unwrap();
    let mut dump = BTreeMap::new();
    for table in TABLES {
        let mut columns: Vec<String> = sqlx::query("SELECT name FROM pragma_table_info(?1)")
            .bind(table)
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        columns.retain(|column| column != "parked_at");
        let select = format!("SELECT json_array({}) AS row FROM {table} ORDER BY row", columns.join(", "));
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
        dump.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    connection.close().await.unwrap();
    dump
}

async fn play(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let world = World::new();
    let mut arenas = vec![Arena::create(&world.log, 1).await, Arena::create(&world.log, 2).await];
    let mut server = world.start().await;
    for turn in 0..rng.usize(50..400) {
        let arena = rng.usize(0..arenas.len());
        step(&mut arenas[arena], &mut rng).await;
        if turn % 130 == 129 {
            server.kill();
            server = world.start().await;
        }
    }
    if rng.bool() {
        arenas[0].admin(Command::FinishBattle).await;
    }
    server.done(&world).await;
    for arena in &arenas {
        agrees(&server, arena).await;
    }
    server.stop().await;
    let batch_events_max = rng.usize(1..300);
    let rebuilt = world
        .start_with("rebuilt.db", RecordingBus::default(), |config| {
            config.batch_events_max = batch_events_max
        })
        .await;
    rebuilt.done(&world).await;
    for arena in &arenas {
        agrees(&rebuilt, arena).await;
    }
    assert_eq!(rebuilt.bus.batches(), vec![], "a rebuild publishes nothing");
    rebuilt.stop().await;
    assert_eq!(dump(&world, "read-models.db").await, dump(&world, "rebuilt.db").await);
}

/// Two projections that each take themselves for the only one write the same tables: what is there is still a fold of the log.
#[tokio::test(flavor = "multi_thread")]
async fn two_projections_at_once_agree_with_the_log() {
    let world = World::new();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut arena = Arena::create(&world.log, 1).await;
    let (one, other) = (world.start().await, world.start().await);
    for _ in 0..300 {
        step(&mut arena, &mut rng).await;
    }
    one.done(&world).await;
    other.done(&world).await;
    agrees(&one, &arena).await;
    agrees(&other, &arena).await;
    assert_eq!(one.handle.status().parked, 0);
    one.stop().await;
    other.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_battle_is_projected_as_it_was_played(seed in any::<u64>().no_shrink()) {
        eprintln!("seed {seed}");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(play(seed));
    }
}

//! `nimaora audit` where log, tables and boards are kept by services that several processes share.

use nimaora_api::v1::Balance;
use nimaora_local_servers::nats::{Nats, NatsOptions};
use nimaora_local_servers::{Postgres, Redis, scratch};
use sqlx::{Connection, PgConnection};

use crate::auditor::{ends_with, projected};
use crate::players::{answer, attack, create_battle, join, start_battle};
use crate::server::{PATIENCE, Server};

/// Waits until the board in Redis holds the event with this revision.
async fn board_holds(redis: &Redis, battle: &str, revision: u64) {
    let held = format!("{revision} ");
    let asked = async {
        loop {
            let seal = redis.by_hand(&format!("HGET battle:{{{battle}}}:participants #")).await.unwrap();
            if seal.starts_with(&held) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
}

/// Puts both keys of a board in the place of others.
async fn copy_board(redis: &Redis, from: &str, to: &str) {
    for part in ["leaderboard", "participants"] {
        let said = redis.by_hand(&format!("COPY {from}:{part} {to}:{part} REPLACE")).await.unwrap();
        assert!(said.starts_with(":1"), "{said}");
    }
}

#[tokio::test]
async fn log_tables_and_boards_in_services_are_compared_each_as_of_its_own_position() {
    let dir = scratch().unwrap();
    let nats = Nats::start(&dir.path().join("nats"), NatsOptions::default()).await.unwrap();
    let postgres = Postgres::start(&dir.path().join("postgres"), &[]).await.unwrap();
    let redis = Redis::start(&dir.path().join("redis"), &[]).await.unwrap();
    let data = dir.path().join("data");
    let stores = [("log", nats.url()), ("tables", postgres.url("postgres")), ("leaderboard", redis.url())];
    let stores = stores.map(|(store, url)| format!("stores.{store}={url}"));
    let settings: Vec<&str> = stores.iter().flat_map(|setting| ["--set", setting]).collect();
    let server = Server::start_with(&settings, &data, "127.0.0.1:0").await;
    let mut commands = server.commands().await;
    let initial = Balance { points: 100, shields: 0, arrows: 10 };
    let battle = create_battle(&mut commands, &server.admin_token(), initial).await;
    let ann = join(&mut commands, &battle, "ann").await;
    let bob = join(&mut commands, &battle, "bob").await;
    start_battle(&mut commands, &server.admin_token(), &battle).await;
    answer(&mut commands, &ann, 1, "2").await.unwrap();
    attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    let key = format!("battle:{{{battle}}}");
    board_holds(&redis, &battle, 5).await;
    copy_board(&redis, &key, "kept").await;
    attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    board_holds(&redis, &battle, 6).await;
    projected(&server, &data).await;
    drop(commands);
    assert_eq!(server.terminate().await, 0);

    let verify = [&["verify", "--data-dir", data.to_str().unwrap()], &settings[..]].concat();
    let said = ends_with(0, &verify).await;
    assert!(said.starts_with("CLEAN: 7 events of 1 battles"), "{said}");
    assert!(said.contains("2 lines of boards in the tables, 2 in the leaderboard"), "{said}");
    assert!(said.contains("1 rows of answers, 2 rows of attacks"), "{said}");
    // A board that came back from an old dump is what it was then.
    copy_board(&redis, "kept", &key).await;
    let said = ends_with(0, &verify).await;
    assert!(said.contains("2 in the leaderboard"), "{said}");
    let member = format!("\"bob {}\"", bob.participant_id);
    redis.by_hand(&format!("ZINCRBY {key}:leaderboard 5 {member}")).await.unwrap();
    let said = ends_with(1, &verify).await;
    assert!(said.contains("DIFFERS: the leaderboard, row rank 2, column points"), "{said}");
    redis.by_hand(&format!("ZINCRBY {key}:leaderboard -5 {member}")).await.unwrap();

    let mut tables = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    for (edit, undo, named) in [
        ("UPDATE attacks SET blocked = true", "UPDATE attacks SET blocked = false", "attacks, row "),
        ("UPDATE answers SET points = 7", "UPDATE answers SET points = 10", "column points, shields, arrows"),
        (
            "UPDATE battle_participants SET shields = 7",
            "UPDATE battle_participants SET shields = 0",
            "column shields",
        ),
    ] {
        sqlx::query(edit).execute(&mut tables).await.unwrap();
        let said = ends_with(1, &verify).await;
        assert!(said.contains(named), "{edit}: {said}");
        sqlx::query(undo).execute(&mut tables).await.unwrap();
    }
    tables.close().await.unwrap();
    ends_with(0, &verify).await;
}

//! What was acknowledged is there after a restart, with a snapshot, without one, and with one that does not fit.

use std::fs;
use std::path::PathBuf;

use nimaora_command_service::Config;
use tonic::Code;

use crate::support::{Duel, Server, refused};

async fn attack_many(server: &Server, duel: &Duel, count: usize) {
    for _ in 0..count {
        server.attack(&duel.ann.token, &duel.bob.participant_id).await.unwrap();
    }
}

fn snapshot(server: &Server, battle_id: &str) -> PathBuf {
    server.snapshot_dir().join(format!("{battle_id}.snapshot"))
}

async fn arrows_after_one_more(server: &Server, duel: &Duel) -> u32 {
    server.attack(&duel.ann.token, &duel.bob.participant_id).await.unwrap().balance.unwrap().arrows
}

/// The snapshot with something else in it, and a checksum that fits.
fn edited(snapshot: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(&snapshot[..snapshot.len() - 4]).unwrap();
    assert!(text.contains(from), "{text}");
    let mut edited = text.replacen(from, to, 1).into_bytes();
    edited.extend(crc32c::crc32c(&edited).to_be_bytes());
    edited
}

#[tokio::test]
async fn a_battle_goes_on_where_it_was() {
    let server = Server::start().await;
    let duel = server.duel().await;
    attack_many(&server, &duel, 3).await;
    let server = server.restart().await;
    assert!(snapshot(&server, &duel.battle_id).exists());
    assert_eq!(arrows_after_one_more(&server, &duel).await, 96);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_passed_over() {
    let server = Server::start().await;
    let duel = server.duel().await;
    attack_many(&server, &duel, 1).await;
    let other = server.duel().await;
    let mut server = server.restart().await;
    let path = snapshot(&server, &duel.battle_id);
    let good = fs::read(&path).unwrap();
    let spoilt: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"{}\n{}".to_vec(),
        good[..good.len() / 2].to_vec(),
        good.iter().map(|byte| if *byte == b'9' { b'8' } else { *byte }).collect(),
        fs::read(snapshot(&server, &other.battle_id)).unwrap(),
        edited(&good, "\"version\":1", "\"version\":0"),
        edited(&good, "\"revision\":4", "\"revision\":3"),
        edited(&good, "\"revision\":4", "\"revision\":9000"),
    ];
    let mut arrows = 99;
    for bytes in spoilt {
        fs::write(&path, bytes).unwrap();
        arrows -= 1;
        assert_eq!(arrows_after_one_more(&server, &duel).await, arrows);
        server = server.restart().await;
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(arrows_after_one_more(&server, &duel).await, arrows - 1);
}

#[tokio::test]
async fn a_long_battle_is_snapshotted_while_it_runs() {
    let server = Server::with(Config { snapshot_events: 10, ..Config::default() }).await;
    let duel = server.duel().await;
    attack_many(&server, &duel, 5).await;
    let bob = &duel.bob;
    for _ in 0..20 {
        drop(server.attack(&bob.token, &duel.ann.participant_id).await);
    }
    let path = snapshot(&server, &duel.battle_id);
    let written = async {
        while !path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, written).await.expect("no snapshot was written");
    let server = server.restart().await;
    assert_eq!(arrows_after_one_more(&server, &duel).await, 94);
}

#[tokio::test]
async fn a_battle_that_is_over_leaves_no_snapshot() {
    let server = Server::start().await;
    let duel = server.duel().await;
    let server = server.restart().await;
    let path = snapshot(&server, &duel.battle_id);
    assert!(path.exists());
    attack_many(&server, &duel, 1).await;
    server.finish(&duel.battle_id).await;
    let mut server = server.restart().await;
    for _ in 0..2 {
        assert!(!path.exists());
        let late = server.attack(&duel.ann.token, &duel.bob.participant_id).await;
        refused(late, Code::FailedPrecondition, "BATTLE_FINISHED");
        server = server.restart().await;
    }
}

#[tokio::test]
async fn snapshots_that_are_left_over_are_removed_at_the_next_start() {
    let server = Server::start().await;
    let (over, open) = (server.duel().await, server.duel().await);
    let server = server.restart().await;
    let path = snapshot(&server, &over.battle_id);
    let left_over = fs::read(&path).unwrap();
    server.finish(&over.battle_id).await;
    let server = server.restart().await;
    let not_ours = server.snapshot_dir().join("notes.snapshot");
    let half_written = path.with_extension("new");
    for file in [&path, &not_ours, &half_written] {
        fs::write(file, &left_over).unwrap();
    }
    let server = server.restart().await;
    server.ready().await;
    // A server that stops finishes what it has begun.
    server.stop().await;
    assert!(!path.exists() && !half_written.exists());
    assert!(not_ours.exists() && snapshot(&server, &open.battle_id).exists());
}

#[tokio::test]
async fn an_idle_battle_leaves_the_memory_and_comes_back() {
    let config = Config { writer_idle_ms: 1, writer_idle_over_ms: 1, writers_max: 1, ..Config::default() };
    let server = Server::with(config).await;
    let duel = server.duel().await;
    // There is room for one battle only, so the second one needs the first to go.
    let second = async {
        loop {
            let request = crate::support::admin(crate::support::battle());
            if let Ok(created) = server.client.clone().create_battle(request).await {
                return created;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, second).await.expect("the idle battle did not leave");
    let back = async {
        loop {
            match server.attack(&duel.ann.token, &duel.bob.participant_id).await {
                Ok(attacked) => return attacked,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
            }
        }
    };
    let attacked = tokio::time::timeout(crate::support::PATIENCE, back).await.unwrap();
    assert_eq!(attacked.balance.unwrap().arrows, 99);
}

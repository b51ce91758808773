//! `nimaora audit`, as an auditor uses it: on what a real server left, also after `kill -9`, and on histories that were tampered with.

mod evidence;
mod files;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nimaora_api::v1::Balance;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, Direction, EventLog, Expected, Filter, NewEvent, RecordedEvent};
use nimaora_local_servers::nats::{Nats, NatsOptions};
use nimaora_runtime::Clock;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::auditor::{self, projected};
use crate::players::{answer, attack, create_battle, join, start_battle};
use crate::server::Server;

/// Where the audited things are.
type Where<'a> = &'a [&'a str];

/// Asserts the exit code and answers what was printed.
async fn ends_with(code: i32, args: &[&str], place: Where<'_>) -> String {
    auditor::ends_with(code, &[args, place].concat()).await
}

/// Three play: 'ann' answers, 'bob' is attacked, 'eve' leaves nothing undone. Answers the battle.
async fn play(server: &Server) -> String {
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let initial = Balance { points: 100, shields: 0, arrows: 10 };
    let battle = create_battle(&mut commands, &admin, initial).await;
    let ann = join(&mut commands, &battle, "ann").await;
    let bob = join(&mut commands, &battle, "bob").await;
    join(&mut commands, &battle, "eve").await;
    start_battle(&mut commands, &admin, &battle).await;
    answer(&mut commands, &ann, 1, "2").await.unwrap();
    answer(&mut commands, &bob, 2, "cobol").await.unwrap();
    for _ in 0..5 {
        attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    }
    battle
}

/// A folder in which a battle was played, and the server stopped.
async fn played() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let battle = play(&server).await;
    projected(&server, folder.path()).await;
    assert_eq!(server.terminate().await, 0);
    (folder, battle)
}

fn dir(folder: &tempfile::TempDir) -> [&str; 2] {
    ["--data-dir", folder.path().to_str().unwrap()]
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_played_battle_is_clean_and_can_be_replayed_to_any_point() {
    let (folder, battle) = played().await;
    let said = ends_with(0, &["verify"], &dir(&folder)).await;
    assert!(said.starts_with("CLEAN: 12 events of 1 battles"), "{said}");
    assert!(said.contains("1 rows of battles, 3 rows of participants, 3 lines"), "{said}");
    ends_with(0, &["verify", &battle], &dir(&folder)).await;

    let now = ends_with(0, &["replay", &battle, "--json"], &dir(&folder)).await;
    let now: serde_json::Value = serde_json::from_str(&now).unwrap();
    assert_eq!(now["standings"][0]["username"], "ann");
    assert_eq!(now["standings"][2]["username"], "bob");
    let then = ends_with(0, &["replay", &battle, "--json", "--at", "4"], &dir(&folder)).await;
    let then: serde_json::Value = serde_json::from_str(&then).unwrap();
    assert_eq!(then["phase"], "created");
    assert_eq!(then["standings"][2]["points"], 100);
    let story = ends_with(0, &["replay", &battle, "--participant", "bob"], &dir(&folder)).await;
    assert!(story.contains("bob answered question 2 (attempt 1): Wrong"), "{story}");
    assert_eq!(story.matches("ann attacked bob").count(), 5, "{story}");
    let tail = ends_with(0, &["tail", "--no-follow", "--after", "11"], &dir(&folder)).await;
    assert!(tail.starts_with("12 ") && tail.lines().count() == 1, "{tail}");
}

#[tokio::test]
async fn what_cannot_be_checked_is_told_apart_from_what_differs() {
    let (folder, battle) = played().await;
    let nobody = ["replay", &battle, "--participant", "zoe"];
    assert!(ends_with(2, &nobody, &dir(&folder)).await.contains("'zoe'"));
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert!(ends_with(2, &["verify", unknown], &dir(&folder)).await.contains("holds no battle"));
    assert!(ends_with(64, &["replay", &battle, "--at", "noon"], &dir(&folder)).await.contains("'noon'"));
    let empty = tempfile::tempdir().unwrap();
    assert!(ends_with(2, &["verify"], &dir(&empty)).await.contains("there is no log"));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "an audit made something");
    ends_with(64, &["verify", "nonsense"], &dir(&folder)).await;
    // What only a server that serves would do with a flag is no word for an audit.
    for flag in ["--role", "--listen", "--event-store-listen"] {
        ends_with(64, &["verify", flag, "query"], &dir(&folder)).await;
    }
    // A battle is named as `tail` names its stream, too, and is checked once however often it is named.
    let stream = format!("battle-{battle}");
    let said = ends_with(0, &["verify", &stream, &battle, &stream], &dir(&folder)).await;
    assert!(said.starts_with("CLEAN: 12 events of 1 battles"), "{said}");
    assert!(said.contains("2 rows of answers, 5 rows of attacks"), "{said}");
    let server = ["verify", "--server", "http://user:SECRET@127.0.0.1:1", "--admin-token", "x"];
    let said = ends_with(2, &server, &[]).await;
    assert!(said.contains("without a user or a password") && !said.contains("SECRET"), "{said}");
    let tables = folder.path().join("read-models.sqlite");
    std::fs::rename(&tables, folder.path().join("kept")).unwrap();
    std::fs::create_dir(&tables).unwrap();
    assert!(ends_with(2, &["verify"], &dir(&folder)).await.contains("it is no regular file"));
    std::fs::remove_dir(&tables).unwrap();
    std::fs::rename(folder.path().join("kept"), &tables).unwrap();
    // Whoever has the log open and is no server cannot be asked.
    let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system())).unwrap();
    assert!(ends_with(2, &["verify"], &dir(&folder)).await.contains("in use by another process"));
    log.close().await;
}

#[tokio::test]
async fn a_log_is_clean_after_kill_9_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    killed_while_attacked(server).await;
    let said = ends_with(0, &["verify"], &dir(&folder)).await;
    assert!(said.starts_with("CLEAN"), "{said}");
}

#[tokio::test]
async fn a_log_in_jetstream_is_clean_after_kill_9_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(&folder.path().join("nats"), NatsOptions::default()).await.unwrap();
    let data = folder.path().join("data");
    let log = format!("stores.log={}", nats.url());
    let server = Server::start_with(&["--set", &log], &data, "127.0.0.1:0").await;
    let battle = play(&server).await;
    killed_while_attacked(server).await;
    let place = ["--data-dir", data.to_str().unwrap(), "--set", &log];
    let said = ends_with(0, &["verify"], &place).await;
    assert!(said.starts_with("CLEAN"), "{said}");
    let story = ends_with(0, &["replay", &battle, "--participant", "bob"], &place).await;
    assert_eq!(story.matches("ann attacked bob").count(), 5, "{story}");
}

/// Attacks until the server is gone, which is killed after some of them.
async fn killed_while_attacked(server: Server) {
    const ATTACKS: u32 = 100;
    let mut commands = server.commands().await;
    let initial = Balance { points: 1_000, shields: 0, arrows: 1_000_000 };
    let battle = create_battle(&mut commands, &server.admin_token(), initial).await;
    let attacker = join(&mut commands, &battle, "attacker").await;
    let target = join(&mut commands, &battle, "target").await;
    start_battle(&mut commands, &server.admin_token(), &battle).await;
    let (reached, enough) = tokio::sync::oneshot::channel();
    let attacks = tokio::spawn(async move {
        let (mut landed, mut reached) = (0, Some(reached));
        while attack(&mut commands, &attacker, &target.participant_id).await.is_ok() {
            landed += 1;
            if landed == ATTACKS {
                reached.take().unwrap().send(()).unwrap();
            }
        }
    });
    enough.await.unwrap();
    server.kill().await;
    attacks.await.unwrap();
}

#[tokio::test]
async fn a_flipped_byte_is_named_with_its_place() {
    let (folder, _) = played().await;
    let segment = segment(folder.path());
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(8).position(|found| found == b"username").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let said = ends_with(1, &["verify"], &dir(&folder)).await;
    assert!(said.contains("DIFFERS: the log is damaged") && said.contains("byte "), "{said}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "an audit changed a damaged log");
}

#[tokio::test]
async fn a_cut_file_is_named_with_its_place() {
    let (folder, _) = played().await;
    let segment = segment(folder.path());
    let bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(12).rposition(|found| found == b"AttackLanded").unwrap();
    std::fs::write(&segment, &bytes[..at]).unwrap();
    let said = ends_with(1, &["verify"], &dir(&folder)).await;
    assert!(said.contains("DIFFERS: the log is damaged") && said.contains("last good position"), "{said}");
}

#[tokio::test]
async fn an_event_that_was_edited_with_all_checksums_made_right_is_named() {
    let (folder, battle) = played().await;
    let forged = forge(folder.path(), |events| {
        let landed = events.iter_mut().find(|event| &*event.event_type == "AttackLanded").unwrap();
        let data = String::from_utf8(landed.data.to_vec()).unwrap();
        let edited = data.replacen("\"blocked\":false", "\"blocked\":true", 1);
        assert_ne!(data, edited);
        landed.data = edited.into_bytes().into();
    })
    .await;
    let said = ends_with(1, &["verify"], &dir(&forged)).await;
    assert!(said.contains(&format!("battle-{battle}, revision 7 (position 8)")), "{said}");
}

#[tokio::test]
async fn a_time_that_was_edited_does_not_end_a_replay() {
    let (folder, battle) = played().await;
    let forged = forge(folder.path(), |events| {
        let metadata = String::from_utf8(events[7].metadata.to_vec()).unwrap();
        let edited = metadata.replacen("\"time\":\"20", "\"time\":\"29", 1);
        assert_ne!(metadata, edited);
        events[7].metadata = edited.into_bytes().into();
    })
    .await;
    let replay = ["replay", &battle, "--at", "2500-01-01T00:00:00Z"];
    ends_with(0, &replay, &dir(&folder)).await;
    let said = ends_with(1, &replay, &dir(&forged)).await;
    assert!(said.contains("revision 7 (position 8)"), "{said}");
}

#[tokio::test]
async fn an_event_that_was_removed_is_named() {
    let (folder, battle) = played().await;
    let forged = forge(folder.path(), |events| {
        events.remove(5);
    })
    .await;
    let said = ends_with(1, &["verify"], &dir(&forged)).await;
    assert!(said.contains(&format!("battle-{battle}, revision 5 (position 6)")), "{said}");
    // Without its last event the chain is unbroken; but the tables have seen that event.
    let forged = forge(folder.path(), |events| {
        events.pop();
    })
    .await;
    for file in ["read-models.sqlite", "read-models.sqlite-wal"] {
        if folder.path().join(file).exists() {
            std::fs::copy(folder.path().join(file), forged.path().join(file)).unwrap();
        }
    }
    let said = ends_with(1, &["verify"], &dir(&forged)).await;
    assert!(said.contains("events were removed"), "{said}");
}

/// The first file of the log.
fn segment(data_dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(data_dir.join("log")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "seg")).min().unwrap()
}

/// The keys of names stand beside the log.
fn copy_names(from: &Path, to: &Path) {
    std::fs::create_dir(to.join("names")).unwrap();
    for file in std::fs::read_dir(from.join("names")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join("names").join(file.file_name())).unwrap();
    }
}

/// A log like that in the folder, after `edit`: every frame of it is in order.
async fn forge(data_dir: &Path, edit: impl FnOnce(&mut Vec<RecordedEvent>)) -> tempfile::TempDir {
    let config = || EmbeddedConfig::new(Clock::system());
    let log = EmbeddedLog::open(data_dir, config()).unwrap();
    let page = log.read_all(1, Direction::Forwards, 1_000, &Filter::default()).await.unwrap();
    log.close().await;
    let mut events = page.events;
    edit(&mut events);
    let forged = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(forged.path(), config()).unwrap();
    for event in events {
        let stream = Arc::clone(&event.stream);
        let RecordedEvent { id, event_type, data, metadata, .. } = event;
        let events = vec![NewEvent { id, event_type, data, metadata }];
        log.append(Append { stream, expected: Expected::Any, events }).await.unwrap();
    }
    log.close().await;
    forged
}

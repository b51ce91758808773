//! `nimaora audit`, as an auditor uses it: on what a real server left, also after `kill -9`, and on histories that were tampered with.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use nimaora_api::v1::Balance;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, Direction, EventLog, Expected, Filter, NewEvent, RecordedEvent};
use nimaora_local_servers::nats::{Nats, NatsOptions};
use nimaora_runtime::Clock;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::process::Command;

use crate::players::{answer, attack, create_battle, join, start_battle};
use crate::server::{BINARY, PATIENCE, Server};

/// Where the audited things are.
type Where<'a> = &'a [&'a str];

async fn audit(args: &[&str], place: Where<'_>) -> Output {
    let run = Command::new(BINARY).arg("audit").args(args).args(place).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Asserts the exit code and answers what was printed.
async fn ends_with(code: i32, args: &[&str], place: Where<'_>) -> String {
    let output = audit(args, place).await;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
    text(&output)
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

/// Waits until the tables hold everything.
async fn projected(server: &Server, folder: &Path) {
    let token = folder.join("admin-token");
    let mut wait = Command::new(BINARY);
    wait.args(["projections", "status", "--wait", "--server", &server.url(), "--admin-token-file"])
        .arg(token);
    let waited = tokio::time::timeout(PATIENCE, wait.kill_on_drop(true).output()).await.unwrap().unwrap();
    assert!(waited.status.success(), "{}", text(&waited));
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
    assert!(ends_with(2, &["replay", &battle, "--at", "noon"], &dir(&folder)).await.contains("'noon'"));
    let empty = tempfile::tempdir().unwrap();
    assert!(ends_with(2, &["verify"], &dir(&empty)).await.contains("there is no log"));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "an audit made something");
    ends_with(64, &["verify", "nonsense"], &dir(&folder)).await;
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

#[tokio::test]
async fn an_edited_row_is_named_with_its_column() {
    let (folder, _) = played().await;
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
    let named = format!("battles, row {battle}, column position: the log says 12, stored is 11");
    assert!(said.contains(&named), "{said}");
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

#[tokio::test]
async fn an_export_that_was_cut_off_goes_on_to_the_same_file() {
    let (folder, battle) = played().await;
    let (whole, cut) = (path(&folder, "whole.ndjson"), path(&folder, "cut.ndjson"));
    ends_with(0, &["export", &battle, "--output", &whole], &dir(&folder)).await;
    let bytes = std::fs::read(&whole).unwrap();
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 12);
    // As a kill leaves it: anywhere, also in the middle of a line.
    for length in [0, 1, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        ends_with(0, &["export", &battle, "--output", &cut], &dir(&folder)).await;
        assert_eq!(std::fs::read(&cut).unwrap(), bytes, "cut to {length} bytes");
    }
    let part = path(&folder, "part.ndjson");
    let range = ["export", &battle, "--from", "3", "--to", "5", "--output", &part];
    ends_with(0, &range, &dir(&folder)).await;
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(std::fs::read(&part).unwrap(), lines[2..5].concat());
    // Somebody else's file stays as it is, also one without a newline, and one whose end alone is foreign.
    let other = path(&folder, "other.txt");
    let foreign_end = [lines[..3].concat().as_slice(), b"{\"position\":4,\"mine\":1}"].concat();
    let behind = [bytes.as_slice(), b"mine"].concat();
    let whole_file = b"{\"settings\":{\"keep\":true}}".as_slice();
    for content in [b"no export\nat all".as_slice(), whole_file, b"\xff\xfe", &foreign_end, &behind] {
        std::fs::write(&other, content).unwrap();
        ends_with(2, &["export", &battle, "--output", &other], &dir(&folder)).await;
        assert_eq!(std::fs::read(&other).unwrap(), content);
    }
    ends_with(2, &["export", &battle, "--output", "/dev/full"], &dir(&folder)).await;
    let backwards = ["export", &battle, "--output", &other, "--from", "10", "--to", "5"];
    assert!(ends_with(2, &backwards, &dir(&folder)).await.contains("--from 10 is behind --to 5"));
}

#[tokio::test]
async fn a_receipt_is_proven_by_key_and_events_and_refused_when_tampered_with() {
    let (folder, battle) = played().await;
    let (receipt, events) = (path(&folder, "receipt.json"), path(&folder, "events.ndjson"));
    ends_with(0, &["receipt", &battle, "--output", &receipt], &dir(&folder)).await;
    ends_with(0, &["export", &battle, "--output", &events], &dir(&folder)).await;
    let key = path(&folder, "secrets/receipt-public-key");
    let check = ["check-receipt", &receipt, "--public-key", &key];
    assert!(ends_with(0, &check, &[]).await.starts_with("GENUINE"));
    let proof = ["--events", &events];
    assert!(ends_with(0, &check, &proof).await.contains("these standings"));

    let text = std::fs::read_to_string(&receipt).unwrap();
    let tampered = text.replacen("bob", "ann", 1);
    assert_ne!(tampered, text);
    std::fs::write(&receipt, &tampered).unwrap();
    assert!(ends_with(1, &check, &[]).await.contains("the signature is not"));
    std::fs::write(&receipt, &text).unwrap();
    let other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    ends_with(1, &["check-receipt", &receipt, "--public-key", other], &[]).await;
    let lines = std::fs::read_to_string(&events).unwrap();
    std::fs::write(&events, lines.replacen("number\\\":2", "number\\\":9", 1)).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("revision 2 (position 3)"));
    let shorter: Vec<_> = lines.split_inclusive('\n').take(11).collect();
    std::fs::write(&events, shorter.concat()).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("number of events"));
    std::fs::write(&events, lines.replace("\"position\":", "\"position\":1")).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("the position"));
}

#[tokio::test]
async fn a_receipt_takes_no_file_s_place_and_a_lost_key_is_not_made_anew() {
    let (folder, battle) = played().await;
    let taken = path(&folder, "diary.txt");
    std::fs::write(&taken, "mine").unwrap();
    ends_with(2, &["receipt", &battle, "--output", &taken], &dir(&folder)).await;
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
    let key = path(&folder, "secrets/receipt-public-key");
    let public = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(path(&folder, "secrets/receipt-signing-key")).unwrap();
    assert!(ends_with(2, &["receipt", &battle], &dir(&folder)).await.contains("signs for it is gone"));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), public);
    ends_with(2, &["check-receipt", "/dev/zero", "--public-key", public.trim()], &[]).await;
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

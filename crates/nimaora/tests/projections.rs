//! `nimaora projections` as an operator runs it, against a server in a process of its own.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, EventLog, Expected, NewEvent};
use nimaora_runtime::Clock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Long enough for anything on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn nimaora(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nimaora"));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The exit code of `nimaora projections`, and what it wrote to its two outputs.
async fn projections(folder: &Path, url: &str, words: &[&str]) -> (i32, String, String) {
    let mut command = nimaora(folder);
    command.arg("projections").args(words).env("NIMAORA_SERVER", url);
    let ran = tokio::time::timeout(PATIENCE, command.output()).await.unwrap();
    let Output { status, stdout, stderr } = ran.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Starts a server in the folder and answers it with its URL.
async fn serve(folder: &Path) -> (Child, String) {
    let mut command = nimaora(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut url = String::new();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, rest)) = line.split_once("listens on ") {
                url = rest.to_owned();
            }
            if line == "ready" {
                return;
            }
        }
        panic!("the server ended before it was ready");
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    (server, url)
}

async fn stop(mut server: Child) {
    let id = server.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, server.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// The same with an event at position 1 that cannot be projected.
async fn serve_with_parked(folder: &Path, event_type: &str) -> (Child, String) {
    let (server, _) = serve(folder).await;
    stop(server).await;
    let planted = NewEvent {
        id: Uuid::from_u128(7),
        event_type: event_type.into(),
        data: "{}".into(),
        metadata: "{}".into(),
    };
    let log = EmbeddedLog::open(&folder.join("data"), EmbeddedConfig::new(Clock::system())).unwrap();
    let append = Append { stream: "battle-royale".into(), expected: Expected::Any, events: vec![planted] };
    log.append(append).await.unwrap();
    log.close().await;
    drop(log);
    serve(folder).await
}

/// The token of somebody who joined a battle.
async fn participants_token(folder: &Path, url: &str) -> String {
    let call = async |words: &[&str]| {
        let done =
            nimaora(folder).arg("client").args(words).env("NIMAORA_SERVER", url).output().await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let created = call(&["create-battle"]).await;
    let battle = created.lines().find_map(|line| line.strip_prefix("battle ")).unwrap();
    call(&["join", battle, "ada"]).await;
    let session = std::fs::read_to_string(folder.join("ada.session")).unwrap();
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    session["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_operator_sees_how_far_the_projection_is() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = serve(folder.path()).await;
    let mut create = nimaora(folder.path());
    let created =
        create.args(["client", "create-battle"]).env("NIMAORA_SERVER", &url).output().await.unwrap();
    assert!(created.status.success());

    let (code, told, failed) = projections(folder.path(), &url, &["status", "--wait"]).await;
    assert_eq!((code, &*told), (0, "battles: 0 events and 0 ms behind\n"), "{failed}");
    let (code, told, failed) = projections(folder.path(), &url, &["list"]).await;
    assert_eq!(code, 0, "{failed}");
    let row: Vec<_> = told.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["battles", "1", "1", "1", "1"], "{told}");
    let (code, told, failed) = projections(folder.path(), &url, &["parked", "list"]).await;
    assert_eq!((code, &*told), (0, "no event is parked\n"), "{failed}");
    stop(server).await;
}

#[tokio::test]
async fn an_operator_sees_why_an_event_is_parked() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = serve_with_parked(folder.path(), "Turned\u{1b}[31mRed").await;
    let (code, told, failed) = projections(folder.path(), &url, &["parked", "list"]).await;
    assert_eq!(code, 0, "{failed}");
    assert!(told.starts_with("1 battle-royale revision 0 Turned\u{fffd}[31mRed parked at "), "{told}");
    assert!(told.lines().nth(1).is_some_and(|reason| !reason.trim().is_empty()), "{told}");
    stop(server).await;
}

#[tokio::test]
async fn only_an_admin_may_ask() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = serve(folder.path()).await;
    for call in [["list"].as_slice(), &["status"], &["status", "--wait"], &["parked", "list"]] {
        let words = [call, &["--admin-token-file", "nowhere"]].concat();
        let (code, told, failed) = projections(folder.path(), &url, &words).await;
        assert_eq!((code, &*told), (1, ""), "{call:?}");
        assert!(failed.contains("cannot read the admin token from nowhere"), "{call:?}: {failed}");

        let words = [call, &["--admin-token", "wrong"]].concat();
        let (code, told, failed) = projections(folder.path(), &url, &words).await;
        assert_eq!((code, &*told), (1, ""), "{call:?}");
        assert!(failed.contains("TOKEN_MALFORMED"), "{call:?}: {failed}");
    }
    let token = participants_token(folder.path(), &url).await;
    let (code, told, failed) = projections(folder.path(), &url, &["list", "--admin-token", &token]).await;
    assert_eq!((code, &*told), (1, ""));
    assert!(failed.contains("ADMIN_REQUIRED"), "{failed}");
    let (code, _, failed) = projections(folder.path(), "http://127.0.0.1:1", &["list"]).await;
    assert_eq!(code, 1);
    assert!(failed.contains("start a server with 'nimaora serve'"), "{failed}");
    stop(server).await;
}

#[tokio::test]
async fn an_operator_builds_the_tables_anew_and_discards_what_stays_parked() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = serve_with_parked(folder.path(), "Strange").await;
    participants_token(folder.path(), &url).await;
    let discard = ["parked", "discard", "1", "--reason", "an experiment of May"];
    let (code, told, failed) = projections(folder.path(), &url, &discard).await;
    assert_eq!((code, &*told), (0, "the event at position 1 is discarded\n"), "{failed}");
    let (code, _, failed) = projections(folder.path(), &url, &discard).await;
    assert!(code == 1 && failed.contains("no event is parked at position 1"), "{failed}");

    let (code, told, failed) = projections(folder.path(), &url, &["rebuild"]).await;
    assert_eq!(code, 0, "{told}{failed}");
    assert!(told.contains("3 events read, 0 rows differ; the new tables are in use"), "{told}");
    let (_, told, _) = projections(folder.path(), &url, &["parked", "list"]).await;
    assert!(told.contains("discarded: an experiment of May"), "{told}");
    let (code, told, failed) = projections(folder.path(), &url, &["parked", "retry"]).await;
    assert_eq!(code, 0, "{told}{failed}");
    let (code, _, failed) = projections(folder.path(), &url, &["rebuild", "--version", "7"]).await;
    assert!(code == 1 && failed.contains("builds version 1 and not 7"), "{failed}");
    let (_, told, _) = projections(folder.path(), &url, &["status", "--wait"]).await;
    assert_eq!(told, "battles: 0 events and 0 ms behind\n");
    stop(server).await;
}

//! The program as a user runs it: what it prints, what it leaves behind, and its exit codes.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Long enough for anything on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn nimaora(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nimaora"));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(command: &mut Command) -> (i32, String, String) {
    let ran = tokio::time::timeout(PATIENCE, command.output()).await.unwrap();
    let Output { status, stdout, stderr } = ran.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Starts a server in the folder and answers it with its URL.
async fn serve(folder: &Path) -> (Child, String) {
    let mut command = nimaora(folder);
    let mut server =
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
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

#[tokio::test]
async fn the_demo_ends_with_its_standings_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = nimaora(folder.path());
    demo.args(["demo", "--players", "8", "--duration", "3s", "--seed", "1"]).env("TMPDIR", temporary.path());
    let (code, told, failed) = run(&mut demo).await;
    assert_eq!(code, 0, "{told}{failed}");
    for words in ["8 bots play on http://127.0.0.1:", "Final standings", "ada", "alert latency", "0 failed"] {
        assert!(told.contains(words), "'{words}' is not in {told}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something was left behind");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
}

#[tokio::test]
async fn an_interrupted_demo_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = nimaora(temporary.path());
    command.args(["demo", "--players", "4", "--duration", "1h"]).env("TMPDIR", temporary.path());
    let mut demo = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with("4 bots play on"), "{first}");
    let id = demo.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, demo.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "something was left behind");
}

#[tokio::test]
async fn a_first_battle_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, url) = serve(folder.path()).await;
    let client = async |line: &str| {
        let mut command = nimaora(folder.path());
        run(command.arg("client").args(line.split(' ')).env("NIMAORA_SERVER", &url)).await
    };
    let (_, created, _) = client("create-battle").await;
    let code = created.lines().find_map(|line| line.strip_prefix("join code ")).unwrap().to_owned();
    for name in ["ada", "linus"] {
        let (exit, told, failed) = client(&format!("join {code} {name}")).await;
        assert_eq!(exit, 0, "{failed}");
        assert!(told.contains(&format!("{name}.session")), "{told}");
    }
    assert_eq!(client(&format!("start {code}")).await.0, 0);

    let mut command = nimaora(folder.path());
    command.args(["client", "watch", "--as", "linus"]).env("NIMAORA_SERVER", &url).stdout(Stdio::piped());
    let mut watching = command.spawn().unwrap();
    let mut heard = BufReader::new(watching.stdout.take().unwrap()).lines();
    // The board comes when the channels are subscribed; the private one was asked for first.
    let first = tokio::time::timeout(PATIENCE, heard.next_line()).await.unwrap().unwrap().unwrap();
    assert!(first.starts_with("board: "), "{first}");

    assert!(client("answer --as ada 2 8").await.1.starts_with("right; ada holds 30 points"));
    assert!(client("attack --as ada linus").await.1.starts_with("linus lost 5 points"));
    let alerted = async {
        loop {
            let line = heard.next_line().await.unwrap().unwrap();
            if line == "You were attacked by ada! You lost 5 points." {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, alerted).await.unwrap();

    let (exit, _, failed) = client("answer --as ada 2 8").await;
    assert_eq!(exit, 1);
    assert!(failed.contains("ALREADY_ANSWERED"), "{failed}");
    assert!(client(&format!("questions {code}")).await.1.contains("How many bits has a byte?"));
    assert_eq!(client(&format!("finish {code}")).await.0, 0);
    let (_, board, _) = client(&format!("board {code}")).await;
    assert!(board.contains("2 participants"), "{board}");
}

#[tokio::test]
async fn a_server_that_is_stopped_while_it_opens_its_log_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, _) = serve(folder.path()).await;
    stop(&mut server).await;
    // Reading the log takes for ever: a pipe stands for its file of events.
    let log = folder.path().join("data/log");
    let files = std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path());
    let segment = files.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(&segment).unwrap();
    assert!(Command::new("mkfifo").arg(&segment).status().await.unwrap().success());

    let mut command = nimaora(folder.path());
    let mut server = command.args(["serve", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let open = || std::fs::OpenOptions::new().write(true).open(segment);
    // Opened once the server reads from it.
    let _pipe =
        tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(open)).await.unwrap().unwrap().unwrap();
    stop(&mut server).await;
}

async fn stop(server: &mut Child) {
    let id = server.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, server.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_limit_of_file_sizes_refuses_commands_and_does_not_end_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, url) = serve(folder.path()).await;
    let pid = Pid::from_raw(i32::try_from(server.id().unwrap()).unwrap());
    let create = async || {
        let mut command = nimaora(folder.path());
        run(command.args(["client", "create-battle"]).env("NIMAORA_SERVER", &url)).await
    };
    let limit = getrlimit(Resource::Fsize);
    prlimit(pid, Resource::Fsize, Rlimit { current: Some(0), maximum: limit.maximum }).unwrap();
    let (code, _, failed) = create().await;
    assert_eq!(code, 1);
    assert!(failed.to_uppercase().contains("UNAVAILABLE"), "{failed}");
    assert_eq!(server.try_wait().unwrap(), None, "the server ended");
    prlimit(pid, Resource::Fsize, limit).unwrap();
    let created = async { while create().await.0 != 0 {} };
    tokio::time::timeout(PATIENCE, created).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, failed) =
        run(nimaora(folder.path()).args(["serve", "--set", "colour=red", "--listen", "x"])).await;
    assert_eq!(code, 64);
    assert!(failed.contains("2 problems") && failed.contains("colour"), "{failed}");
    let (code, _, failed) =
        run(nimaora(folder.path()).args(["serve", "--set", "colour", "--listen", "x", "--data-dir", ""]))
            .await;
    assert_eq!(code, 64);
    assert!(failed.contains("3 problems") && failed.contains("'.' is the one you are in"), "{failed}");
    let (code, _, failed) = run(nimaora(folder.path()).args(["serve", "--role", "query"])).await;
    assert_eq!(code, 64);
    assert!(failed.contains("3 problems") && failed.contains("stores.tables"), "{failed}");
    let (code, _, failed) = run(nimaora(folder.path()).args(["fly"])).await;
    assert_eq!(code, 64, "{failed}");
    let (code, _, failed) =
        run(nimaora(folder.path()).args(["client", "--server", "http://127.0.0.1:1", "board", "x"])).await;
    assert_eq!(code, 1);
    assert!(failed.contains("start a server with 'nimaora serve'"), "{failed}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_settings_are_printed_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = nimaora(folder.path());
    let (code, told, _) = run(config.arg("config").env("NIMAORA_REALTIME__APP_SECRET", "do-not-tell")).await;
    assert_eq!(code, 0);
    assert!(told.contains("app_secret = \"<hidden>\"") && !told.contains("do-not-tell"), "{told}");
}

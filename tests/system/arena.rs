//! The arena in a real browser, headless: `web/test/battle.mjs` plays, this starts the server, kills it and starts it again. And the
//! client in Node: its sessions, and the examples of `docs/client.md` as they stand there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nimaora_local_servers::Port;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::server::Server;

/// How long the windows may be silent: longer than they wait for anything themselves, so that it is they who say what was missing.
const SILENCE_MAX: Duration = Duration::from_secs(240);

/// Node, where the page's packages are.
fn node() -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    assert!(folder.join("node_modules").is_dir(), "the page's packages are not installed; ./check does that");
    let mut node = Command::new("node");
    node.current_dir(folder).kill_on_drop(true);
    node
}

/// The program that plays. It ends its browser when its input ends.
struct Windows {
    process: Child,
    input: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Windows {
    fn open(server: &Server, temporary: &Path) -> Self {
        let mut process = node()
            .args(["test/battle.mjs", &server.address, &server.admin_token()])
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { input: process.stdin.take().unwrap(), told, process }
    }

    /// What the windows say next; nothing when they are done.
    async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(SILENCE_MAX, self.told.next_line()).await.unwrap().unwrap()?;
        let said: Value = serde_json::from_str(&line).unwrap();
        assert!(said["failed"].is_null(), "{}\n{}", said["failed"].as_str().unwrap(), said["complaints"]);
        Some(said)
    }

    async fn done(&mut self) {
        self.input.write_all(b"done\n").await.unwrap();
    }
}

#[tokio::test]
async fn a_whole_battle_in_a_browser_with_a_server_that_is_killed() {
    let (data, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A port that nobody else is given while the server is away.
    let port = Port::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let server = Server::start(data.path(), &address).await;
    let mut windows = Windows::open(&server, temporary.path());
    let (mut server, mut seen) = (Some(server), Vec::new());
    while let Some(said) = windows.next().await {
        match said["order"].as_str() {
            Some("kill") => drop(server.take().unwrap().kill().await),
            Some("start") => server = Some(Server::start(data.path(), &address).await),
            _ => {
                seen.push(said["seen"].as_str().unwrap().to_owned());
                continue;
            }
        }
        windows.done().await;
    }
    let parts = ["started", "answered", "attacked", "reconnected", "went on", "overtaken", "finished", "all"];
    assert_eq!(seen, parts);
    assert!(windows.process.wait().await.unwrap().success());
}

/// Runs a program of the page's tests against a server to its end.
async fn runs(script: &str) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), "127.0.0.1:0").await;
    let mut program = node().args([script, &server.url(), &server.admin_token()]).spawn().unwrap();
    let ended = tokio::time::timeout(SILENCE_MAX, program.wait()).await.unwrap().unwrap();
    assert!(ended.success());
}

#[tokio::test]
async fn the_examples_for_clients_do_what_they_say() {
    runs("test/examples.mjs").await;
}

#[tokio::test]
async fn a_session_is_renewed_taken_over_and_taken_back() {
    runs("test/sessions.mjs").await;
}

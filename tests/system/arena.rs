//! The arena, and the public clients as they are, in a real browser, headless: programs in `web/test` play, this starts the server, kills
//! it and starts it again. The examples of `docs/client.md` as they stand there, in Node and in a browser. And sessions of the client.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nimaora_local_servers::Port;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::server::Server;

/// How long the windows may be silent: longer than they wait for anything themselves, so that it is they who say what was missing.
const SILENCE_MAX: Duration = Duration::from_secs(280);

/// Node, where the page's packages are.
fn node() -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    assert!(folder.join("node_modules").is_dir(), "the page's packages are not installed; ./check does that");
    let mut node = Command::new("node");
    node.current_dir(folder).kill_on_drop(true);
    node
}

/// A program that plays in a browser. It ends the browser when its input ends.
struct Windows {
    process: Child,
    input: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
}

impl Windows {
    fn open(script: &str, server: &Server, temporary: &Path) -> Self {
        let mut process = node()
            .args([script, &server.address, &server.admin_token(), &server.app_secret()])
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

/// Plays in a browser with a server that is killed and started when the windows ask for it, and sees all these parts.
async fn plays(script: &str, parts: &[&str]) {
    let (data, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A port that nobody else is given while the server is away.
    let port = Port::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let server = Server::start(data.path(), &address).await;
    let mut windows = Windows::open(script, &server, temporary.path());
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
    assert_eq!(seen, parts);
    assert!(windows.process.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_whole_battle_in_a_browser_with_a_server_that_is_killed() {
    let parts = ["started", "answered", "attacked", "reconnected", "went on", "overtaken", "finished", "all"];
    plays("test/battle.mjs", &parts).await;
}

#[tokio::test]
async fn pusher_js_and_laravel_echo_as_they_are_in_a_browser_with_a_server_that_is_killed() {
    let parts = [
        "subscribed",
        "told by the application",
        "told by each other",
        "attacked",
        "returned",
        "left",
        "all",
    ];
    plays("test/stock.mjs", &parts).await;
}

#[tokio::test]
async fn what_people_do_by_mistake_costs_them_nothing_and_leads_nowhere() {
    let parts = [
        "no such battle",
        "joined",
        "the right time",
        "double clicks",
        "signed in elsewhere",
        "no network",
        "over",
        "all",
    ];
    plays("test/clumsy.mjs", &parts).await;
}

#[tokio::test]
async fn the_examples_for_clients_do_what_they_say_in_node_and_on_a_page() {
    plays("test/examples.mjs", &["in Node", "on a page", "all"]).await;
}

#[tokio::test]
async fn a_session_is_renewed_taken_over_and_taken_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), "127.0.0.1:0").await;
    let mut program =
        node().args(["test/sessions.mjs", &server.url(), &server.admin_token()]).spawn().unwrap();
    let ended = tokio::time::timeout(SILENCE_MAX, program.wait()).await.unwrap().unwrap();
    assert!(ended.success());
}

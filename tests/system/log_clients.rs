//! The official clients of the EventStoreDB protocol, as they are installed, against a real server; and what the documentation
//! shows of them, as it is written there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use kurrentdb::{Client, ReadAllOptions, SubscriptionFilter};
use serde_json::Value;
use tokio::process::Command;

use crate::players::{answer, attack, create_battle, join, start_battle};
use crate::replay;
use crate::server::{BINARY, PATIENCE, Server};

/// The folder of the scripts, where npm put the Node client.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients-of-the-log")
}

/// Where `./check` put the Python client.
fn python_packages() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let mut folders = program.ancestors().skip(1).map(|folder| folder.join("tools/log-clients"));
    let found = folders.find(|folder| folder.is_dir());
    found.unwrap_or_else(|| panic!("run ./check, which installs the Python client"))
}

async fn run(command: &mut Command) -> String {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(3 * PATIENCE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

async fn python(script: &str, args: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(scripts().join(script)).args(args).env("PYTHONPATH", python_packages());
    run(command.env("PYTHONDONTWRITEBYTECODE", "1")).await
}

async fn node(script: &str, args: &[&str]) -> String {
    assert!(scripts().join("node_modules").is_dir(), "run ./check, which installs the Node client");
    run(Command::new("node").arg(scripts().join(script)).args(args)).await
}

/// A certificate for `localhost` that signs itself, and its key. Answers their files.
async fn certificate(folder: &Path) -> [String; 2] {
    let [certificate, key] =
        ["certificate.pem", "key.pem"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    run(openssl.args(["-out", &certificate, "-keyout", &key])).await;
    [certificate, key]
}

/// A server with a port for the log, under TLS.
async fn secure(folder: &Path) -> (Server, String, String) {
    let [certificate, key] = certificate(folder).await;
    let tls = [format!("event_store.tls_certificate={certificate}"), format!("event_store.tls_key={key}")];
    let settings = ["--event-store-listen", "127.0.0.1:0", "--set", &tls[0], "--set", &tls[1]];
    let server = Server::start_with(&settings, &folder.join("data"), "127.0.0.1:0").await;
    let url = log_url(&server, "localhost", "");
    (server, url, certificate)
}

/// A server with a port for the log.
async fn plain(folder: &Path) -> (Server, String) {
    let settings = ["--event-store-listen", "127.0.0.1:0"];
    let server = Server::start_with(&settings, &folder.join("data"), "127.0.0.1:0").await;
    let url = log_url(&server, "127.0.0.1", "?tls=false");
    (server, url)
}

fn log_url(server: &Server, host: &str, query: &str) -> String {
    let (_, port) = server.event_store.as_deref().unwrap().rsplit_once(':').unwrap();
    format!("kurrentdb://admin:{}@{host}:{port}{query}", server.admin_token())
}

/// A battle of two; answers its stream.
async fn play(server: &Server) -> String {
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let battle = create_battle(&mut commands, &admin, nimaora_api::v1::Balance::default()).await;
    let ann = join(&mut commands, &battle, "ann").await;
    let bob = join(&mut commands, &battle, "bob").await;
    start_battle(&mut commands, &admin, &battle).await;
    answer(&mut commands, &ann, 1, "2").await.unwrap();
    answer(&mut commands, &bob, 1, "2").await.unwrap();
    attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    format!("battle-{battle}")
}

#[tokio::test]
async fn the_python_client_gets_everything_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url, root) = secure(folder.path()).await;
    let battle = play(&server).await;
    python("every_call.py", &[&url, &root, &battle]).await;
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn the_node_client_gets_everything_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url, root) = secure(folder.path()).await;
    let battle = play(&server).await;
    // It writes with credentials over TLS only.
    node("every-call.mjs", &[&format!("{url}?tls=true&tlsCaFile={root}"), &battle]).await;
    assert_eq!(server.terminate().await, 0);
}

/// Plays a battle of many with `nimaora load`; answers its id, which the log tells.
async fn load(server: &Server, url: &str) -> String {
    let mut load = Command::new(BINARY);
    load.args(["load", "--users", "30", "--rate", "100", "--duration", "5s", "--target", &server.url()]);
    run(load.arg("--admin-token-file").arg(server.data_dir.join("admin-token"))).await;
    let client = Client::new(url.parse().unwrap()).unwrap();
    let battles = SubscriptionFilter::on_stream_name().add_prefix("battle-");
    let mut events = client.read_all(&ReadAllOptions::default().filter(battles).max_count(1)).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    first.get_original_event().stream_id().strip_prefix("battle-").unwrap().to_owned()
}

/// The standings that the server's own audit finds in the folder that the server left.
async fn audited(data_dir: &Path, battle: &str) -> Vec<(String, u64)> {
    let mut audit = Command::new(BINARY);
    audit.args(["audit", "replay", battle, "--json", "--data-dir"]).arg(data_dir);
    let found: Value = serde_json::from_str(&run(&mut audit).await).unwrap();
    let line =
        |line: &Value| (line["participantId"].as_str().unwrap().to_owned(), line["points"].as_u64().unwrap());
    found["standings"].as_array().unwrap().iter().map(line).collect()
}

/// Asserts that the documentation shows the file as it is.
fn assert_shown(page: &str, file: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page_text = std::fs::read_to_string(root.join("docs").join(page)).unwrap();
    let language = match file.rsplit_once('.').unwrap().1 {
        "py" => "python",
        "mjs" => "javascript",
        "rs" => "rust",
        other => panic!("{other}"),
    };
    let file_text = std::fs::read_to_string(scripts().join(file)).unwrap();
    let block = format!("```{language}\n{file_text}```\n");
    assert!(page_text.contains(&block), "docs/{page} does not show tests/clients-of-the-log/{file} as it is");
}

#[tokio::test]
async fn a_battle_is_replayed_to_the_same_standings_by_what_the_documentation_shows() {
    for file in ["replay.py", "replay.mjs", "replay.rs"] {
        assert_shown("clients-of-the-log.md", file);
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = plain(folder.path()).await;
    let battle = load(&server, &url).await;
    let by_node = node("replay.mjs", &[&url, &battle]).await;
    let by_rust = replay::replay(&url, &battle).await.unwrap();
    assert_eq!(server.terminate().await, 0);
    // Python's client wants TLS; the history is another process's by then.
    let (server, url, root) = secure(folder.path()).await;
    let by_python = python("replay.py", &[&url, &root, &battle]).await;
    let data_dir = server.data_dir.clone();
    assert_eq!(server.terminate().await, 0);

    let expected = audited(&data_dir, &battle).await;
    assert_eq!(expected.len(), 30);
    assert_eq!(by_rust, expected);
    let lines =
        (1..).zip(&expected).map(|(rank, (participant, points))| format!("{rank} {participant} {points}\n"));
    let lines: String = lines.collect();
    assert_eq!(by_python, lines);
    assert_eq!(by_node, lines);
}

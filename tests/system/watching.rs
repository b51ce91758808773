//! `nimaora client watch` goes on through a restart of the server, and tells what happened while there was no socket.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::server::{BINARY, PATIENCE, Server};

fn client(folder: &Path, server: &Server, call: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("client").args(call).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.env("NIMAORA_SERVER", server.url()).env("NIMAORA_ADMIN_TOKEN", server.admin_token());
    command
}

async fn say(folder: &Path, server: &Server, call: &[&str]) -> String {
    let done = tokio::time::timeout(PATIENCE, client(folder, server, call).output()).await.unwrap().unwrap();
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{call:?}: {told}{}", String::from_utf8_lossy(&done.stderr));
    told
}

fn watch(folder: &Path, server: &Server) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = client(folder, server, &["watch", "--as", "linus"]);
    let mut watching = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    (watching, lines)
}

async fn until(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) {
    let told = async { while !lines.next_line().await.unwrap().unwrap().contains(words) {} };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("'{words}' was not told"));
}

#[tokio::test]
async fn a_watch_goes_on_after_the_server_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(&folder.join("data"), "127.0.0.1:0").await;
    let address = server.address.clone();
    let created = say(folder, &server, &["create-battle"]).await;
    let code = created.lines().find_map(|line| line.strip_prefix("join code ")).unwrap();
    for name in ["ada", "linus"] {
        say(folder, &server, &["join", code, name]).await;
    }
    say(folder, &server, &["start", code]).await;
    say(folder, &server, &["answer", "--as", "ada", "2", "8"]).await;
    let (_watching, mut lines) = watch(folder, &server);
    until(&mut lines, "board:").await;
    say(folder, &server, &["attack", "--as", "ada", "linus"]).await;
    until(&mut lines, "You were attacked by ada!").await;

    let data = server.kill().await;
    until(&mut lines, "the socket ended").await;
    let server = Server::start(&data, &address).await;
    say(folder, &server, &["attack", "--as", "ada", "linus"]).await;
    until(&mut lines, "You were attacked by ada!").await;
    assert_eq!(server.terminate().await, 0);
}

//! `nimaora audit` run by hand, for every test of it.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::server::{BINARY, PATIENCE, Server};

/// Runs `nimaora audit` to its end.
pub async fn audit(args: &[&str]) -> Output {
    run(Command::new(BINARY).arg("audit").args(args)).await
}

/// What was printed, to both outputs.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Asserts the exit code and answers what was printed.
pub async fn ends_with(code: i32, args: &[&str]) -> String {
    let output = audit(args).await;
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
    text(&output)
}

/// Waits until the tables of a server with this data folder hold everything.
pub async fn projected(server: &Server, folder: &Path) {
    let mut wait = Command::new(BINARY);
    wait.args(["projections", "status", "--wait", "--server", &server.url(), "--admin-token-file"]);
    let waited = run(wait.arg(folder.join("admin-token"))).await;
    assert!(waited.status.success(), "{}", text(&waited));
}

async fn run(command: &mut Command) -> Output {
    tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.unwrap().unwrap()
}

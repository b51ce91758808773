//! A copy of a data folder that takes no writes, as an auditor gets it: everything that reads works on it, and nothing is made in it.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use tokio::process::Command;

use super::*;
use crate::server::{BINARY, PATIENCE};

/// What a superuser may do in spite of a file's mode.
const MAY_WRITE_ALL_THE_SAME: &str = "--bounding-set=-dac_override,-dac_read_search,-fowner";

/// Runs an audit for which modes of files mean what they say, whoever runs the tests.
async fn audit_by_modes(args: &[&str]) -> Output {
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args([MAY_WRITE_ALL_THE_SAME, BINARY]);
            command
        }
        false => Command::new(BINARY),
    };
    let run = command.arg("audit").args(args).kill_on_drop(true).output();
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap()
}

async fn says(code: i32, args: &[&str]) -> String {
    let output = audit_by_modes(args).await;
    let said = auditor::text(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// Copies a folder, all of it, or all but the files with this end.
fn copy(from: &Path, to: &Path, but: &str) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target, but);
        } else if !path.to_str().unwrap().ends_with(but) {
            std::fs::copy(path, target).unwrap();
        }
    }
}

/// Takes the right to write from a folder, or gives it back; answers everything in it.
fn writable(dir: &Path, is_writable: bool) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir, if is_writable { 0o755 } else { 0o555 });
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(writable(&path, is_writable));
        } else {
            mode(&path, if is_writable { 0o600 } else { 0o400 });
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_copy_that_takes_no_writes_is_audited_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0").await;
    let battle = play(&server).await;
    projected(&server, &data).await;
    // As a kill leaves it: the tables have a write-ahead log.
    server.kill().await;
    assert!(data.join("read-models.sqlite-wal").exists());
    let receipt = folder.path().join("receipt.json");
    let receipt = receipt.to_str().unwrap();
    ends_with(0, &["receipt", &battle, "--output", receipt], &["--data-dir", data.to_str().unwrap()]).await;
    for (name, but) in [("whole", "nothing"), ("without-shared-memory", "-shm"), ("without-lock", "lock")] {
        let copied = folder.path().join(name);
        copy(&data, &copied, but);
        let before = writable(&copied, false);
        let place = ["--data-dir", copied.to_str().unwrap()];
        let said = says(0, &[&["verify"], &place[..]].concat()).await;
        assert!(said.starts_with("CLEAN: 12 events of 1 battles"), "{name}: {said}");
        assert!(
            said.contains("3 rows of participants") && said.contains("5 rows of attacks"),
            "{name}: {said}"
        );
        let said = says(0, &[&["replay", &battle], &place[..]].concat()).await;
        assert!(said.contains("ann"), "{name}: {said}");
        let events = folder.path().join(format!("{name}.ndjson"));
        let events = events.to_str().unwrap();
        says(0, &[&["export", &battle, "--output", events], &place[..]].concat()).await;
        says(0, &[&["tail", "--no-follow"], &place[..]].concat()).await;
        let key = copied.join("secrets/receipt-public-key");
        let check = ["check-receipt", receipt, "--public-key", key.to_str().unwrap(), "--events", events];
        assert!(says(0, &check).await.starts_with("GENUINE"));
        assert_eq!(writable(&copied, true), before, "an audit made something in {name}");
    }
}

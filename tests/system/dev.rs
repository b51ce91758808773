//! `nimaora dev cluster` as a user has it: it leaves nothing behind, and goes on with what it has kept.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::proof::clean_audit;
use crate::server::PATIENCE;

/// How often is looked whether a process is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The servers and processes of a cluster with one of each role: PostgreSQL, PgBouncer, Redis, three of NATS, and four of ours.
const PROCESSES: usize = 10;

/// The processes that work in a folder: it is among their words, or they are in it.
fn processes_in(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let of_a_process = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap().path();
        entry.file_name()?.to_str()?.parse::<u32>().ok()?;
        // It may end meanwhile.
        let words = std::fs::read(entry.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let is_in = std::fs::read_link(entry.join("cwd")).is_ok_and(|place| place.starts_with(folder));
        (is_in || words.contains(name)).then_some(words)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(of_a_process).collect()
}

#[tokio::test]
async fn a_cluster_that_was_stopped_leaves_no_process_and_goes_on_with_its_data() {
    let folder = nimaora_local_servers::scratch().unwrap();
    let dir = folder.path().join("cluster");
    let (settings, data) = (dir.join("nimaora.toml"), dir.join("command-0").join("data"));
    let args = ["--users", "10", "--rate", "20", "--duration", "3s", "--joins-per-minute", "6000"];
    for start in 1..=2 {
        let cluster = Cluster::start(&dir, &["--each", "1"]).await;
        assert!(processes_in(&dir).len() > PROCESSES, "{:?}", processes_in(&dir));
        let report = cluster.play(&args, &folder.path().join("report.json")).await;
        assert_eq!(report["verified"], true, "{report:#}");
        let said = clean_audit(&settings, &data).await;
        assert!(said.contains(&format!(" events of {start} battles")), "{said}");
        assert_eq!(cluster.terminate().await, 0);
        assert_eq!(processes_in(&dir), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_cluster_that_is_killed_takes_all_of_its_processes_along() {
    let folder = nimaora_local_servers::scratch().unwrap();
    let dir = folder.path().join("cluster");
    let cluster = Cluster::start(&dir, &["--each", "1"]).await;
    let id = cluster.process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-KILL", &id]).status().await.unwrap().success());
    drop(cluster);
    let gone = async {
        while !processes_in(&dir).is_empty() {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("left are {:?}", processes_in(&dir)));
}

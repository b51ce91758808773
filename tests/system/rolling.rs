//! A cluster whose processes are restarted one after the other while it is played on, as an operator puts out a new version.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::cluster::Cluster;
use crate::server::PATIENCE;

/// Every process of `nimaora dev cluster`, in the order in which they are restarted.
const NODES: [&str; 8] = [
    "command-0",
    "command-1",
    "projection-0",
    "projection-1",
    "query-0",
    "query-1",
    "realtime-0",
    "realtime-1",
];
/// How often all of them are restarted: the first round may meet players who still join.
const ROUNDS: usize = 2;
/// How often a process that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often the process `name` has said that it serves.
fn times_ready(dir: &Path, name: &str) -> usize {
    let log = std::fs::read(dir.join(name).join("node.log")).unwrap();
    String::from_utf8_lossy(&log).lines().filter(|line| line.trim() == "ready").count()
}

/// The process `name`, a child of the cluster.
fn process_of(cluster: &Cluster, name: &str) -> String {
    let threads = format!("/proc/{}/task", cluster.process.id().unwrap());
    let its_name = format!("node.name={name}");
    for thread in std::fs::read_dir(threads).unwrap() {
        // A thread may end meanwhile.
        let children = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let words = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            if words.split(|byte| *byte == 0).any(|word| word == its_name.as_bytes()) {
                return child.to_owned();
            }
        }
    }
    panic!("{name} does not run");
}

/// SIGTERM, and waits until the one that follows serves.
async fn restart(cluster: &Cluster, dir: &Path, name: &str) {
    let before = times_ready(dir, name);
    let process = process_of(cluster, name);
    assert!(Command::new("kill").args(["-TERM", &process]).status().await.unwrap().success());
    let ready = async {
        while times_ready(dir, name) <= before {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("{name} does not serve again"));
}

#[tokio::test]
async fn every_process_of_a_cluster_is_restarted_and_no_request_fails() {
    let folder = nimaora_local_servers::scratch().unwrap();
    let dir = folder.path().join("cluster");
    let cluster = Cluster::start(&dir, &[]).await;
    let args = ["--users", "40", "--rate", "80", "--duration", "20s", "--joins-per-minute", "6000"];
    let report = folder.path().join("report.json");
    let restarts = async {
        for name in NODES.iter().cycle().take(ROUNDS * NODES.len()) {
            restart(&cluster, &dir, name).await;
        }
    };
    let (report, ()) = tokio::join!(cluster.play(&args, &report), restarts);
    assert_eq!(report["verified"], true, "{report:#}");
    assert_eq!(report["errors"], 0, "{report:#}");
    assert_eq!(report["unresolved"], 0, "{report:#}");
    assert_eq!(cluster.terminate().await, 0);
}

//! A whole cluster: every role twice, on PostgreSQL behind PgBouncer, Redis and three NATS servers, while processes are killed.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::server::{BINARY, PATIENCE};

/// A running `nimaora dev cluster`. Dropping it kills it, and with it all that it has started.
pub(crate) struct Cluster {
    pub(crate) process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What `nimaora load` needs to know of it.
    load: Vec<String>,
    /// The URLs of its projections.
    pub projections: Vec<String>,
}

impl Cluster {
    pub(crate) async fn start(dir: &Path, args: &[&str]) -> Self {
        let mut process = Command::new(BINARY)
            .args(["dev", "cluster", "--data-dir"])
            .arg(dir)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut cluster = Self { process, lines, load: Vec::new(), projections: Vec::new() };
        let projections = cluster.until("  projections ").await;
        let urls = projections.split_whitespace().last().unwrap().split(',');
        cluster.projections = urls.map(str::to_owned).collect();
        let example = cluster.until("  try ").await;
        let words = example.split_whitespace().skip(3).map(str::to_owned);
        cluster.load = words.take_while(|word| word != "--users").collect();
        cluster
    }

    /// Reads what it says until a line that begins so.
    pub(crate) async fn until(&mut self, beginning: &str) -> String {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().unwrap();
                if line.starts_with(beginning) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("it never said '{beginning}'"))
    }

    /// Plays a battle on it and answers the report.
    pub(crate) async fn play(&self, args: &[&str], report: &Path) -> serde_json::Value {
        let load = Command::new(BINARY)
            .arg("load")
            .args(&self.load)
            .args(args)
            .arg("--json")
            .arg(report)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(3 * PATIENCE, load).await.unwrap().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        let report = std::fs::read(report).unwrap_or_else(|error| panic!("{error}: {said}"));
        serde_json::from_slice(&report).unwrap()
    }

    /// What `nimaora load` is told with this flag.
    pub(crate) fn told(&self, flag: &str) -> &str {
        let at = self.load.iter().position(|word| word == flag).unwrap();
        &self.load[at + 1]
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn terminate(mut self) -> i32 {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        self.until("stopped").await;
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
        status.code().unwrap()
    }
}

#[tokio::test]
async fn a_cluster_plays_a_battle_though_its_processes_are_killed() {
    let folder = nimaora_local_servers::scratch().unwrap();
    let seed = fastrand::u64(..).to_string();
    eprintln!("seed {seed}");
    let chaos = ["--kill-every", "4s", "--seed", &seed];
    let mut cluster = Cluster::start(&folder.path().join("cluster"), &chaos).await;
    let args = ["--users", "40", "--rate", "80", "--duration", "15s", "--joins-per-minute", "6000"];
    let report = folder.path().join("report.json");
    let report = cluster.play(&args, &report).await;
    assert_eq!(report["verified"], true, "{report:#}");
    assert!(report["by_operation"]["attack"]["count"].as_u64().unwrap() > 0, "{report:#}");
    cluster.until("kill -9").await;
    assert_eq!(cluster.terminate().await, 0);
}

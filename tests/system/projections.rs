//! What an operator asks about projections in a cluster, where one is at work and another stands by.

use std::process::Stdio;

use tokio::process::Command;

use crate::cluster::Cluster;
use crate::server::{BINARY, PATIENCE};

/// The exit code of `nimaora projections`, and what it wrote to its two outputs.
async fn ask(cluster: &Cluster, url: &str, words: &[&str]) -> (i32, String, String) {
    let asked = Command::new(BINARY)
        .args(["projections", "--server", url, "--admin-token-file", cluster.told("--admin-token-file")])
        .args(words)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answered = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (answered.status.code().unwrap(), text(answered.stdout), text(answered.stderr))
}

#[tokio::test]
async fn every_projection_of_a_cluster_says_how_far_the_tables_are() {
    let folder = nimaora_local_servers::scratch().unwrap();
    let cluster = Cluster::start(&folder.path().join("cluster"), &[]).await;
    let args = ["--users", "10", "--rate", "20", "--duration", "3s", "--joins-per-minute", "6000"];
    let report = cluster.play(&args, &folder.path().join("report.json")).await;
    assert_eq!(report["verified"], true, "{report:#}");

    assert_eq!(cluster.projections.len(), 2);
    for url in &cluster.projections {
        let (code, told, failed) = ask(&cluster, url, &["status", "--wait"]).await;
        assert_eq!((code, &*told), (0, "battles: 0 events and 0 ms behind\n"), "{failed}");
        let (code, told, failed) = ask(&cluster, url, &["list"]).await;
        assert_eq!(code, 0, "{failed}");
        let position = told.lines().last().and_then(|row| row.split_whitespace().nth(1)).unwrap();
        assert!(position.parse::<u64>().unwrap() > 0, "{told}");
        let (code, told, failed) = ask(&cluster, url, &["parked", "list"]).await;
        assert_eq!((code, &*told), (0, "no event is parked\n"), "{failed}");
    }
    let queries = cluster.told("--target").split(',').next().unwrap().to_owned();
    let (code, told, failed) = ask(&cluster, &queries, &["list"]).await;
    assert_eq!((code, &*told), (1, ""));
    assert!(failed.contains("ROLE_ABSENT"), "{failed}");
    assert_eq!(cluster.terminate().await, 0);
}

//! The embedded log in a process of its own: killed under load, and on a disk that is full.
//!
//! The process is this test binary again, running one test that does nothing unless it is told a folder.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers fail the test")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{
    Append, AppendError, Direction, EventLog, Expected, Filter, NewEvent, RecordedEvent,
};
use nimaora_runtime::Clock;
use uuid::Uuid;

/// Tells a child which folder to work in.
const DIR_VARIABLE: &str = "NIMAORA_TEST_LOG_DIR";
/// No file of the child on the full disk grows beyond so many blocks of 512 bytes.
const FULL_AT_BLOCKS: u32 = 600;

fn open(dir: &Path) -> Arc<EmbeddedLog> {
    let config = EmbeddedConfig { segment_bytes: 256 * 1024, ..EmbeddedConfig::new(Clock::system()) };
    EmbeddedLog::open(dir, config).unwrap()
}

fn append(stream: String, id: Uuid, bytes: usize) -> Append {
    let data = Bytes::from(vec![b'1'; bytes]);
    let event = NewEvent { id, event_type: "Happened".into(), data, metadata: Bytes::new() };
    Append { stream: stream.into(), expected: Expected::Any, events: vec![event] }
}

async fn all(log: &EmbeddedLog) -> Vec<RecordedEvent> {
    let mut from = Some(1);
    let mut events = Vec::new();
    while let Some(place) = from {
        let page = log.read_all(place, Direction::Forwards, 10_000, &Filter::default()).await.unwrap();
        events.extend(page.events);
        from = page.next;
    }
    events
}

/// This binary again, running the test `name` in `dir`, with `before` in front of the command.
fn child(name: &str, dir: &Path, before: &str) -> Child {
    let binary = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!("{before} exec \"$0\" --exact {name} --nocapture"))
        .arg(binary)
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn write(log: Arc<EmbeddedLog>, task: usize) {
    loop {
        let id = Uuid::new_v4();
        let appended = log.append(append(format!("s{task}"), id, 300)).await.unwrap();
        println!("acknowledged {id} {}", appended.last_position);
    }
}

/// The child: appends as fast as it can and prints each id that was acknowledged.
#[test]
fn appends_until_killed() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let log = open(Path::new(&dir));
        let mut writers: tokio::task::JoinSet<()> = tokio::task::JoinSet::new();
        (0..16).for_each(|task| drop(writers.spawn(write(Arc::clone(&log), task))));
        writers.join_all().await;
    });
}

#[tokio::test]
async fn every_acknowledged_event_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=4 {
        let mut child = child("appends_until_killed", dir.path(), "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            let mut words = line.split_whitespace().skip_while(|word| *word != "acknowledged").skip(1);
            if let (Some(Ok(id)), Some(Ok(position))) =
                (words.next().map(str::parse::<Uuid>), words.next().map(str::parse::<u64>))
            {
                acknowledged.push((id, position));
                seen += 1;
            }
            if seen == 700 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 700 * round, "the child ended by itself");
        let log = open(dir.path());
        let events = all(&log).await;
        for (event, position) in events.iter().zip(1..) {
            assert_eq!(event.position, position);
        }
        for (id, position) in &acknowledged {
            assert_eq!(events[usize::try_from(*position).unwrap() - 1].id, *id, "round {round}");
        }
        log.close().await;
    }
}

/// The child: fills its disk, waits until it is told that there is room, and goes on.
#[test]
fn fills_its_disk() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let config = EmbeddedConfig { segment_bytes: 1024 * 1024, ..EmbeddedConfig::new(Clock::system()) };
        let log = EmbeddedLog::open(Path::new(&dir), config).unwrap();
        let mut written = 0;
        let refused = loop {
            match log.append(append("s".into(), Uuid::from_u128(written), 10_000)).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, AppendError::Unavailable { .. }), "{refused}");
        assert!(!log.status().await.unwrap().writable);
        assert_eq!(all(&log).await.len() as u128, written);
        println!("full {written}");

        let own = std::process::id().to_string();
        let room = Command::new("prlimit").args(["--pid", &own, "--fsize=unlimited"]).status().unwrap();
        assert!(room.success());
        let again = async {
            while log.append(append("s".into(), Uuid::from_u128(written), 10_000)).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), again).await.unwrap();
        assert!(log.status().await.unwrap().writable);
        println!("healed");
    });
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_is_used_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    // A file that would grow beyond the limit gets the same error as on a full disk, once the signal is ignored.
    let limit = format!("trap '' XFSZ; ulimit -S -f {FULL_AT_BLOCKS};");
    let child = child("fills_its_disk", dir.path(), &limit);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("healed"), "{said}");
    let written: usize =
        said.split_once("full ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
    let events = all(&open(dir.path())).await;
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (0..=written as u128).map(Uuid::from_u128).collect::<Vec<_>>());
}

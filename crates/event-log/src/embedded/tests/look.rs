//! Looking at a log before it is opened changes nothing, whatever is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{append, ids_of_all, open, small};
use crate::embedded::{EmbeddedLog, FoundEnd, LOG_DIR};
use crate::error::OpenError;
use crate::log::EventLog;

/// Everything in a folder.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// The head that is found. Nothing may change by that.
#[track_caller]
fn look(data_dir: &Path) -> u64 {
    let before = contents(data_dir);
    let head = EmbeddedLog::look(data_dir, small(4_096)).unwrap().head();
    assert!(contents(data_dir) == before, "looking changed something");
    head
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_begun_by_looking() {
    let data_dir = tempfile::tempdir().unwrap();
    assert_eq!(look(data_dir.path()), 0);
    fs::create_dir(data_dir.path().join("log")).unwrap();
    assert_eq!(look(data_dir.path()), 0);
    let log = EmbeddedLog::look(data_dir.path(), small(4_096)).unwrap().open().unwrap();
    log.append(append("s", [1])).await.unwrap();
    log.close().await;
    assert_eq!(look(data_dir.path()), 1);
}

#[tokio::test]
async fn what_opening_would_repair_stays_as_it_is() {
    let data_dir = tempfile::tempdir().unwrap();
    let file = |name: &str| data_dir.path().join("log").join(name);
    let log = open(data_dir.path());
    log.append(append("s", [1, 2])).await.unwrap();
    let acknowledged = fs::read(file("acknowledged")).unwrap();
    log.append(append("s", [3])).await.unwrap();
    log.close().await;

    // As it comes back from a copy of the segments.
    let newest = fs::read(file("acknowledged")).unwrap();
    for gone in ["acknowledged", "lock"] {
        fs::remove_file(file(gone)).unwrap();
        assert_eq!(look(data_dir.path()), 3);
    }
    // As a crash leaves it while an append is written.
    fs::write(file("acknowledged"), acknowledged).unwrap();
    let segment = file("00000000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    assert_eq!(look(data_dir.path()), 2);
    bytes[end] ^= 1;
    fs::write(&segment, bytes).unwrap();
    fs::write(file("acknowledged"), newest).unwrap();

    let ids = [1, 2, 3].map(Uuid::from_u128);
    assert_eq!(ids_of_all(&open(data_dir.path())).await, ids);
}

#[tokio::test]
async fn a_log_that_is_looked_at_is_in_use() {
    let data_dir = tempfile::tempdir().unwrap();
    open(data_dir.path()).close().await;
    let found = EmbeddedLog::look(data_dir.path(), small(4_096)).unwrap();
    let second = EmbeddedLog::open(data_dir.path(), small(4_096));
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    let log = found.open().unwrap();
    assert!(matches!(EmbeddedLog::look(data_dir.path(), small(4_096)), Err(OpenError::InUse { .. })));
    log.close().await;
    open(data_dir.path());
}

#[tokio::test]
async fn who_only_reads_changes_nothing_and_keeps_out_who_would_write() {
    let data_dir = tempfile::tempdir().unwrap();
    let log = open(data_dir.path());
    log.append(append("s", [1, 2])).await.unwrap();
    // One that writes has it alone.
    let refused = EmbeddedLog::open_read_only(data_dir.path(), small(4_096));
    assert!(matches!(refused, Err(OpenError::InUse { .. })));
    log.close().await;
    let before = contents(data_dir.path());
    let one = EmbeddedLog::open_read_only(data_dir.path(), small(4_096)).unwrap();
    let other = EmbeddedLog::open_read_only(data_dir.path(), small(4_096)).unwrap();
    for reading in [&one, &other] {
        assert_eq!(ids_of_all(reading).await, [1, 2].map(Uuid::from_u128));
        assert!(!reading.status().await.unwrap().writable);
        assert!(reading.append(append("s", [3])).await.is_err());
    }
    let refused = EmbeddedLog::open(data_dir.path(), small(4_096));
    assert!(matches!(refused, Err(OpenError::InUse { .. })));
    assert_eq!(one.found_end(), Some(&FoundEnd::default()));
    drop((one, other));
    assert!(contents(data_dir.path()) == before, "reading changed something");
    assert_eq!(ids_of_all(&open(data_dir.path())).await.len(), 2);
}

#[tokio::test]
async fn who_only_reads_is_told_when_the_end_may_have_been_cut_off() {
    let data_dir = tempfile::tempdir().unwrap();
    let log = open(data_dir.path());
    log.append(append("s", [1, 2])).await.unwrap();
    log.close().await;
    std::fs::remove_file(data_dir.path().join(LOG_DIR).join("acknowledged")).unwrap();
    let read = EmbeddedLog::open_read_only(data_dir.path(), small(4_096)).unwrap();
    assert_eq!(read.found_end(), Some(&FoundEnd { torn: None, acknowledgements_lost: true }));
}

//! What happens when the disk refuses writes, and when it takes them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use uuid::Uuid;

use super::{append, ids_of_all, open, small};
use crate::embedded::faults::Faults;
use crate::embedded::{EmbeddedConfig, EmbeddedLog};
use crate::error::AppendError;
use crate::log::EventLog;
use crate::types::{Appended, Expected};

struct Failing {
    dir: TempDir,
    log: Arc<EmbeddedLog>,
    faults: Arc<Faults>,
}

impl Failing {
    fn new(config: EmbeddedConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let faults = Arc::clone(&config.faults);
        Self { log: EmbeddedLog::open(dir.path(), config).unwrap(), dir, faults }
    }

    /// Appends until the log takes it again.
    async fn append_when_healed(&self, id: u128) -> Appended {
        let again = async {
            loop {
                if let Ok(appended) = self.log.append(append("s", [id])).await {
                    return appended;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), again).await.unwrap()
    }

    async fn is_writable(&self) -> bool {
        self.log.status().await.unwrap().writable
    }

    /// What a process would find that opens the files as they are now.
    async fn after_a_crash(&self) -> Vec<Uuid> {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("log")).unwrap();
        for entry in std::fs::read_dir(self.dir.path().join("log")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join("log").join(entry.file_name())).unwrap();
        }
        ids_of_all(&open(copy.path())).await
    }
}

fn ids(ids: &[u128]) -> Vec<Uuid> {
    ids.iter().map(|id| Uuid::from_u128(*id)).collect()
}

fn set(fault: &AtomicBool, fails: bool) {
    fault.store(fails, Ordering::SeqCst);
}

#[tokio::test]
async fn a_disk_that_refuses_writes_loses_nothing_and_is_used_again_when_it_heals() {
    let disk = Failing::new(small(1 << 20));
    disk.log.append(append("s", [1])).await.unwrap();
    let faults: [fn(&Faults) -> &AtomicBool; 2] = [|faults| &faults.writes, |faults| &faults.syncs];
    let mut written = vec![1];
    for (round, fault) in (1..).zip(faults) {
        set(fault(&disk.faults), true);
        for n in 0..3 {
            let refused = disk.log.append(append("s", [round * 100 + n])).await;
            assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
        }
        assert!(!disk.is_writable().await);
        assert_eq!(ids_of_all(&disk.log).await, ids(&written));
        assert_eq!(disk.after_a_crash().await, ids(&written));
        set(fault(&disk.faults), false);
        let appended = disk.append_when_healed(round * 10).await;
        written.push(round * 10);
        assert_eq!((appended.last_position, appended.last_revision), (round as u64 + 1, round as u64));
        assert!(disk.is_writable().await);
    }
    disk.log.close().await;
    assert_eq!(ids_of_all(&open(disk.dir.path())).await, ids(&written));
}

#[tokio::test]
async fn a_disk_that_heals_is_noticed_without_an_append() {
    let disk = Failing::new(small(1 << 20));
    set(&disk.faults.writes, true);
    disk.log.append(append("s", [1])).await.unwrap_err();
    set(&disk.faults.writes, false);
    let noticed = async {
        while !disk.is_writable().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), noticed).await.unwrap();
}

#[tokio::test]
async fn what_can_neither_be_written_nor_taken_back_has_an_unknown_outcome_until_it_is() {
    let disk = Failing::new(small(1 << 20));
    disk.log.append(append("s", [1])).await.unwrap();
    set(&disk.faults.syncs, true);
    set(&disk.faults.roll_backs, true);
    let unknown = disk.log.append(append("s", [2])).await;
    assert!(matches!(unknown, Err(AppendError::UnknownOutcome { .. })), "{unknown:?}");
    let refused = disk.log.append(append("s", [3])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    assert_eq!(ids_of_all(&disk.log).await, ids(&[1]));
    set(&disk.faults.syncs, false);
    set(&disk.faults.roll_backs, false);
    let appended = disk.append_when_healed(2).await;
    assert!(!appended.repeated);
    assert_eq!(disk.after_a_crash().await, ids(&[1, 2]));
}

#[tokio::test]
async fn a_new_stream_that_was_not_written_is_missing() {
    let disk = Failing::new(small(1 << 20));
    set(&disk.faults.writes, true);
    disk.log.append(append("new", [1])).await.unwrap_err();
    set(&disk.faults.writes, false);
    disk.append_when_healed(2).await;
    let mut first = append("new", [1]);
    first.expected = Expected::NoStream;
    assert_eq!(disk.log.append(first).await.unwrap().last_revision, 0);
    assert_eq!(ids_of_all(&disk.log).await, ids(&[2, 1]));
}

#[tokio::test]
async fn a_segment_that_cannot_be_begun_is_begun_later() {
    let disk = Failing::new(small(300));
    disk.log.append(append("s", [1])).await.unwrap();
    set(&disk.faults.writes, true);
    disk.log.append(append("s", [2])).await.unwrap_err();
    disk.log.append(append("s", [3])).await.unwrap_err();
    assert!(!disk.is_writable().await);
    set(&disk.faults.writes, false);
    for id in 4..20 {
        disk.append_when_healed(id).await;
    }
    let written = ids(&[&[1][..], &(4..20).collect::<Vec<_>>()].concat());
    assert_eq!(ids_of_all(&disk.log).await, written);
    assert_eq!(disk.after_a_crash().await, written);
}

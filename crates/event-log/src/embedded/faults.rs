//! Disks that fail when a test says so.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// What fails from now on.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Writes fail and leave nothing.
    pub(super) writes: AtomicBool,
    /// Writes reach the file and then fail to be synced.
    pub(super) syncs: AtomicBool,
    /// Failed writes cannot be taken back.
    pub(super) roll_backs: AtomicBool,
}

impl Faults {
    pub(super) fn before_write(&self) -> io::Result<()> {
        fail_if(&self.writes, io::ErrorKind::StorageFull)
    }

    pub(super) fn after_write(&self) -> io::Result<()> {
        fail_if(&self.syncs, io::ErrorKind::Other)
    }

    pub(super) fn before_roll_back(&self) -> io::Result<()> {
        fail_if(&self.roll_backs, io::ErrorKind::Other)
    }
}

fn fail_if(fault: &AtomicBool, kind: io::ErrorKind) -> io::Result<()> {
    match fault.load(Ordering::SeqCst) {
        true => Err(kind.into()),
        false => Ok(()),
    }
}

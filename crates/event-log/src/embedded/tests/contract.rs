//! The contract suite on the embedded log.

use nimaora_runtime::Clock;

use crate::embedded::{EmbeddedConfig, EmbeddedLog};
use crate::log::SharedLog;

async fn fresh() -> (SharedLog, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(dir.path(), EmbeddedConfig::new(Clock::system())).unwrap();
    (log, dir)
}

crate::event_log_contract!(fresh);

/// The same with segments of a few kilobytes and nothing kept in memory: every read goes to disk and crosses files.
mod from_disk {
    use super::*;

    async fn fresh() -> (SharedLog, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let small = EmbeddedConfig {
            segment_bytes: 8 * 1024,
            tail_bytes_max: 0,
            ..EmbeddedConfig::new(Clock::system())
        };
        (EmbeddedLog::open(dir.path(), small).unwrap(), dir)
    }

    crate::event_log_contract!(fresh);
}

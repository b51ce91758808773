//! Settings of the tables in a SQLite file, and their fixed limits.

use std::time::Duration;

/// Settings of the tables in a SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// How many queries are answered at the same time. The next one waits for [`SqliteConfig::acquire_timeout`].
    pub readers_max: u32,
    /// How long a query waits for a connection; then it is answered `Unavailable`.
    pub acquire_timeout: Duration,
    /// How long a statement waits for another process that has the file locked; then it is answered `Unavailable`.
    pub busy_timeout: Duration,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { readers_max: 4, acquire_timeout: Duration::from_secs(2), busy_timeout: Duration::from_secs(5) }
    }
}

/// How long the writer waits for its connection, which may have to be opened anew.
pub(super) const WRITER_TIMEOUT: Duration = Duration::from_secs(20);
/// Pages that the writing connection keeps in memory, in KiB: indexes of some battles of 20,000 participants.
pub(super) const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// Pages that each reading connection keeps in memory, in KiB.
pub(super) const READER_CACHE_KIB: u32 = 4 * 1024;
/// Pages that a connection of an auditor keeps in memory, in KiB: it looks up the participants of each attack.
pub(super) const AUDITOR_CACHE_KIB: u32 = 32 * 1024;
/// The write-ahead log is copied into the file when it has so many pages of 4 KiB; fewer would copy a page more often
/// while many batches change the same rows.
pub(super) const CHECKPOINT_PAGES: u32 = 4_096;
/// To this many bytes the write-ahead log's file is cut back after it was longer.
pub(super) const JOURNAL_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// How many statements a connection keeps prepared; there are fewer.
pub(super) const STATEMENTS_MAX: usize = 64;

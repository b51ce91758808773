//! Settings of the embedded log, and its fixed limits.

use nimaora_runtime::Clock;

/// Settings of an embedded log.
#[derive(Clone, Debug)]
pub struct EmbeddedConfig {
    /// Where a segment ends and the next one begins, in bytes. An append that is larger gets a segment of its own size.
    /// More than [`SEGMENT_BYTES_MAX`] counts as that.
    pub segment_bytes: u32,
    /// How many bytes of the newest events stay in memory for those who read at the head. When it is reached, the
    /// oldest are read from disk.
    pub tail_bytes_max: usize,
    /// What time it is; the log stamps every append with it.
    pub clock: Clock,
    /// What a test makes fail.
    #[cfg(test)]
    pub(super) faults: std::sync::Arc<super::faults::Faults>,
}

/// The default of [`EmbeddedConfig::segment_bytes`].
pub const SEGMENT_BYTES: u32 = 32 * 1024 * 1024;
/// The largest [`EmbeddedConfig::segment_bytes`]: a segment is read whole on opening.
pub const SEGMENT_BYTES_MAX: u32 = 512 * 1024 * 1024;
/// The default of [`EmbeddedConfig::tail_bytes_max`].
pub const TAIL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Appends that may wait for the writer. When it is reached, an append is answered `Unavailable` at once.
pub const WAITING_APPENDS_MAX: usize = 16_384;
/// Bytes that may wait for the writer. When it is reached, an append is answered `Unavailable` at once.
pub const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A group takes no further append once it has this many bytes; the rest goes into the next group.
pub(super) const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A group takes no further append once it has this many; the rest goes into the next group.
pub(super) const GROUP_APPENDS_MAX: usize = 4_096;
/// How many of the newest events' ids are remembered; an older id is found only where an exact expectation points.
pub const REMEMBERED_IDS_MAX: usize = 131_072;
/// Bytes that one page of a read or of a subscription looks at; then the reader is told where to go on.
pub(super) const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

impl EmbeddedConfig {
    /// The defaults, with this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            tail_bytes_max: TAIL_BYTES_MAX,
            clock,
            #[cfg(test)]
            faults: std::sync::Arc::default(),
        }
    }
}

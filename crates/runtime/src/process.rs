//! Processor time, memory and open files of this process, under the names that Prometheus clients expect.

use std::fs;

/// What this process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time in user and system mode since the start, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Open files.
    pub open_files: u64,
}

/// Reads what this process has used; what the system does not tell is 0.
pub fn usage() -> Usage {
    Usage {
        cpu_seconds: cpu_seconds().unwrap_or(0.0),
        resident_bytes: resident_bytes().unwrap_or(0),
        open_files: fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
    }
}

/// The kernel counts in hundredths of a second on every Linux that we run on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_this_process_uses() {
        let usage = usage();
        assert!(usage.resident_bytes > 0);
        assert!(usage.open_files > 0);
    }
}

//! Writing tables gives way to commands: when the processors are all busy, the tables fall behind a little, their batches
//! grow and cost less for each event, and whoever waits for an answer gets it.

use std::fs;

use rustix::process::{Pid, setpriority_process};

/// What the writing thread is called; the system keeps 15 bytes of a name.
pub(super) const WRITER_THREAD: &str = "tables-writer";

/// 0 is ordinary, 19 the most yielding.
const NICE: i32 = 5;

/// Makes the threads that write tables give way. The library starts them and offers no way to speak to one, so they are found
/// by their name. Where the system does not allow it they stay as they are.
pub(super) fn give_way() {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return };
    for thread in threads.flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let id = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        if name.trim_end() == WRITER_THREAD
            && let Err(error) = setpriority_process(id, NICE)
        {
            tracing::debug!(%error, "the tables' writer keeps its priority");
        }
    }
}

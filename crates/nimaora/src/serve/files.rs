//! How many files the process may open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are kept back for the stores and for what opens a file now and then.
const KEPT_BACK: usize = 256;

/// Raises the limit to what the system allows this process, and answers how many connections that leaves room for.
pub(super) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            limit.current
        }
    };
    // No value stands for no limit.
    current.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(KEPT_BACK).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_room_for_connections() {
        assert!(raise_limit() > 0);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}

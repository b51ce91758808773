//! The pause between two tries of the same, for the adapters that speak to servers.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest and the longest pause before the same is tried again.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Waits before the next try; false when there is no time for one.
pub(crate) async fn pause(tries: u32, deadline: Instant) -> bool {
    let until = Instant::now() + backoff(tries);
    if until >= deadline {
        return false;
    }
    tokio::time::sleep_until(until).await;
    true
}

/// Twice as long after each try, and between half of that and all of it, so that those who failed together do not come together.
pub(crate) fn backoff(tries: u32) -> Duration {
    let longest = PAUSE.saturating_mul(1 << tries.min(10)).min(PAUSE_MAX);
    let chance = (uuid::Uuid::new_v4().as_u128() & 0xff) as u32;
    longest / 2 + longest / 2 * chance / 255
}

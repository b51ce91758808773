//! The lanes that changes travel in: the reference's five queues.
//!
//! Its queues also have a number of tries and a deadline for each job. There are none here: publishing is tried until the bus
//! takes a change, and a follower that has lost some is told so and reads them from the tables. Nothing is given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A class of changes. What is in one lane keeps its order. Lanes keep none among each other: who wants the urgent ones to
/// overtake the others follows each of them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Alerts to the attacked.
    Attacks,
    /// What all in a battle must hear: start, end, sessions.
    Broadcast,
    /// Boards.
    Leaderboard,
    /// Everything else.
    Default,
    /// What can wait.
    Notifications,
}

impl Lane {
    /// All lanes, the most urgent first. Changes that become visible together are published in this order.
    pub const ALL: [Self; 5] =
        [Self::Attacks, Self::Broadcast, Self::Leaderboard, Self::Default, Self::Notifications];

    /// Within this time after it happened a change should be with its receiver; `None` where nothing is promised.
    pub const fn service_level(self) -> Option<Duration> {
        match self {
            Self::Attacks => Some(Duration::from_millis(100)),
            Self::Broadcast => Some(Duration::from_millis(200)),
            Self::Leaderboard => Some(Duration::from_millis(500)),
            Self::Default | Self::Notifications => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_lane_comes_first() {
        let levels: Vec<_> =
            Lane::ALL.iter().map(|lane| lane.service_level().unwrap_or(Duration::MAX)).collect();
        assert!(levels.is_sorted(), "{levels:?}");
    }
}

//! The lanes that changes travel in: the reference's five queues, in one table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A class of changes. What is in one lane keeps its order; lanes overtake each other by priority.
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

/// What a lane promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneTerms {
    /// Larger goes first.
    pub priority: u8,
    /// Within this time a change should be with its receiver; `None` where nothing is promised.
    pub service_level: Option<Duration>,
    /// How often a delivery is tried.
    pub tries: u8,
    /// After this time a change is given up.
    pub deadline: Duration,
}

impl Lane {
    /// All lanes, the most urgent first.
    pub const ALL: [Self; 5] =
        [Self::Attacks, Self::Broadcast, Self::Leaderboard, Self::Default, Self::Notifications];

    /// What the lane promises.
    pub const fn terms(self) -> LaneTerms {
        match self {
            Self::Attacks => terms(10, Some(100), 3, 15),
            Self::Broadcast => terms(8, Some(200), 1, 10),
            Self::Leaderboard => terms(5, Some(500), 3, 30),
            Self::Default => terms(5, None, 3, 60),
            Self::Notifications => terms(3, None, 3, 60),
        }
    }
}

const fn terms(priority: u8, service_level_ms: Option<u64>, tries: u8, deadline_seconds: u64) -> LaneTerms {
    let service_level = match service_level_ms {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => None,
    };
    LaneTerms { priority, service_level, tries, deadline: Duration::from_secs(deadline_seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_lane_comes_first() {
        let priorities: Vec<_> = Lane::ALL.iter().map(|lane| lane.terms().priority).collect();
        assert!(priorities.is_sorted_by(|a, b| a >= b), "{priorities:?}");
    }
}

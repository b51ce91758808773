//! Who does what when: the reference's proportions as open-loop arrivals that follow from a seed.
//!
//! The reference counts, for each of its players and its battle of an hour, 10 answers, 30 board queries, 5 attacks and a
//! heartbeat each 30 seconds. A shorter battle has the same rates, so its counts are scaled to its duration; `--rate`
//! raises all of them together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::Profile;

/// How often a player of the reference does each thing in an hour.
const ANSWERS_PER_HOUR: u32 = 10;
const BOARDS_PER_HOUR: u32 = 30;
const ATTACKS_PER_HOUR: u32 = 5;
const HEARTBEATS_PER_HOUR: u32 = 120;
const OPERATIONS_PER_HOUR: u32 = ANSWERS_PER_HOUR + BOARDS_PER_HOUR + ATTACKS_PER_HOUR + HEARTBEATS_PER_HOUR;

/// What the stress profile offers in total, in operations a second.
const STRESS_RPS: f64 = 50_000.0;
/// The reference's joins a minute.
const JOINS_PER_MINUTE: f64 = 1_000.0;
/// The fewest questions of a battle, and the most that any battle can have.
const QUESTIONS_MIN: u32 = 10;
const QUESTIONS_MAX: u32 = 1_000;

/// Something that a player does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Join,
    Answer,
    Attack,
    Leaderboard,
    Heartbeat,
}

impl Operation {
    pub(super) const ALL: [Self; 5] =
        [Self::Join, Self::Answer, Self::Attack, Self::Leaderboard, Self::Heartbeat];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Answer => "answer",
            Self::Attack => "attack",
            Self::Leaderboard => "leaderboard",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// How much is offered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// Operations a second of the measured phase, over all players.
    pub(super) rate_rps: f64,
    /// Joins a minute before it.
    pub(super) joins_per_minute: f64,
    /// Questions of the battle.
    pub(super) questions: u32,
}

impl Offer {
    pub(super) fn new(
        profile: Profile,
        users: u32,
        duration: Duration,
        rate: Option<f64>,
        joins_per_minute: Option<f64>,
    ) -> Self {
        let reference_rps = f64::from(users) * f64::from(OPERATIONS_PER_HOUR) / 3_600.0;
        let rate_rps = rate.unwrap_or(match profile {
            Profile::Reference => reference_rps,
            Profile::Stress => STRESS_RPS,
        });
        let raised = (rate_rps / reference_rps).max(1.0);
        let answers =
            rate_rps * duration.as_secs_f64() * f64::from(ANSWERS_PER_HOUR) / f64::from(OPERATIONS_PER_HOUR);
        // Everybody answers in turn, so half as many again is enough for each.
        let questions = (1.5 * answers / f64::from(users)).ceil() as u32;
        Self {
            rate_rps,
            joins_per_minute: joins_per_minute.unwrap_or(JOINS_PER_MINUTE * raised),
            questions: (questions + QUESTIONS_MIN).min(QUESTIONS_MAX),
        }
    }
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When, in microseconds after the phase began.
    pub(super) at_us: u64,
    pub(super) operation: Operation,
    /// Who, counted within the process.
    pub(super) player: u32,
}

/// The arrivals of one process: a Poisson process whose operations come in the reference's proportions. Answers and
/// heartbeats go round all players in turn; the rest is drawn.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    random: fastrand::Rng,
    gap_us: f64,
    at_us: f64,
    end_us: u64,
    players: u32,
    answering: u32,
    beating: u32,
}

impl Arrivals {
    /// Arrivals at `rate_rps` for `duration`, by `players` players (at least 1).
    pub(super) fn new(seed: u64, rate_rps: f64, duration: Duration, players: u32) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            gap_us: 1e6 / rate_rps,
            at_us: 0.0,
            end_us: super::time::micros(duration),
            players: players.max(1),
            answering: 0,
            beating: 0,
        }
    }

    fn operation(&mut self) -> Operation {
        match self.random.u32(..OPERATIONS_PER_HOUR) {
            0..ANSWERS_PER_HOUR => Operation::Answer,
            n if n < ANSWERS_PER_HOUR + BOARDS_PER_HOUR => Operation::Leaderboard,
            n if n < ANSWERS_PER_HOUR + BOARDS_PER_HOUR + ATTACKS_PER_HOUR => Operation::Attack,
            _ => Operation::Heartbeat,
        }
    }

    fn player(&mut self, operation: Operation) -> u32 {
        let turn = match operation {
            Operation::Answer => &mut self.answering,
            Operation::Heartbeat => &mut self.beating,
            Operation::Join | Operation::Attack | Operation::Leaderboard => {
                return self.random.u32(..self.players);
            }
        };
        *turn = (*turn + 1) % self.players;
        *turn
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // The logarithm needs a number above 0.
        self.at_us -= (1.0 - self.random.f64()).ln() * self.gap_us;
        if self.at_us >= self.end_us as f64 {
            return None;
        }
        let operation = self.operation();
        Some(Arrival { at_us: self.at_us as u64, operation, player: self.player(operation) })
    }
}

/// The joins of one process, evenly spaced.
pub(super) fn joins(players: u32, joins_per_minute: f64) -> impl Iterator<Item = Arrival> + Send {
    (0..players).map(move |player| Arrival {
        at_us: (f64::from(player) * 60e6 / joins_per_minute) as u64,
        operation: Operation::Join,
        player,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn share(arrivals: &[Arrival], operation: Operation) -> f64 {
        arrivals.iter().filter(|a| a.operation == operation).count() as f64 / arrivals.len() as f64
    }

    #[test]
    fn operations_come_in_the_references_proportions() {
        let arrivals: Vec<_> = Arrivals::new(7, 5_000.0, MINUTE, 100).collect();
        let expected = 5_000.0 * 60.0;
        assert!((arrivals.len() as f64 - expected).abs() < expected * 0.01, "{}", arrivals.len());
        for (operation, per_hour) in [
            (Operation::Answer, 10.0),
            (Operation::Leaderboard, 30.0),
            (Operation::Attack, 5.0),
            (Operation::Heartbeat, 120.0),
            (Operation::Join, 0.0),
        ] {
            let (is, should) = (share(&arrivals, operation), per_hour / 165.0);
            assert!((is - should).abs() < 0.005, "{operation:?}: {is} instead of {should}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_in_order() {
        let one: Vec<_> = Arrivals::new(3, 500.0, MINUTE, 10).collect();
        let two: Vec<_> = Arrivals::new(3, 500.0, MINUTE, 10).collect();
        let other: Vec<_> = Arrivals::new(4, 500.0, MINUTE, 10).collect();
        assert_eq!(one, two);
        assert_ne!(one, other);
        assert!(one.is_sorted_by_key(|arrival| arrival.at_us));
    }

    #[test]
    fn everybody_answers_and_beats_equally_often() {
        let arrivals: Vec<_> = Arrivals::new(3, 1_000.0, MINUTE, 10).collect();
        for operation in [Operation::Answer, Operation::Heartbeat] {
            let mut counts = [0_u32; 10];
            arrivals.iter().filter(|a| a.operation == operation).for_each(|a| counts[a.player as usize] += 1);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{counts:?}");
        }
    }

    #[test]
    fn the_reference_offers_920_operations_a_second_for_20_000_players() {
        let offer = Offer::new(Profile::Reference, 20_000, MINUTE, None, None);
        assert!((offer.rate_rps - 916.7).abs() < 0.1, "{offer:?}");
        assert_eq!(offer.joins_per_minute, 1_000.0);
    }

    #[test]
    fn an_asked_rate_raises_the_joins_too() {
        let offer = Offer::new(Profile::Reference, 2_000, MINUTE, Some(2_300.0), None);
        assert!((offer.joins_per_minute - 25_090.9).abs() < 0.1, "{offer:?}");
        let slow = Offer::new(Profile::Reference, 2_000, MINUTE, Some(1.0), None);
        assert_eq!(slow.joins_per_minute, 1_000.0);
        let asked = Offer::new(Profile::Reference, 2_000, MINUTE, Some(2_300.0), Some(600.0));
        assert_eq!(asked.joins_per_minute, 600.0);
    }

    #[test]
    fn nobody_runs_out_of_questions() {
        let offer = Offer::new(Profile::Reference, 100, MINUTE, Some(2_300.0), None);
        let mut answers = [0_u32; 100];
        for arrival in Arrivals::new(9, offer.rate_rps, MINUTE, 100) {
            if arrival.operation == Operation::Answer {
                answers[arrival.player as usize] += 1;
            }
        }
        assert!(answers.iter().all(|count| *count <= offer.questions), "{answers:?} of {}", offer.questions);
    }

    #[test]
    fn joins_are_evenly_spaced() {
        let joins: Vec<_> = joins(3, 1_000.0).map(|join| join.at_us).collect();
        assert_eq!(joins, [0, 60_000, 120_000]);
    }
}

//! What is measured: latencies, outcomes and the load of each second. Records of several processes add up.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::plan::Operation;

/// The longest latency that is told apart, in microseconds; a longer one counts as this one.
const LATENCY_US_MAX: u64 = 600_000_000;
/// Latencies are kept to three significant digits.
const SIGNIFICANT_DIGITS: u8 = 3;
/// The most different reasons that are counted by name; further ones are counted as `other`.
const REASONS_MAX: usize = 50;

/// Latencies in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(super) struct Latencies(Histogram<u64>);

/// The usual percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Default for Latencies {
    #[allow(clippy::expect_used, reason = "the bounds are constants that the histogram accepts")]
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS);
        Self(histogram.expect("constant bounds"))
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency_us: u64) {
        self.record_many(latency_us, 1);
    }

    fn record_many(&mut self, latency_us: u64, count: u64) {
        self.0.saturating_record_n(latency_us.min(LATENCY_US_MAX), count);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for bucket in other.0.iter_recorded() {
            self.record_many(bucket.value_iterated_to(), bucket.count_at_value());
        }
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Percentiles {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: self.0.max() as f64 / 1_000.0,
        }
    }
}

impl From<Vec<(u64, u64)>> for Latencies {
    fn from(buckets: Vec<(u64, u64)>) -> Self {
        let mut latencies = Self::default();
        for (latency_us, count) in buckets {
            latencies.record_many(latency_us, count);
        }
        latencies
    }
}

impl From<Latencies> for Vec<(u64, u64)> {
    fn from(latencies: Latencies) -> Self {
        latencies.0.iter_recorded().map(|b| (b.value_iterated_to(), b.count_at_value())).collect()
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending<'a> {
    Succeeded,
    /// The rules said no, for this reason.
    Refused(&'a str),
    /// It failed, with this gRPC code or for this reason.
    Failed(&'a str),
}

/// What became of the operations of one kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) succeeded: u64,
    pub(super) refused: u64,
    pub(super) errors: u64,
    /// From the intended time to the outcome, whatever it was.
    pub(super) latencies: Latencies,
}

impl Tally {
    pub(super) fn count(&self) -> u64 {
        self.succeeded + self.refused + self.errors
    }

    /// The successes among all that the rules did not refuse; 1 when there was nothing.
    pub(super) fn success_rate(&self) -> f64 {
        let judged = self.succeeded + self.errors;
        if judged == 0 { 1.0 } else { self.succeeded as f64 / judged as f64 }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.refused += other.refused;
        self.errors += other.errors;
        self.latencies.add(&other.latencies);
    }
}

/// Everything that one or several processes measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) tallies: BTreeMap<Operation, Tally>,
    /// Outcomes in each second of the measured phase.
    pub(super) per_second: Vec<u64>,
    /// How late operations were sent, in microseconds after their intended time.
    pub(super) lag: Latencies,
    /// From the loss of a socket to the moment when its player listened to both channels again.
    pub(super) socket_returns: Latencies,
    /// Times that a request was sent again: a command whose outcome was not known, or another one to a server that was not there.
    pub(super) retries: u64,
    /// Operations that were due and not sent before the phase was over.
    pub(super) not_sent: u64,
    /// Commands whose outcome never became known.
    pub(super) unresolved: u64,
    /// How often the rules refused, by reason.
    pub(super) refusals: BTreeMap<String, u64>,
    /// How often operations failed, by reason.
    pub(super) failures: BTreeMap<String, u64>,
}

impl Record {
    /// Counts an outcome; `second` is the second of the measured phase in which it came, `None` before that phase.
    pub(super) fn outcome(
        &mut self,
        operation: Operation,
        latency_us: u64,
        second: Option<usize>,
        ending: Ending<'_>,
    ) {
        let tally = self.tallies.entry(operation).or_default();
        tally.latencies.record(latency_us);
        match ending {
            Ending::Succeeded => tally.succeeded += 1,
            Ending::Refused(reason) => {
                tally.refused += 1;
                count(&mut self.refusals, reason, 1);
            }
            Ending::Failed(reason) => {
                tally.errors += 1;
                count(&mut self.failures, reason, 1);
            }
        }
        if let Some(second) = second {
            if self.per_second.len() <= second {
                self.per_second.resize(second + 1, 0);
            }
            self.per_second[second] += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (operation, tally) in &other.tallies {
            self.tallies.entry(*operation).or_default().add(tally);
        }
        if self.per_second.len() < other.per_second.len() {
            self.per_second.resize(other.per_second.len(), 0);
        }
        for (sum, count) in self.per_second.iter_mut().zip(&other.per_second) {
            *sum += count;
        }
        self.lag.add(&other.lag);
        self.socket_returns.add(&other.socket_returns);
        self.retries += other.retries;
        self.not_sent += other.not_sent;
        self.unresolved += other.unresolved;
        for (reason, times) in &other.refusals {
            count(&mut self.refusals, reason, *times);
        }
        for (reason, times) in &other.failures {
            count(&mut self.failures, reason, *times);
        }
    }

    /// All operations together.
    pub(super) fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.tallies.values().for_each(|tally| total.add(tally));
        total
    }
}

fn count(counts: &mut BTreeMap<String, u64>, reason: &str, times: u64) {
    if let Some(known) = counts.get_mut(reason) {
        *known += times;
    } else {
        let name = if counts.len() < REASONS_MAX { reason } else { "other" };
        *counts.entry(name.to_owned()).or_default() += times;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(values: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        values.into_iter().for_each(|value| latencies.record(value));
        latencies
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let percentiles = latencies((1..=100).map(|n| n * 1_000)).percentiles();
        for (is, should) in [
            (percentiles.p50, 50.0),
            (percentiles.p90, 90.0),
            (percentiles.p99, 99.0),
            (percentiles.max, 100.0),
        ] {
            assert!((is - should).abs() < 0.1, "{is} instead of {should}");
        }
        assert_eq!(Latencies::default().percentiles(), Percentiles::default());
    }

    #[test]
    fn records_of_two_processes_equal_one_of_both() {
        let (mut one, mut two, mut both) = (Record::default(), Record::default(), Record::default());
        for n in 0..1_000_u64 {
            let part = if n % 3 == 0 { &mut one } else { &mut two };
            let ending = match n % 10 {
                0 => Ending::Refused("NO_ARROWS"),
                1 => Ending::Failed("Unavailable"),
                _ => Ending::Succeeded,
            };
            let operation = Operation::ALL[(n % 5) as usize];
            part.outcome(operation, n * n, Some((n / 100) as usize), ending);
            both.outcome(operation, n * n, Some((n / 100) as usize), ending);
        }
        // As they travel between processes.
        let two: Record = serde_json::from_str(&serde_json::to_string(&two).unwrap()).unwrap();
        one.add(&two);
        assert_eq!(one.per_second, both.per_second);
        assert_eq!(one.refusals, both.refusals);
        assert_eq!(one.failures, both.failures);
        assert_eq!(one.total().count(), 1_000);
        assert_eq!(one.total().latencies.percentiles(), both.total().latencies.percentiles());
        assert_eq!(one.tallies[&Operation::Attack].errors, both.tallies[&Operation::Attack].errors);
    }

    #[test]
    fn refusals_do_not_lower_the_success_rate() {
        let mut record = Record::default();
        record.outcome(Operation::Attack, 1, None, Ending::Succeeded);
        record.outcome(Operation::Attack, 1, None, Ending::Refused("NO_ARROWS"));
        assert_eq!(record.total().success_rate(), 1.0);
        record.outcome(Operation::Attack, 1, None, Ending::Failed("Internal"));
        assert_eq!(record.total().success_rate(), 0.5);
    }

    #[test]
    fn a_flood_of_different_reasons_stays_bounded() {
        let mut record = Record::default();
        for n in 0..1_000 {
            record.outcome(Operation::Join, 1, None, Ending::Failed(&n.to_string()));
        }
        assert!(record.failures.len() <= REASONS_MAX + 1);
        assert_eq!(record.failures.values().sum::<u64>(), 1_000);
    }
}

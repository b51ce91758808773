//! The report: a table for people and JSON for machines.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::plan::Operation;
use super::record::{Percentiles, Record, Tally};
use super::verify::{AlertCount, Differences};

/// The generator is late when so much of it is sent later than this, in milliseconds at P99. Its latencies then tell of
/// the generator too.
const LAG_P99_MS_MAX: f64 = 10.0;

/// What a load found. Times are in milliseconds; rates are shares of 1.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) target: String,
    pub(super) profile: String,
    pub(super) seed: u64,
    pub(super) users: u32,
    pub(super) processes: u32,
    /// How long the measured phase was meant to last, in seconds.
    pub(super) duration_seconds: f64,
    /// What was offered in the measured phase, in operations a second.
    pub(super) rate_offered: f64,
    /// Operations with an outcome, joins included.
    pub(super) requests: u64,
    /// Operations that were due and not sent before the measured phase was over.
    pub(super) not_sent: u64,
    /// Successes among the operations that the rules did not refuse.
    pub(super) success_rate: f64,
    pub(super) refused: u64,
    pub(super) errors: u64,
    /// Times that a request was sent again: a command of unknown outcome, or another one to a server that was not there.
    pub(super) retries: u64,
    /// Commands whose outcome never became known.
    pub(super) unresolved: u64,
    /// Outcomes a second of the measured phase: on average, and in its best second.
    pub(super) rps_avg: f64,
    pub(super) rps_peak: u64,
    /// Sockets that were open when the measured phase began.
    pub(super) sockets: u64,
    pub(super) sockets_reopened: u64,
    /// From the loss of a socket until its player listened to both channels again.
    pub(super) socket_return_ms: Percentiles,
    pub(super) boards_received: u64,
    pub(super) boards_checked: u64,
    pub(super) latency_ms: Percentiles,
    pub(super) by_operation: BTreeMap<&'static str, OperationReport>,
    /// From the sending of an attack to the frame at its target.
    pub(super) alert_latency_ms: Percentiles,
    pub(super) alerts: AlertReport,
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) failures: BTreeMap<String, u64>,
    /// What the server used during the measured phase, and its memory at the end.
    pub(super) server_cpu_seconds: f64,
    pub(super) server_rss_bytes: u64,
    /// What the load's own processes used during the measured phase.
    pub(super) generator_cpu_seconds: f64,
    /// How late operations were sent after their intended time.
    pub(super) generator_lag_ms: Percentiles,
    /// Whether the generator kept up; else latencies tell of it too.
    pub(super) generator_kept_up: bool,
    /// Whether everything the server holds and told equals what the players were answered.
    pub(super) verified: bool,
    pub(super) differences: u64,
    pub(super) first_differences: Vec<String>,
}

/// What became of the operations of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct OperationReport {
    count: u64,
    success_rate: f64,
    succeeded: u64,
    refused: u64,
    errors: u64,
    #[serde(flatten)]
    latency_ms: Percentiles,
}

/// What became of the alerts.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct AlertReport {
    pub(super) landed: u64,
    pub(super) on_socket: u64,
    pub(super) recovered: u64,
    pub(super) missing: u64,
    pub(super) alert_repeats: u64,
}

impl From<&Tally> for OperationReport {
    fn from(tally: &Tally) -> Self {
        Self {
            count: tally.count(),
            success_rate: tally.success_rate(),
            succeeded: tally.succeeded,
            refused: tally.refused,
            errors: tally.errors,
            latency_ms: tally.latencies.percentiles(),
        }
    }
}

/// All that a report is made of, beside what was asked for.
pub(super) struct Findings {
    pub(super) record: Record,
    pub(super) alerts: AlertCount,
    pub(super) differences: Differences,
    pub(super) sockets: u64,
    pub(super) sockets_reopened: u64,
    pub(super) boards_received: u64,
    pub(super) boards_checked: u64,
    pub(super) server_cpu_seconds: f64,
    pub(super) server_rss_bytes: u64,
    pub(super) generator_cpu_seconds: f64,
}

/// What was asked for.
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) profile: String,
    pub(super) seed: u64,
    pub(super) users: u32,
    pub(super) processes: u32,
    pub(super) duration_seconds: f64,
    pub(super) rate_rps: f64,
}

impl Report {
    pub(super) fn new(asked: Asked, findings: Findings) -> Self {
        let record = &findings.record;
        let total = record.total();
        let operations = Operation::ALL.map(|operation| {
            let tally = record.tallies.get(&operation).cloned().unwrap_or_default();
            (operation.name(), OperationReport::from(&tally))
        });
        let lag = record.lag.percentiles();
        let seconds = asked.duration_seconds;
        // Outcomes that came after the phase, of operations that were due in it, would raise the average.
        let whole_seconds = seconds.ceil() as usize;
        let in_phase: u64 = record.per_second.iter().take(whole_seconds.max(1)).sum();
        let unresolved = record.unresolved;
        Self {
            target: asked.target,
            profile: asked.profile,
            seed: asked.seed,
            users: asked.users,
            processes: asked.processes,
            duration_seconds: seconds,
            rate_offered: asked.rate_rps,
            requests: total.count(),
            not_sent: record.not_sent,
            success_rate: total.success_rate(),
            refused: total.refused,
            errors: total.errors,
            retries: record.retries,
            unresolved,
            rps_avg: in_phase as f64 / seconds,
            rps_peak: record.per_second.iter().copied().max().unwrap_or(0),
            sockets: findings.sockets,
            sockets_reopened: findings.sockets_reopened,
            socket_return_ms: record.socket_returns.percentiles(),
            boards_received: findings.boards_received,
            boards_checked: findings.boards_checked,
            latency_ms: total.latencies.percentiles(),
            by_operation: operations.into_iter().collect(),
            alert_latency_ms: findings.alerts.latencies.percentiles(),
            alerts: AlertReport {
                landed: findings.alerts.landed,
                on_socket: findings.alerts.on_socket,
                recovered: findings.alerts.recovered,
                missing: findings.alerts.missing,
                alert_repeats: findings.alerts.repeats,
            },
            refusals: record.refusals.clone(),
            failures: record.failures.clone(),
            server_cpu_seconds: findings.server_cpu_seconds,
            server_rss_bytes: findings.server_rss_bytes,
            generator_cpu_seconds: findings.generator_cpu_seconds,
            generator_kept_up: record.not_sent == 0 && lag.p99 <= LAG_P99_MS_MAX,
            generator_lag_ms: lag,
            verified: findings.differences.count == 0 && unresolved == 0,
            differences: findings.differences.count,
            first_differences: findings.differences.first,
        }
    }

    /// The report for people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.table());
        let mut line = |words: String| {
            text.push_str(&words);
            text.push('\n');
        };
        line(format!(
            "{} requests, {:.3} % success, {:.0} a second (peak {}), {} sockets, {} boards received",
            self.requests,
            self.success_rate * 100.0,
            self.rps_avg,
            self.rps_peak,
            self.sockets,
            self.boards_received
        ));
        let alerts = &self.alerts;
        line(format!(
            "alerts: {} attacks landed, {} told on the socket, {} fetched after a lost socket, {} missing, {} repeats",
            alerts.landed, alerts.on_socket, alerts.recovered, alerts.missing, alerts.alert_repeats
        ));
        if self.sockets_reopened > 0 {
            let Percentiles { p50, p99, max, .. } = self.socket_return_ms;
            line(format!(
                "{} sockets were lost and opened again: P50 {p50:.0} ms, P99 {p99:.0} ms, at most {max:.0} ms",
                self.sockets_reopened
            ));
        }
        line(format!(
            "server: {:.1} s of processor time, {} MiB resident; generator: {:.1} s of processor time",
            self.server_cpu_seconds,
            self.server_rss_bytes >> 20,
            self.generator_cpu_seconds
        ));
        for (what, reasons) in [("refused by the rules", &self.refusals), ("failed", &self.failures)] {
            for (reason, count) in reasons {
                line(format!("{what}: {count} {reason}"));
            }
        }
        if self.retries > 0 {
            line(format!("{} times a command was repeated with the same id", self.retries));
        }
        if !self.generator_kept_up {
            line(format!(
                "the generator fell behind: P99 {:.1} ms late, at most {:.1} ms, {} operations not sent; latencies hold \
                 this too",
                self.generator_lag_ms.p99, self.generator_lag_ms.max, self.not_sent
            ));
        }
        for difference in &self.first_differences {
            line(format!("difference: {difference}"));
        }
        line(format!(
            "seed {}; verified: {} ({} differences, {} outcomes unknown)",
            self.seed, self.verified, self.differences, self.unresolved
        ));
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header([
            "operation",
            "count",
            "success",
            "refused",
            "errors",
            "P50 ms",
            "P90 ms",
            "P95 ms",
            "P99 ms",
            "max ms",
        ]);
        for operation in Operation::ALL {
            let Some(found) = self.by_operation.get(operation.name()) else { continue };
            let mut row = vec![
                operation.name().to_owned(),
                found.count.to_string(),
                format!("{:.2} %", found.success_rate * 100.0),
                found.refused.to_string(),
                found.errors.to_string(),
            ];
            row.extend(cells(&found.latency_ms));
            table.add_row(row);
        }
        let success = format!("{:.2} %", self.success_rate * 100.0);
        let mut all = vec![
            "all".to_owned(),
            self.requests.to_string(),
            success,
            self.refused.to_string(),
            self.errors.to_string(),
        ];
        all.extend(cells(&self.latency_ms));
        table.add_row(all);
        let mut alert = vec![
            "alert".to_owned(),
            self.alerts.on_socket.to_string(),
            String::new(),
            String::new(),
            String::new(),
        ];
        alert.extend(cells(&self.alert_latency_ms));
        table.add_row(alert);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn cells(percentiles: &Percentiles) -> impl Iterator<Item = String> {
    let Percentiles { p50, p90, p95, p99, max } = *percentiles;
    [p50, p90, p95, p99, max].into_iter().map(|milliseconds| format!("{milliseconds:.2}"))
}

#[cfg(test)]
mod tests {
    use super::super::record::Ending;
    use super::*;

    fn report(record: Record, differences: Differences) -> Report {
        let asked = Asked {
            target: "http://127.0.0.1:1".to_owned(),
            profile: "reference".to_owned(),
            seed: 7,
            users: 10,
            processes: 1,
            duration_seconds: 2.0,
            rate_rps: 5.0,
        };
        let findings = Findings {
            record,
            alerts: AlertCount::default(),
            differences,
            sockets: 10,
            sockets_reopened: 0,
            boards_received: 3,
            boards_checked: 1,
            server_cpu_seconds: 0.5,
            server_rss_bytes: 40 << 20,
            generator_cpu_seconds: 0.25,
        };
        Report::new(asked, findings)
    }

    fn played() -> Record {
        let mut record = Record::default();
        for operation in Operation::ALL {
            record.outcome(operation, 2_000, Some(0), Ending::Succeeded);
        }
        record.outcome(Operation::Attack, 2_000, Some(1), Ending::Refused("NO_ARROWS"));
        record
    }

    #[test]
    fn json_has_every_promised_field() {
        let json = serde_json::to_value(report(played(), Differences::default())).unwrap();
        for field in [
            "requests",
            "success_rate",
            "rps_avg",
            "rps_peak",
            "sockets",
            "latency_ms",
            "by_operation",
            "alert_latency_ms",
            "server_cpu_seconds",
            "server_rss_bytes",
            "verified",
            "seed",
        ] {
            assert!(!json[field].is_null(), "{field} is missing");
        }
        for percentile in ["p50", "p90", "p95", "p99", "max"] {
            assert!(json["latency_ms"][percentile].is_number(), "{percentile}");
            assert!(json["alert_latency_ms"][percentile].is_number(), "{percentile}");
            for operation in ["join", "answer", "attack", "leaderboard", "heartbeat"] {
                assert!(json["by_operation"][operation][percentile].is_number(), "{operation} {percentile}");
                assert!(json["by_operation"][operation]["success_rate"].is_number(), "{operation}");
                assert_eq!(json["by_operation"][operation]["errors"], 0, "{operation}");
            }
        }
        assert_eq!(json["requests"], 6);
        assert_eq!(json["by_operation"]["attack"]["refused"], 1);
        assert_eq!(json["rps_peak"], 5);
        assert_eq!(json["rps_avg"], 3.0);
        assert_eq!(json["verified"], true);
    }

    #[test]
    fn a_difference_or_an_unknown_outcome_is_not_verified() {
        let mut differences = Differences::default();
        differences.add("rank 1 belongs to somebody else".to_owned());
        let report_of_difference = report(played(), differences);
        assert!(!report_of_difference.verified);
        assert!(report_of_difference.text().contains("difference: rank 1 belongs to somebody else"));
        let unknown = Record { unresolved: 1, ..played() };
        assert!(!report(unknown, Differences::default()).verified);
    }

    #[test]
    fn a_late_generator_is_told() {
        let mut record = played();
        record.lag.record(50_000);
        let late = report(record, Differences::default());
        assert!(!late.generator_kept_up);
        assert!(late.text().contains("the generator fell behind"));
    }
}

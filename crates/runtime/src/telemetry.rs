//! Logs and the Prometheus registry. Called once, by the binary.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::process;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be read.
    #[error(
        "the log filter '{filter}' is not understood: {reason}; write something like 'info,nimaora=debug'"
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It was set up before.
    #[error("telemetry is set up already: {0}")]
    Again(String),
}

/// Says whether a log filter can be read, without setting anything up.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    parse_filter(filter).map(drop)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(filter)
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), reason: error.to_string() })
}

/// Sends logs that `filter` lets through to standard error.
pub fn init_logs(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let parsed = parse_filter(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        // A log that cannot be written (its disk is full, its reader gone) must not stop what it tells of: the library
        // would report that on standard error too, and panic when that fails.
        .log_internal_errors(false);
    let set = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.map_err(|error| TelemetryError::Again(error.to_string()))
}

/// The registry that all metrics of the process go to.
#[derive(Clone, Debug)]
pub struct Metrics(PrometheusHandle);

/// Makes the process's registry.
pub fn init_metrics() -> Result<Metrics, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| TelemetryError::Again(error.to_string()))?;
    Ok(Metrics(handle))
}

impl Metrics {
    /// All metrics in Prometheus' text format, the process's own figures included.
    pub fn render(&self) -> String {
        let usage = process::usage();
        let mut text = self.0.render();
        text.push_str(&format!(
            "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total {}\n\
             # TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {}\n\
             # TYPE process_open_fds gauge\nprocess_open_fds {}\n",
            usage.cpu_seconds, usage.resident_bytes, usage.open_files
        ));
        text
    }

    /// Empties the histograms' buffers; to be called every few seconds, or they grow.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

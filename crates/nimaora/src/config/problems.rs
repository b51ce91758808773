//! What can be wrong with settings, told all at once.

use std::fmt;

use nimaora_runtime::telemetry;

use super::{Config, SECRETS};

/// What stands for a secret where settings are printed.
pub(super) const HIDDEN: &str = "<hidden>";

/// Settings where 0 has a meaning of its own; everywhere else a bound or delay of 0 would stop the server from working.
const MAY_BE_ZERO: &[&str] = &[
    "realtime.send_buffer_bytes",
    "realtime.alerts_replayed_max",
    "realtime.appear_timeout_ms",
    "realtime.drain_ms",
    "log.tail_bytes_max",
];
/// The longest board that is sent to everybody.
const BOARD_TOP_N_MAX: u32 = 100;
/// The largest window that HTTP/2 knows, in bytes.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value came from: a file, a variable, a flag.
    pub source: String,
    /// What is wrong with it.
    pub what: String,
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        for problem in &self.0 {
            writeln!(f, "  {}: {}", problem.source, problem.what)?;
        }
        write!(f, "'nimaora config' without these prints every setting with its value")
    }
}

/// What is wrong with settings that have the right types.
pub(super) fn find(config: &Config, table: &toml::Table) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut problem = |setting: &str, what: String| {
        found.push(Problem { source: format!("setting {setting}"), what });
    };
    for (path, value) in super::sources::leaves(table) {
        if value.as_integer() == Some(0) && !MAY_BE_ZERO.contains(&path.as_str()) {
            problem(&path, "it must be above 0".to_owned());
        }
        if SECRETS.contains(&path.as_str()) && value.as_str() == Some(HIDDEN) {
            problem(
                &path,
                format!("'{HIDDEN}' is what 'nimaora config' prints instead of the secret; leave it out"),
            );
        }
    }
    if config.data_dir.as_os_str().is_empty() {
        problem("data_dir", "it must name a folder; '.' is the one you are in".to_owned());
    }
    let app_key = &config.realtime.app_key;
    if app_key.is_empty()
        || !app_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        problem("realtime.app_key", "it stands in a path: use letters, digits, '-' and '_'".to_owned());
    }
    if config.realtime.board_top_n > BOARD_TOP_N_MAX {
        problem("realtime.board_top_n", format!("it must be at most {BOARD_TOP_N_MAX}"));
    }
    let waiting_max = config.query.waiting_max.saturating_add(config.query.waiting_anonymous_max);
    if waiting_max >= config.query.queries_max {
        let wanted = "with query.waiting_anonymous_max it must be below query.queries_max";
        problem("query.waiting_max", wanted.to_owned());
    }
    for (setting, bytes) in [
        ("limits.stream_window_bytes", config.limits.stream_window_bytes),
        ("limits.connection_window_bytes", config.limits.connection_window_bytes),
    ] {
        if bytes > WINDOW_BYTES_MAX {
            problem(setting, format!("it must be at most {WINDOW_BYTES_MAX}"));
        }
    }
    if let Err(error) = telemetry::check_filter(&config.telemetry.log_filter) {
        problem("telemetry.log_filter", error.to_string());
    }
    found
}

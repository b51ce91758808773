//! What can be wrong with settings, told all at once.

use std::fmt;

use nimaora_runtime::telemetry;

use super::{Config, Role, SECRETS};

/// What stands for a secret where settings are printed.
pub(super) const HIDDEN: &str = "<hidden>";

/// Settings where 0 has a meaning of its own; everywhere else a bound or delay of 0 would stop the server from working.
const MAY_BE_ZERO: &[&str] =
    &["realtime.send_buffer_bytes", "realtime.appear_timeout_ms", "realtime.drain_ms", "log.tail_bytes_max"];
/// A year: a longer time is a slip, and one that is much longer cannot be counted to.
const MILLIS_MAX: i64 = 365 * 24 * 60 * 60 * 1_000;
/// More of anything than fits in a server. Some of it is made room for at the start.
const COUNT_MAX: i64 = 1_000_000_000;

/// The shortest password between nodes, in bytes. Whoever guesses it writes history.
const NODE_PASSWORD_BYTES_MIN: usize = 16;

/// Settings with bounds of their own: the least and the most that makes sense.
const BOUNDS: &[(&str, i64, i64)] = &[
    // A line of every request's head is longer than a few bytes; with less, no request is understood.
    ("limits.header_bytes_max", 4 * 1024, 16 * 1024 * 1024),
    // The largest window that HTTP/2 knows.
    ("limits.stream_window_bytes", 1, (1 << 31) - 1),
    ("limits.connection_window_bytes", 1, (1 << 31) - 1),
    // A token that is shorter-lived has expired before a player has acted.
    ("command.token_lifetime_ms", 60_000, MILLIS_MAX),
    // Connections are opened for them, and memory is set aside.
    ("read_models.readers_max", 1, 1_000),
    // The longest board that is sent to everybody.
    ("realtime.board_top_n", 1, 100),
    // They are written at once to one socket, whose outbox has a bound too.
    ("realtime.missed_alerts_max", 0, 1_000),
];

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
        if let Some(number) = value.as_integer() {
            let (least, most) = bounds(&path);
            if number < least {
                problem(&path, format!("it is {number}, and must be at least {least}"));
            } else if number > most {
                problem(&path, format!("it is {number}, and must be at most {most}"));
            }
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
    if config.roles.is_empty() {
        problem("roles", "a process without a role does nothing; leave it out for every role".to_owned());
    }
    for (setting, what) in config.stores.problems(&config.roles) {
        problem(&setting, what);
    }
    let forwarded_to = config.has(Role::Command) && !config.stores.ownership.is_embedded();
    if forwarded_to && config.node.url.is_none() && config.listen.ip().is_unspecified() {
        let listen = config.listen;
        problem("node.url", format!("other nodes cannot reach this one at {listen}; say where they can"));
    }
    let event_store = &config.event_store;
    if event_store.tls_certificate.is_some() != event_store.tls_key.is_some() {
        problem("event_store.tls_key", "name both files, tls_certificate and tls_key, or none".to_owned());
    }
    let password = event_store.node_password.expose();
    if !password.is_empty() && (password.len() < NODE_PASSWORD_BYTES_MIN || !password.bytes().all(is_plain)) {
        let wanted =
            format!("at least {NODE_PASSWORD_BYTES_MIN} letters, digits, '-', '_': it stands in URLs");
        problem("event_store.node_password", wanted);
    }
    let app_key = &config.realtime.app_key;
    if app_key.is_empty() || !app_key.bytes().all(is_plain) {
        problem("realtime.app_key", "it stands in a path: use letters, digits, '-' and '_'".to_owned());
    }
    let waiting_max = config.query.waiting_max.saturating_add(config.query.waiting_anonymous_max);
    if waiting_max >= config.query.queries_max {
        let wanted = "with query.waiting_anonymous_max it must be below query.queries_max";
        problem("query.waiting_max", wanted.to_owned());
    }
    if let Err(error) = telemetry::check_filter(&config.telemetry.log_filter) {
        problem("telemetry.log_filter", error.to_string());
    }
    found
}

/// Whether it means the same in a URL as it does alone.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

/// The least and the most that a whole number may be.
fn bounds(path: &str) -> (i64, i64) {
    if let Some((_, least, most)) = BOUNDS.iter().find(|(setting, ..)| *setting == path) {
        return (*least, *most);
    }
    let least = i64::from(!MAY_BE_ZERO.contains(&path));
    let most = if path.ends_with("_ms") {
        MILLIS_MAX
    } else if path.contains("_bytes") {
        i64::MAX
    } else {
        COUNT_MAX
    };
    (least, most)
}

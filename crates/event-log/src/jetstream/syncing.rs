//! Whether the servers have synced a message to disk when they acknowledge it. A client cannot see that; a server's monitor tells it,
//! to whoever asks there.

use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config::{JetStreamConfig, TRY_TIMEOUT};
use crate::metrics;

/// The port of a monitor where its URL has none.
const MONITOR_PORT: u16 = 8_222;
/// How much of a monitor's answer is read, in bytes. What is longer is no answer.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// What is known of when the servers sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syncing {
    /// Every server says that it syncs before it acknowledges.
    BeforeAnswers,
    /// A server syncs later: a loss of power loses what it acknowledged since.
    Later {
        /// Its monitor.
        monitor: String,
        /// How long it may wait with it; `None` for servers that do not say, before 2.10.
        every: Option<Duration>,
    },
    /// Nobody was asked, or somebody did not answer.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// Asks all monitors that the settings name.
pub(super) async fn ask(config: &JetStreamConfig) -> Syncing {
    if config.monitors.is_empty() {
        return Syncing::Unknown { reason: "the settings name no monitors of the servers".into() };
    }
    let answers = join_all(config.monitors.iter().map(|monitor| ask_one(monitor))).await;
    let worst = |syncing: &Syncing| match syncing {
        Syncing::Later { .. } => 0,
        Syncing::Unknown { .. } => 1,
        Syncing::BeforeAnswers => 2,
    };
    answers.into_iter().min_by_key(worst).unwrap_or(Syncing::BeforeAnswers)
}

/// Tells it, and loudly where something that was acknowledged may be lost.
pub(super) fn warn(syncing: &Syncing, copies: usize) {
    metrics::syncs(*syncing == Syncing::BeforeAnswers);
    let lost = match copies {
        ..3 => "a loss of power may lose events that were acknowledged",
        _ => "a loss of power of several servers at once may lose events that were acknowledged",
    };
    match syncing {
        Syncing::BeforeAnswers => tracing::info!(copies, "the NATS servers sync before they acknowledge"),
        Syncing::Later { monitor, every } => tracing::warn!(
            monitor,
            copies,
            sync_interval = ?every,
            "NATS acknowledges before it syncs: {lost}; set sync_interval to always in the server's configuration"
        ),
        Syncing::Unknown { reason } => tracing::warn!(
            reason,
            copies,
            "it is not known whether NATS syncs before it acknowledges; unless sync_interval is always in each server's configuration, \
             {lost}"
        ),
    }
}

async fn ask_one(monitor: &str) -> Syncing {
    let unknown = |reason: String| Syncing::Unknown { reason: format!("{monitor}: {reason}") };
    let settings = match timeout(TRY_TIMEOUT, get(monitor)).await {
        Ok(Ok(answer)) => serde_json::from_slice::<Jsz>(&answer),
        Ok(Err(error)) => return unknown(error.to_string()),
        Err(_) => return unknown("it did not answer in time".into()),
    };
    match settings {
        Ok(Jsz { config: Some(config) }) if config.sync_always => Syncing::BeforeAnswers,
        Ok(Jsz { config: Some(config) }) => {
            let every = config.sync_interval.map(Duration::from_nanos);
            Syncing::Later { monitor: monitor.to_owned(), every }
        }
        Ok(Jsz { config: None }) => unknown("that server has no JetStream".into()),
        Err(error) => unknown(format!("its answer is none of NATS: {error}")),
    }
}

/// What stands under `/jsz`, as far as it matters.
#[derive(Deserialize)]
struct Jsz {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
    /// In nanoseconds. Servers before 2.10 do not say it.
    sync_interval: Option<u64>,
}

/// The body of what the monitor answers.
async fn get(monitor: &str) -> std::io::Result<Vec<u8>> {
    let (place, path) = place_of(monitor).ok_or_else(|| std::io::Error::other("it is no http:// URL"))?;
    let mut stream = match place.contains(':') {
        true => TcpStream::connect(place).await?,
        false => TcpStream::connect((place, MONITOR_PORT)).await?,
    };
    let request = format!("GET {path}/jsz HTTP/1.0\r\nHost: {place}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n");
    body.map(|end| answer.split_off(end + 4)).ok_or_else(|| std::io::Error::other("it answers no HTTP"))
}

/// Host and port, and the path without a slash at its end. `None` for what is no URL of a monitor.
pub(super) fn place_of(monitor: &str) -> Option<(&str, &str)> {
    let rest = monitor.strip_prefix("http://")?.trim_end_matches('/');
    let path = rest.find('/').unwrap_or(rest.len());
    let (place, path) = rest.split_at(path);
    let fits = |text: &str| !text.contains(|c: char| c.is_whitespace() || c.is_control());
    (!place.is_empty() && fits(place) && fits(path)).then_some((place, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_is_named_by_a_plain_url() {
        assert_eq!(place_of("http://nats-1:8222"), Some(("nats-1:8222", "")));
        assert_eq!(place_of("http://nats-1/"), Some(("nats-1", "")));
        assert_eq!(place_of("http://nats-1:8222/a/b/"), Some(("nats-1:8222", "/a/b")));
        for wrong in ["nats://nats-1:4222", "https://nats-1:8222", "http://", "http://a b", "http://a/\r\n"] {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
    }
}

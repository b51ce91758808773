//! Settings of the JetStream log, and its fixed limits.

use std::time::Duration;

use nimaora_runtime::Clock;

use super::error::JetStreamError;
use super::syncing;

/// Settings of a JetStream log.
#[derive(Clone)]
pub struct JetStreamConfig {
    /// `nats://` or `tls://` URLs of the servers, with commas between them. They may hold a user and a password, and are never shown.
    pub urls: String,
    /// The name of the JetStream stream; it is made if it is missing.
    pub stream: String,
    /// What the subjects of the log begin with. Nobody else may publish below it.
    pub subject_prefix: String,
    /// How many servers keep a copy of each message when the stream is made.
    pub replicas: usize,
    /// `http://` URLs of the servers' monitors, which are asked at the start whether they sync before they acknowledge.
    pub monitors: Vec<String>,
    /// What an append may take, in milliseconds. After that its outcome is unknown.
    pub append_timeout_ms: u64,
    /// What a read may take, in milliseconds. After that it is `Unavailable`.
    pub read_timeout_ms: u64,
    /// What connecting and finding the stream may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// What time it is; the log stamps every append with it.
    pub clock: Clock,
}

/// The default of [`JetStreamConfig::stream`].
pub const STREAM: &str = "NIMAORA_LOG";
/// The default of [`JetStreamConfig::subject_prefix`].
pub const SUBJECT_PREFIX: &str = "nimaora.log";
/// Streams of which the last revision is remembered. When it is reached, the older half is forgotten and asked for again.
pub const REMEMBERED_STREAMS_MAX: usize = 65_536;
/// Ids that are looked at, from the newest, to tell a repeat whose expectation is not exact.
pub const SEARCHED_IDS_MAX: u64 = 131_072;
/// Messages that one pull asks for.
pub(super) const PULL_MESSAGES_MAX: usize = 512;
/// Bytes that one pull asks for; more than the largest append.
pub(super) const PULL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that one page of `read_all` looks at; then the reader is told where to go on.
pub(super) const PAGE_MESSAGES_MAX: usize = 4_096;
/// Single gets before a read makes a consumer, which costs more to begin with and less for each message.
pub(super) const SINGLE_GETS_MAX: usize = 3;
/// A server forgets a consumer that nobody pulls from after so long.
pub(super) const CONSUMER_IDLE: Duration = Duration::from_secs(30);
/// How long a pull waits for news; then the head is looked at.
pub(super) const PULL_WAIT: Duration = Duration::from_millis(750);
/// How much later the server may end a pull without news. When it is silent for longer, its consumer counts as lost.
pub(super) const PULL_SILENCE: Duration = Duration::from_millis(750);
/// One try of an append or of a request; there may be several within the deadline.
pub(super) const TRY_TIMEOUT: Duration = Duration::from_secs(2);

impl JetStreamConfig {
    /// The defaults, with these servers and this clock.
    pub fn new(urls: &str, clock: Clock) -> Self {
        Self {
            urls: urls.to_owned(),
            stream: STREAM.to_owned(),
            subject_prefix: SUBJECT_PREFIX.to_owned(),
            replicas: 1,
            monitors: Vec::new(),
            append_timeout_ms: 10_000,
            read_timeout_ms: 10_000,
            connect_timeout_ms: 10_000,
            clock,
        }
    }

    pub(super) fn servers(&self) -> Result<Vec<async_nats::ServerAddr>, JetStreamError> {
        let wrong = |reason: &str| JetStreamError::Config { reason: reason.to_owned() };
        if self.stream.is_empty() || self.stream.contains(['.', '*', '>', ' ', '/', '\\']) {
            return Err(wrong("the stream's name may not be empty nor hold any of . * > / \\ or a space"));
        }
        let token = |token: &str| !token.is_empty() && !token.contains(['*', '>', ' ', '$', '~']);
        if !self.subject_prefix.split('.').all(token) {
            return Err(wrong(
                "the subject prefix is tokens with points between them, without * > $ ~ or spaces",
            ));
        }
        if let Some(monitor) = self.monitors.iter().find(|url| syncing::place_of(url).is_none()) {
            return Err(wrong(&format!("a monitor's URL is http://host[:port][/path], not {monitor}")));
        }
        let server = |url: &str| {
            let known = url.starts_with("nats://") || url.starts_with("tls://");
            let parsed = url.parse::<async_nats::ServerAddr>();
            parsed.ok().filter(|_| known).ok_or_else(|| {
                wrong("a server's URL is nats://[user:password@]host[:port], or the same with tls://")
            })
        };
        self.urls.split(',').map(|url| server(url.trim())).collect()
    }
}

impl std::fmt::Debug for JetStreamConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JetStreamConfig")
            .field("stream", &self.stream)
            .field("subject_prefix", &self.subject_prefix)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

//! Where Redis is, and for how long it is waited for.

use std::time::Duration;

use nimaora_redis_link::LinkConfig;

/// Settings of the leaderboard in Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// As [`nimaora_redis_link::LinkConfig::url`] says.
    pub url: String,
    /// The certificates (PEM) of who may sign the server's, for TLS; those of the system when there are none.
    pub root_certificates: Option<Vec<u8>>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a read may take; then the tables are asked.
    pub read_timeout: Duration,
    /// How long one call of a script that writes may take; then it is unknown whether it was applied, and it comes again.
    pub write_timeout: Duration,
    /// For how long the board of an ended battle stays; then the tables answer.
    pub ended_ttl: Duration,
    /// Battles that are written to at the same time. More wait.
    pub battles_at_once_max: usize,
}

impl RedisConfig {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_millis(500),
            write_timeout: Duration::from_secs(5),
            ended_ttl: Duration::from_secs(24 * 3_600),
            battles_at_once_max: 64,
        }
    }
}

impl RedisConfig {
    pub(super) fn link(&self) -> LinkConfig<'_> {
        LinkConfig {
            url: &self.url,
            root_certificates: self.root_certificates.as_deref(),
            connect_timeout: self.connect_timeout,
            response_timeout: self.write_timeout,
        }
    }
}

impl std::fmt::Debug for RedisConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("read_timeout", &self.read_timeout).finish_non_exhaustive()
    }
}

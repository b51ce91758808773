//! Where Redis is, and for how long it is waited for.

use std::time::Duration;

use nimaora_redis_link::LinkConfig;

/// Settings of presence in Redis.
#[derive(Clone)]
pub struct RedisPresenceConfig {
    /// As [`nimaora_redis_link::LinkConfig::url`] says.
    pub url: String,
    /// The certificates (PEM) of who may sign the server's, for TLS; those of the system when there are none.
    pub root_certificates: Option<Vec<u8>>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a question may take; then presence is unavailable for now.
    pub timeout: Duration,
    /// A battle in which nobody was heard of for so long is forgotten.
    pub battle_ttl: Duration,
}

impl RedisPresenceConfig {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            root_certificates: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            battle_ttl: Duration::from_secs(24 * 3_600),
        }
    }
}

impl RedisPresenceConfig {
    pub(super) fn link(&self) -> LinkConfig<'_> {
        LinkConfig {
            url: &self.url,
            root_certificates: self.root_certificates.as_deref(),
            connect_timeout: self.connect_timeout,
            response_timeout: self.timeout,
        }
    }
}

impl std::fmt::Debug for RedisPresenceConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPresenceConfig").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

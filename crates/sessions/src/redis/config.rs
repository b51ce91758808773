//! Where Redis is, and for how long it is waited for.

use std::time::Duration;

/// Settings of presence in Redis.
#[derive(Clone)]
pub struct RedisPresenceConfig {
    /// `redis://[user:password@]host:port[/db]`, `rediss://` for TLS, `redis+cluster://[user:password@]a:1,b:2` for a cluster and
    /// `rediss+cluster://` for one with TLS.
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

impl std::fmt::Debug for RedisPresenceConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPresenceConfig").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Why a URL is not one of a Redis that can be used. Never shows the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisPresenceConfigError {
    /// It begins otherwise.
    #[error(
        "the URL begins with none of redis://, rediss://, redis+cluster:// and rediss+cluster:// (Sentinel is not supported)"
    )]
    Scheme,
    /// The rest is not what it should be.
    #[error(
        "the URL is not of the form SCHEME://[user:password@]host:port[,host:port for a cluster][/db]: {reason}"
    )]
    Form {
        /// What the client says.
        reason: String,
    },
}

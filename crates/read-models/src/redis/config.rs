//! Where Redis is, and for how long it is waited for.

use std::time::Duration;

/// Settings of the leaderboard in Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/db]`, `rediss://` for TLS, `redis+cluster://[user:password@]a:1,b:2` for a cluster and
    /// `rediss+cluster://` for one with TLS.
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

impl std::fmt::Debug for RedisConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("read_timeout", &self.read_timeout).finish_non_exhaustive()
    }
}

/// Why a URL is not one of a Redis that can be used. Never shows the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisConfigError {
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

/// What a URL asks for.
#[derive(Debug)]
pub(super) enum Target {
    /// One server.
    One(String),
    /// A cluster, known by some of its nodes.
    Cluster(Vec<String>),
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, RedisConfigError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisConfigError::Scheme)?;
        match scheme {
            "redis" | "rediss" => Ok(Self::One(url.to_owned())),
            "redis+cluster" => Ok(Self::Cluster(nodes("redis", rest))),
            "rediss+cluster" => Ok(Self::Cluster(nodes("rediss", rest))),
            _ => Err(RedisConfigError::Scheme),
        }
    }
}

/// The URL of each node; all with the same user and password.
fn nodes(scheme: &str, rest: &str) -> Vec<String> {
    let (user, hosts) =
        rest.rsplit_once('@').map_or((String::new(), rest), |(user, hosts)| (format!("{user}@"), hosts));
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}")).collect()
}

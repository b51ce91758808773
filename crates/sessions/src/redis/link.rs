//! The connection to one server or to a cluster. It is made when it is first needed and again after it was lost.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, FromRedisValue, Pipeline, RedisError, TlsCertificates};
use tokio::sync::OnceCell;

use super::config::{RedisPresenceConfig, RedisPresenceConfigError};

/// The client tries to connect so often before it answers that it cannot; the caller tries again later.
const CONNECT_RETRIES: usize = 1;
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);

/// A connection that many use at once.
pub(super) enum Link {
    One(ConnectionManager),
    Cluster(Box<ClusterClient>, OnceCell<ClusterConnection>),
}

impl Link {
    /// Connects to nothing yet.
    pub(super) fn new(config: &RedisPresenceConfig) -> Result<Self, RedisPresenceConfigError> {
        let (scheme, rest) = config.url.split_once("://").ok_or(RedisPresenceConfigError::Scheme)?;
        match scheme {
            "redis" | "rediss" => one(config),
            "redis+cluster" => cluster(config, "redis", rest),
            "rediss+cluster" => cluster(config, "rediss", rest),
            _ => Err(RedisPresenceConfigError::Scheme),
        }
    }

    /// Gives commands about one battle.
    pub(super) async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        match self {
            Self::One(manager) => commands.query_async(&mut manager.clone()).await,
            Self::Cluster(client, connection) => {
                let connection = connection.get_or_try_init(|| client.get_async_connection()).await?;
                commands.query_async(&mut connection.clone()).await
            }
        }
    }
}

fn one(config: &RedisPresenceConfig) -> Result<Link, RedisPresenceConfigError> {
    let client = match certificates(config) {
        Some(certificates) => Client::build_with_tls(config.url.as_str(), certificates),
        None => Client::open(config.url.as_str()),
    };
    let settings = ConnectionManagerConfig::new()
        .set_number_of_retries(CONNECT_RETRIES)
        .set_min_delay(RECONNECT_DELAY_MIN)
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.timeout));
    let manager = client.and_then(|client| ConnectionManager::new_lazy_with_config(client, settings));
    manager.map(Link::One).map_err(|error| refused(&error))
}

/// All nodes have the same user and password.
fn cluster(config: &RedisPresenceConfig, scheme: &str, rest: &str) -> Result<Link, RedisPresenceConfigError> {
    let (user, hosts) = match rest.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), rest),
    };
    let nodes = hosts.split(',').map(|host| format!("{scheme}://{user}{host}"));
    let mut builder = ClusterClient::builder(nodes.collect::<Vec<_>>())
        .retries(1)
        .connection_timeout(config.connect_timeout)
        .response_timeout(config.timeout);
    if let Some(certificates) = certificates(config) {
        builder = builder.certs(certificates);
    }
    let client = builder.build().map_err(|error| refused(&error))?;
    Ok(Link::Cluster(Box::new(client), OnceCell::new()))
}

fn certificates(config: &RedisPresenceConfig) -> Option<TlsCertificates> {
    let root_cert = config.root_certificates.clone();
    root_cert.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

/// The client's own words for what is wrong, without the URL.
fn refused(error: &RedisError) -> RedisPresenceConfigError {
    RedisPresenceConfigError::Form { reason: error.category().to_owned() }
}

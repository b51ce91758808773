//! The connection to one server or to a cluster. It is made when it is first needed and again after it was lost.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, TlsCertificates, Value};
use tokio::sync::OnceCell;

use super::config::{RedisConfig, RedisConfigError, Target};
use super::script::Script;
use crate::error::StoreError;

/// The client tries to connect so often before it answers that it cannot; the caller tries again later.
const CONNECT_RETRIES: usize = 1;
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);

/// A connection that many use at once. Cheap to clone.
pub(super) enum Link {
    One(ConnectionManager),
    Cluster(Box<ClusterClient>, OnceCell<ClusterConnection>),
}

impl Link {
    /// Connects to nothing yet.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, RedisConfigError> {
        let refused = |error: RedisError| RedisConfigError::Form { reason: error.category().to_owned() };
        let certificates = config
            .root_certificates
            .clone()
            .map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        match Target::parse(&config.url)? {
            Target::One(url) => {
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(url, certificates),
                    None => Client::open(url),
                };
                let settings = ConnectionManagerConfig::new()
                    .set_number_of_retries(CONNECT_RETRIES)
                    .set_min_delay(RECONNECT_DELAY_MIN)
                    .set_max_delay(RECONNECT_DELAY_MAX)
                    .set_connection_timeout(Some(config.connect_timeout))
                    .set_response_timeout(Some(config.write_timeout));
                let manager =
                    client.and_then(|client| ConnectionManager::new_lazy_with_config(client, settings));
                manager.map(Self::One).map_err(refused)
            }
            Target::Cluster(nodes) => {
                let mut builder = ClusterClient::builder(nodes)
                    .retries(1)
                    .connection_timeout(config.connect_timeout)
                    .response_timeout(config.write_timeout);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                let client = builder.build().map_err(refused)?;
                Ok(Self::Cluster(Box::new(client), OnceCell::new()))
            }
        }
    }

    /// Calls a script, which the server may have to be told first. It may have been run when there is no answer in time.
    pub(super) async fn call(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[Arg<'_>],
        timeout: Duration,
    ) -> Result<Value, StoreError> {
        let called = async {
            match self.run(&script.by_hash(keys, args)).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.run(&script.by_text(keys, args)).await
                }
                answer => answer,
            }
        };
        match tokio::time::timeout(timeout, called).await {
            Ok(answer) => answer.map_err(|error| as_store_error(&error)),
            Err(_) => {
                Err(StoreError::Unavailable { reason: format!("Redis does not answer within {timeout:?}") })
            }
        }
    }

    async fn run(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::One(manager) => command.query_async(&mut manager.clone()).await,
            Self::Cluster(client, connection) => {
                let connection = connection.get_or_try_init(|| client.get_async_connection()).await?;
                command.query_async(&mut connection.clone()).await
            }
        }
    }
}

/// An argument of a script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    Text(&'a str),
    Number(u64),
    Score(f64),
}

/// Redis is out of order for now, unless a key holds something that is no board.
fn as_store_error(error: &RedisError) -> StoreError {
    let reason = format!("Redis: {error}");
    match error.code() {
        Some("WRONGTYPE") => StoreError::Damaged { reason },
        _ => StoreError::Unavailable { reason },
    }
}

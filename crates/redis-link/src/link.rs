//! Giving commands on whatever the URL names.

use std::future::Future;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, TlsCertificates};
use tokio::sync::OnceCell;
use tokio_rustls::rustls::crypto::ring;

use crate::sentinel::Master;
use crate::url::{Target, UrlError};

/// The client tries to connect so often before it answers that it cannot; the caller tries again later.
const CONNECT_RETRIES: usize = 1;
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(20);
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(500);

/// Where Redis is, and for how long it is waited for.
#[derive(Clone, Copy)]
pub struct LinkConfig<'a> {
    /// `redis://[user:password@]host:port[/db]`, `redis+cluster://[user:password@]a:1,b:2` for a cluster,
    /// `redis+sentinel://[user:password@]a:1,b:2/name[/db]` for the master of that name, with `?sentinel_user=..&sentinel_password=..` where
    /// the sentinels ask for a password too, and each with `rediss` for TLS.
    pub url: &'a str,
    /// The certificates (PEM) of who may sign the server's, for TLS; those of the system when there are none.
    pub root_certificates: Option<&'a [u8]>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take; then the command has failed, and it is unknown whether it was run.
    pub response_timeout: Duration,
}

/// A connection that many use at once.
pub struct Link(Kind);

enum Kind {
    One(ConnectionManager),
    Cluster(Box<ClusterClient>, OnceCell<ClusterConnection>),
    Sentinel(Master),
}

/// One command, or several that go together.
pub trait Question: Sync {
    /// Gives it on a connection.
    fn ask<T: FromRedisValue, C: ConnectionLike + Send>(
        &self,
        connection: &mut C,
    ) -> impl Future<Output = Result<T, RedisError>> + Send;
}

impl Question for Cmd {
    async fn ask<T: FromRedisValue, C: ConnectionLike + Send>(
        &self,
        connection: &mut C,
    ) -> Result<T, RedisError> {
        self.query_async(connection).await
    }
}

impl Question for Pipeline {
    async fn ask<T: FromRedisValue, C: ConnectionLike + Send>(
        &self,
        connection: &mut C,
    ) -> Result<T, RedisError> {
        self.query_async(connection).await
    }
}

impl Link {
    /// Connects to nothing yet: Redis may be down when the server starts.
    ///
    /// # Errors
    /// [`UrlError`] for a URL that cannot be used.
    pub fn new(config: &LinkConfig<'_>) -> Result<Self, UrlError> {
        choose_cryptography();
        Ok(Self(match Target::parse(config.url)? {
            Target::One(url) => Kind::One(one(config, url)?),
            Target::Cluster(nodes) => Kind::Cluster(Box::new(cluster(config, nodes)?), OnceCell::new()),
            Target::Sentinel(target) => Kind::Sentinel(Master::new(config, *target)?),
        }))
    }

    /// Gives a command, or some, all about keys of one slot. Who does not wait for the answer does not know whether they were run.
    ///
    /// # Errors
    /// What Redis or the connection to it says.
    pub async fn run<T: FromRedisValue>(&self, question: &impl Question) -> Result<T, RedisError> {
        match &self.0 {
            Kind::One(manager) => question.ask(&mut manager.clone()).await,
            Kind::Cluster(client, connection) => {
                let connection = connection.get_or_try_init(|| client.get_async_connection()).await?;
                question.ask(&mut connection.clone()).await
            }
            Kind::Sentinel(master) => master.run(question).await,
        }
    }
}

fn one(config: &LinkConfig<'_>, url: String) -> Result<ConnectionManager, UrlError> {
    let client = match certificates(config) {
        Some(certificates) => Client::build_with_tls(url, certificates),
        None => Client::open(url),
    };
    let settings = ConnectionManagerConfig::new()
        .set_number_of_retries(CONNECT_RETRIES)
        .set_min_delay(RECONNECT_DELAY_MIN)
        .set_max_delay(RECONNECT_DELAY_MAX)
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.response_timeout));
    Ok(ConnectionManager::new_lazy_with_config(client?, settings)?)
}

fn cluster(config: &LinkConfig<'_>, nodes: Vec<String>) -> Result<ClusterClient, UrlError> {
    let mut builder = ClusterClient::builder(nodes)
        .retries(1)
        .connection_timeout(config.connect_timeout)
        .response_timeout(config.response_timeout);
    if let Some(certificates) = certificates(config) {
        builder = builder.certs(certificates);
    }
    Ok(builder.build()?)
}

/// Says which cryptography TLS stands on. The client would have to guess where two are built in, and panics then.
fn choose_cryptography() {
    // Whoever was first has chosen for the process.
    let _ = ring::default_provider().install_default();
}

pub(crate) fn certificates(config: &LinkConfig<'_>) -> Option<TlsCertificates> {
    let root_cert = config.root_certificates.map(<[u8]>::to_vec);
    root_cert.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
}

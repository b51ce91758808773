//! The master that sentinels name.
//!
//! The client finds the master and has it confirm that it is one; it does not follow a failover by itself. So a connection is given up when
//! it breaks, when its server says that it only reads, and when somebody stopped waiting for its answer; then the sentinels are
//! asked again. For some moments after a failover two processes may speak to two masters. Whoever uses this must bear that, as with
//! anything else that Redis loses.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, TlsMode};

use crate::link::{LinkConfig, Question, certificates};
use crate::url::{SentinelTarget, UrlError};

/// Connecting, for all who wait for it.
type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisError>>>;

/// The master of the moment.
pub(crate) struct Master {
    sentinels: Arc<tokio::sync::Mutex<SentinelClient>>,
    settings: AsyncConnectionConfig,
    /// How long the sentinels and the master may take, all in all.
    connect_timeout: Duration,
    current: Arc<Mutex<Current>>,
}

#[derive(Default)]
struct Current {
    connecting: Option<Connecting>,
    /// How often a connection was given up, so that each is given up once.
    number: u64,
}

/// Gives a connection up unless an answer has come on it.
struct GivenUp<'a> {
    current: &'a Mutex<Current>,
    number: u64,
    is_good: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if !self.is_good {
            give_up(self.current, self.number);
        }
    }
}

fn give_up(current: &Mutex<Current>, number: u64) {
    let mut current = current.lock();
    if current.number == number {
        *current = Current { connecting: None, number: number + 1 };
    }
}

impl Master {
    pub(crate) fn new(config: &LinkConfig<'_>, target: SentinelTarget) -> Result<Self, UrlError> {
        let mut builder =
            SentinelClientBuilder::new(target.sentinels, target.name, SentinelServerType::Master)?;
        let server = target.server.redis_settings();
        builder = builder.set_client_to_redis_db(server.db());
        if let Some(username) = server.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        let login = target.login.redis_settings();
        if let Some(username) = login.username() {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = login.password() {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if target.is_tls {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
            if let Some(ours) = certificates(config) {
                builder = builder.set_client_to_redis_certificates(ours.clone());
                builder = builder.set_client_to_sentinel_certificates(ours);
            }
        }
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        Ok(Self {
            sentinels: Arc::new(tokio::sync::Mutex::new(builder.build()?)),
            settings,
            connect_timeout: config.connect_timeout * 2,
            current: Arc::default(),
        })
    }

    pub(crate) async fn run<T: FromRedisValue>(&self, question: &impl Question) -> Result<T, RedisError> {
        let (connecting, number) = self.connection();
        let mut connection = connecting.await?;
        let mut given_up = GivenUp { current: &self.current, number, is_good: false };
        let answer = question.ask(&mut connection).await;
        given_up.is_good = answer.as_ref().err().is_none_or(|error| !tells_of_failover(error));
        answer
    }

    /// The connection that there is, or a new one. Whoever waits for it may stop: it is made all the same, for the next.
    fn connection(&self) -> (Connecting, u64) {
        let mut current = self.current.lock();
        let number = current.number;
        if let Some(connecting) = &current.connecting {
            return (connecting.clone(), number);
        }
        let (sentinels, settings) = (Arc::clone(&self.sentinels), self.settings.clone());
        let (limit, all) = (self.connect_timeout, Arc::clone(&self.current));
        let connecting = async move {
            let connected = tokio::time::timeout(limit, async {
                sentinels.lock().await.get_async_connection_with_config(&settings).await
            });
            let silent = || RedisError::from((ErrorKind::Io, "neither sentinels nor master answer in time"));
            let connected = connected.await.unwrap_or_else(|_| Err(silent()));
            if let Err(error) = &connected {
                tracing::debug!(%error, "no master can be had from the sentinels now");
                give_up(&all, number);
            }
            connected
        };
        let connecting = connecting.boxed().shared();
        current.connecting = Some(connecting.clone());
        // It ends by itself, within its limit.
        tokio::spawn(connecting.clone());
        (connecting, number)
    }
}

/// Whether another server may be the master by now, or this one cannot be reached.
fn tells_of_failover(error: &RedisError) -> bool {
    let only_reads =
        matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
    only_reads || error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error()
}

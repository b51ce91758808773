//! The services of one port, and the loop that takes its connections: HTTP/1.1 for probes and HTTP/2 for gRPC, told apart by how a
//! connection begins.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::types::APPEND_BYTES_MAX;
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::TokenVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

use crate::access::{Access, NodePassword};
use crate::bounds::{self, ASKING_BYTES_MAX, Arriving, OPEN_MESSAGE_BYTES_MAX, PROTOCOL, WritingCalls};
use crate::budget::Budget;
use crate::cluster::{Alone, Features};
use crate::opening::opened;
use crate::persistent::Groups;
use crate::streams::LogStreams;
use crate::tls::Tls;
use crate::wire::client::gossip::gossip_server::GossipServer;
use crate::wire::client::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptionsServer;
use crate::wire::client::server_features::server_features_server::ServerFeaturesServer;
use crate::wire::client::streams::streams_server::StreamsServer;
use crate::writing::Writer;

/// Connections at a time. When it is reached, further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// Calls at a time on one connection. When it is reached, the client keeps further ones back.
const CALLS_PER_CONNECTION_MAX: u32 = 256;
/// The largest message that is read: an append with room for what surrounds its events.
const MESSAGE_BYTES_MAX: usize = 2 * APPEND_BYTES_MAX;
/// How long a client of HTTP/1.1 may take to send the head of a request. Then its connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take, unless told otherwise, to agree on TLS and to begin to speak. Then its connection is closed.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
/// After how much silence a client is pinged, and how long it may take to answer. Then its connection is closed.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// How long a stopping server waits for calls to end. Then they are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to rest after the system could not hand over a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of one call, and of all calls of a connection, that may be on their way unread.
const WINDOW_BYTES: (u32, u32) = (1024 * 1024, 8 * 1024 * 1024);

/// What the event store stands on.
pub struct Deps {
    /// The log.
    pub log: SharedLog,
    /// Checks the tokens of admins.
    pub verifier: TokenVerifier,
    /// What nodes that have their log here identify themselves with, under the name `node`; without it, none does.
    pub node_password: Option<NodePassword>,
    /// Time.
    pub clock: Clock,
    /// How clients of a cluster reach this host; the address that is listened on when absent.
    pub advertised_host: Option<String>,
    /// The port's certificate; without it the port speaks plainly.
    pub tls: Option<Tls>,
    /// How long a client may take to agree on TLS and to begin to speak; [`OPENING_TIMEOUT`] for everybody but tests.
    pub opening_timeout: Duration,
}

/// The log, served over the EventStoreDB protocol.
pub struct EventStore;

impl EventStore {
    /// Serves on `listener` until `shutdown`, which also waits for the connections.
    ///
    /// # Errors
    /// The listener has no address.
    pub fn start(deps: Deps, listener: TcpListener, shutdown: &Shutdown) -> io::Result<SocketAddr> {
        let address = listener.local_addr()?;
        let (tls, opening_timeout) = (deps.tls.clone(), deps.opening_timeout);
        let router = router(deps, address, shutdown);
        let guest = Guest { router, builder: builder(), tls, opening_timeout, shutdown: shutdown.clone() };
        shutdown.spawn(accept(listener, guest));
        Ok(address)
    }
}

fn router(deps: Deps, address: SocketAddr, shutdown: &Shutdown) -> Router {
    let Deps { log, verifier, node_password, clock, advertised_host, tls: _, opening_timeout: _ } = deps;
    let access = Access::new(verifier, node_password, clock.clone());
    let alone = Alone::new(address, advertised_host, clock.clone());
    let budget = Budget::new(MESSAGE_BYTES_MAX);
    let groups = Groups::new(Arc::clone(&log), clock.clone(), shutdown.clone());
    let groups = PersistentSubscriptionsServer::new(groups).max_decoding_message_size(ASKING_BYTES_MAX);
    let streams = LogStreams {
        writer: Writer::new(log),
        clock,
        shutdown: shutdown.clone(),
        writing: WritingCalls::new(),
        budget: budget.clone(),
    };
    let streams = StreamsServer::new(streams).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let features = ServerFeaturesServer::new(Features).max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    let gossip = GossipServer::new(alone).max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    Routes::new(InterceptedService::new(streams, access.clone()))
        .add_service(InterceptedService::new(groups, access))
        .add_service(features)
        .add_service(gossip)
        .into_axum_router()
        .route("/health/live", get(async || StatusCode::NO_CONTENT))
        .fallback(elsewhere)
        .layer(from_fn_with_state(Arriving::new(budget), bounds::hold))
}

/// What is not here. Clients of the protocol are told so in its own terms.
async fn elsewhere(uri: Uri) -> Response {
    if !uri.path().starts_with(PROTOCOL) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let what = format!(
        "this server has no '{}': it serves Streams, PersistentSubscriptions, ServerFeatures and Gossip",
        uri.path()
    );
    Status::unimplemented(what).into_http::<axum::body::Body>()
}

async fn accept(listener: TcpListener, guest: Guest) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let shutdown = guest.shutdown.clone();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                shutdown.spawn(guest.clone().attend(stream, place));
            }
            Err(error) => {
                tracing::warn!(%error, "the event store could not take a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .initial_stream_window_size(WINDOW_BYTES.0)
        .initial_connection_window_size(WINDOW_BYTES.1)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    builder
}

/// What one connection needs.
#[derive(Clone)]
struct Guest {
    router: Router,
    builder: Builder<TokioExecutor>,
    tls: Option<Tls>,
    opening_timeout: Duration,
    shutdown: Shutdown,
}

impl Guest {
    /// Serves the connection and keeps its place until it ends.
    async fn attend(mut self, stream: TcpStream, place: OwnedSemaphorePermit) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        match self.tls.take() {
            None => self.open(opened(stream)).await,
            Some(tls) => self.open(async { opened(tls.acceptor.accept(stream).await?).await }).await,
        }
        drop(place);
    }

    /// Serves the connection if it opens in time.
    async fn open<S>(self, opening: impl Future<Output = io::Result<S>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opened = tokio::select! {
            () = self.shutdown.requested() => return,
            opened = timeout(self.opening_timeout, opening) => opened,
        };
        match opened {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS, or left at once"),
            Err(_) => tracing::debug!("a client did not begin in time"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { router, builder, shutdown, .. } = self;
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.requested() => {
                connection.as_mut().graceful_shutdown();
                timeout(DRAIN_TIMEOUT, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection of the event store broke");
        }
    }
}

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
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::types::APPEND_BYTES_MAX;
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::TokenVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tonic::Status;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

use crate::access::{Access, NodePassword};
use crate::bounds::{self, ASKING_BYTES_MAX, Arriving, OPEN_MESSAGE_BYTES_MAX, PROTOCOL, WritingCalls};
use crate::budget::Budget;
use crate::cluster::{Alone, Features};
use crate::connections::{Attended, ConnectionBounds, Connections, Place};
use crate::expressions::Expressions;
use crate::opening::opened;
use crate::persistent::Groups;
use crate::prompt::Prompt;
use crate::streams::LogStreams;
use crate::tls::Tls;
use crate::wire::client::gossip::gossip_server::GossipServer;
use crate::wire::client::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptionsServer;
use crate::wire::client::server_features::server_features_server::ServerFeaturesServer;
use crate::wire::client::streams::streams_server::StreamsServer;
use crate::writing::Writer;

/// Calls at a time on one connection. When it is reached, the client keeps further ones back.
const CALLS_PER_CONNECTION_MAX: u32 = 256;
/// What clients call to append to several streams at once.
const SEVERAL_STREAMS: &str = "/kurrentdb.protocol.v2.streams.";
/// The largest message that is read: an append with room for what surrounds its events.
const MESSAGE_BYTES_MAX: usize = 2 * APPEND_BYTES_MAX;
/// How long a client of HTTP/1.1 may take to send the head of a request. Then its connection is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After how much silence a client is pinged, and how long it may take to answer. Then its connection is closed.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// How long a stopping server waits for calls to end. Then they are cut off.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client that gives way to another may take to hear of it. Then its connection is cut off.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(1);
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
    /// What connections may take; the default for everybody but tests.
    pub bounds: ConnectionBounds,
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
        let (tls, bounds) = (deps.tls.clone(), deps.bounds);
        let router = router(deps, address, shutdown);
        let opening_timeout = bounds.opening_timeout;
        let guest = Guest { router, builder: builder(), tls, opening_timeout, shutdown: shutdown.clone() };
        shutdown.spawn(accept(listener, Connections::new(bounds.connections_max), guest));
        Ok(address)
    }
}

fn router(deps: Deps, address: SocketAddr, shutdown: &Shutdown) -> Router {
    let Deps { log, verifier, node_password, clock, advertised_host, tls: _, bounds: _ } = deps;
    let access = Access::new(verifier, node_password, clock.clone());
    let alone = Alone::new(address, advertised_host, clock.clone());
    let budget = Budget::new(MESSAGE_BYTES_MAX);
    let expressions = Expressions::new();
    let groups = Groups::new(Arc::clone(&log), clock.clone(), shutdown.clone(), expressions.clone());
    let groups = PersistentSubscriptionsServer::new(groups).max_decoding_message_size(ASKING_BYTES_MAX);
    let streams = LogStreams {
        writer: Writer::new(log),
        clock,
        shutdown: shutdown.clone(),
        writing: WritingCalls::new(),
        budget: budget.clone(),
        expressions,
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
    if uri.path().starts_with(SEVERAL_STREAMS) {
        let what = "an append goes to one stream here, because the log takes it as a whole in one only; append to each stream by itself";
        return Status::unimplemented(what).into_http::<axum::body::Body>();
    }
    if !uri.path().starts_with(PROTOCOL) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let what = format!(
        "this server has no '{}': it serves Streams, PersistentSubscriptions, ServerFeatures and Gossip",
        uri.path()
    );
    Status::unimplemented(what).into_http::<axum::body::Body>()
}

async fn accept(listener: TcpListener, connections: Connections, guest: Guest) {
    let shutdown = guest.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the event store could not take a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            () = shutdown.requested() => return,
            place = connections.place() => place,
        };
        shutdown.spawn(guest.clone().attend(stream, place));
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
    async fn attend(mut self, stream: TcpStream, place: Place) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let stream = Prompt(stream);
        match self.tls.take() {
            None => self.open(opened(stream), &place).await,
            Some(tls) => self.open(async { opened(tls.acceptor.accept(stream).await?).await }, &place).await,
        }
    }

    /// Serves the connection if it opens in time.
    async fn open<S>(self, opening: impl Future<Output = io::Result<S>>, place: &Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opened = tokio::select! {
            () = self.shutdown.requested() => return,
            () = place.must_leave() => return,
            opened = timeout(self.opening_timeout, opening) => opened,
        };
        match opened {
            Ok(Ok(stream)) => self.serve(stream, place).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS, or left at once"),
            Err(_) => tracing::debug!("a client did not begin in time"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, place: &Place) {
        let Self { router, builder, shutdown, .. } = self;
        let connection = builder.serve_connection(TokioIo::new(stream), Attended::new(router, place));
        let mut connection = pin!(connection);
        let patience = tokio::select! {
            ended = connection.as_mut() => return broken(ended),
            () = shutdown.requested() => DRAIN_TIMEOUT,
            () = place.must_leave() => LEAVING_TIMEOUT,
        };
        connection.as_mut().graceful_shutdown();
        broken(timeout(patience, connection).await.unwrap_or(Ok(())));
    }
}

fn broken(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the event store broke");
    }
}

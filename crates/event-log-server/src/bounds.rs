//! What calls may take before it is known who calls, and while they send: the bound is the server's, whatever the number of clients.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tonic::Status;

use crate::budget::Budget;
use crate::metrics;

/// What every service of the protocol is called.
pub(crate) const PROTOCOL: &str = "/event_store.client.";
/// The service of streams, which needs a token.
const STREAMS: &str = "/event_store.client.streams.Streams/";
/// The service whose consumers speak for as long as they listen, and its call for them.
const PERSISTENT: &str = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/";
const CONSUMING: &str = "Read";
/// The calls of streams that send events.
const WRITING: [&str; 2] = ["Append", "BatchAppend"];

/// Calls at a time whose requests are on their way: so many that need no token, and so many that ask for something with one. When it
/// is reached, further ones are refused.
const ARRIVING_CALLS_MAX: usize = 256;
/// How long such a request may be on its way. Then it is refused.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest message of a call that needs no token. A larger one is refused by its announced length.
pub(crate) const OPEN_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// The largest request that asks for something, by prefixes or by an expression. A larger one is refused.
pub(crate) const ASKING_BYTES_MAX: usize = 64 * 1024;
/// Calls of one kind at a time that send events. When it is reached, further ones wait unread.
const WRITING_CALLS_MAX: usize = 64;
/// How long a call waits for its place. Then it is refused.
const PLACE_TIMEOUT: Duration = Duration::from_secs(10);

/// The places of requests on their way, those without a token apart: they cannot keep out who has one.
#[derive(Clone)]
pub(crate) struct Arriving {
    open: Arc<Semaphore>,
    asking: Arc<Semaphore>,
    budget: Budget,
}

impl Arriving {
    /// Calls that send events are held to `budget`.
    pub(crate) fn new(budget: Budget) -> Self {
        let places = || Arc::new(Semaphore::new(ARRIVING_CALLS_MAX));
        Self { open: places(), asking: places(), budget }
    }
}

/// Holds each call to its bounds, before anything of its body is read.
pub(crate) async fn hold(State(arriving): State<Arriving>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if let Some(method) = path.strip_prefix(PERSISTENT) {
        // Each message of a consumer is bounded, and it is known by then.
        let request = if method == CONSUMING { request } else { request.map(small) };
        return arrive(&arriving.asking, request, next).await;
    }
    match path.strip_prefix(STREAMS) {
        Some(method) if WRITING.contains(&method) => {
            next.run(request.map(|body| arriving.budget.metered(body))).await
        }
        Some(_) => arrive(&arriving.asking, request.map(small), next).await,
        None if path.starts_with(PROTOCOL) => arrive(&arriving.open, request, next).await,
        // Probes have no body that is read.
        None => next.run(request).await,
    }
}

/// Whether a call of this path is let in with rights only, and may last as long as its client likes.
pub(crate) fn needs_rights(path: &str) -> bool {
    path.starts_with(STREAMS) || path.starts_with(PERSISTENT)
}

/// Keeps a place until the answer begins; by then the request is read.
async fn arrive(places: &Semaphore, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        metrics::shed();
        let reason = format!("{ARRIVING_CALLS_MAX} requests are on their way already");
        return Status::resource_exhausted(reason).into_http();
    };
    let late = |_| Status::deadline_exceeded("the request did not come in time").into_http();
    timeout(ARRIVAL_TIMEOUT, next.run(request)).await.unwrap_or_else(late)
}

/// The body, cut off with a reason where it is too large.
fn small(body: Body) -> Body {
    Body::new(Limited::new(body, ASKING_BYTES_MAX).map_err(|error| match error.is::<LengthLimitError>() {
        true => {
            let reason = format!("a request without events has at most {ASKING_BYTES_MAX} bytes");
            Status::resource_exhausted(reason).into()
        }
        false => error,
    }))
}

/// The places of calls that send events. A call of batches lasts as long as its client likes, so those have places of their own.
#[derive(Clone)]
pub(crate) struct WritingCalls {
    single: Arc<Semaphore>,
    batches: Arc<Semaphore>,
}

impl WritingCalls {
    pub(crate) fn new() -> Self {
        let places = || Arc::new(Semaphore::new(WRITING_CALLS_MAX));
        Self { single: places(), batches: places() }
    }

    /// # Errors
    /// There was no place in time.
    pub(crate) async fn single(&self) -> Result<OwnedSemaphorePermit, Status> {
        place(&self.single).await
    }

    /// # Errors
    /// There was no place in time.
    pub(crate) async fn batches(&self) -> Result<OwnedSemaphorePermit, Status> {
        place(&self.batches).await
    }
}

async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    match timeout(PLACE_TIMEOUT, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        _ => {
            metrics::shed();
            Err(Status::resource_exhausted(format!("{WRITING_CALLS_MAX} calls are sending events already")))
        }
    }
}

//! Who is connected. There are so many places; before the last ones are taken, whoever has been without a call for longest gives way, so
//! that clients who only hold connections keep nobody out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::{bounds, metrics};

/// When no more places are free, each connection that comes makes the one that has been idle for longest give way.
const SPARE_PLACES: usize = 16;
/// While no place is free, an idle connection is looked for again after so long.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionBounds {
    /// Connections at a time. When it is reached, one without a call gives way, and where each has one, further ones wait.
    pub connections_max: usize,
    /// How long a client may take to agree on TLS and to begin to speak. Then its connection is closed.
    pub opening_timeout: Duration,
}

impl Default for ConnectionBounds {
    fn default() -> Self {
        Self { connections_max: 1_024, opening_timeout: Duration::from_secs(10) }
    }
}

/// Everybody who is connected.
#[derive(Clone)]
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    spare: usize,
    present: Arc<Mutex<Present>>,
}

#[derive(Default)]
struct Present {
    connections: HashMap<u64, Arc<Presence>>,
    next: u64,
}

/// One connection.
struct Presence {
    calls: Mutex<Calls>,
    leave: Notify,
}

struct Calls {
    under_way: usize,
    idle_since: Instant,
    leaving: bool,
}

impl Connections {
    pub(crate) fn new(connections_max: usize) -> Self {
        let spare = SPARE_PLACES.min(connections_max / 2);
        Self { places: Arc::new(Semaphore::new(connections_max)), spare, present: Arc::default() }
    }

    /// A place for a connection that has come.
    pub(crate) async fn place(&self) -> Place {
        loop {
            if self.places.available_permits() <= self.spare {
                self.dismiss();
            }
            // The semaphore is never closed.
            if let Ok(Ok(permit)) = timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                return self.taken(permit);
            }
        }
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Place {
        let calls = Calls { under_way: 0, idle_since: Instant::now(), leaving: false };
        let presence = Arc::new(Presence { calls: Mutex::new(calls), leave: Notify::new() });
        let mut present = self.present.lock();
        let number = present.next;
        present.next += 1;
        present.connections.insert(number, Arc::clone(&presence));
        Place { presence, number, present: Arc::clone(&self.present), _permit: permit }
    }

    /// Tells the connection that has been without a call for longest to leave.
    fn dismiss(&self) {
        let present = self.present.lock();
        let idle = present.connections.values().filter_map(|one| Some((one.calls.lock().idle()?, one)));
        let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return };
        // A call may have begun since the look at all of them.
        if longest.calls.lock().leave() {
            longest.leave.notify_one();
            metrics::dismissed();
        }
    }
}

impl Calls {
    /// Since when there has been no call; none where there is one, or nothing more to be told.
    fn idle(&self) -> Option<Instant> {
        (self.under_way == 0 && !self.leaving).then_some(self.idle_since)
    }

    /// Whether it is told to leave now: where there is no call.
    fn leave(&mut self) -> bool {
        let is_idle = self.idle().is_some();
        self.leaving |= is_idle;
        is_idle
    }
}

/// A connection's place, for as long as it is held.
pub(crate) struct Place {
    presence: Arc<Presence>,
    number: u64,
    present: Arc<Mutex<Present>>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until the connection is to give way.
    pub(crate) async fn must_leave(&self) {
        self.presence.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.present.lock().connections.remove(&self.number);
    }
}

/// A call that is under way, for as long as this is held.
struct Call(Arc<Presence>);

impl Call {
    fn begin(presence: &Arc<Presence>) -> Self {
        presence.calls.lock().under_way += 1;
        Self(Arc::clone(presence))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut calls = self.0.calls.lock();
        calls.under_way -= 1;
        calls.idle_since = Instant::now();
    }
}

/// The services of the port, for one connection.
pub(crate) struct Attended {
    router: TowerToHyperService<Router>,
    presence: Arc<Presence>,
}

impl Attended {
    pub(crate) fn new(router: Router, place: &Place) -> Self {
        Self { router: TowerToHyperService::new(router), presence: Arc::clone(&place.presence) }
    }
}

impl Service<Request<Incoming>> for Attended {
    type Response = Response<Held>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // What anybody may ask is answered at once, and nobody keeps a place by not reading the answer.
        let call = bounds::needs_rights(request.uri().path()).then(|| Call::begin(&self.presence));
        let answer = self.router.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Held { body, _call: call })) })
    }
}

/// The body of an answer, whose call is over when it is, if it counts as one.
pub(crate) struct Held {
    body: axum::body::Body,
    _call: Option<Call>,
}

impl Body for Held {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

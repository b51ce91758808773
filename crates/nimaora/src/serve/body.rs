//! A request's body that has to arrive in time, however slowly its client sends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use nimaora_api::details;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};

/// A body that fails when it has not ended in time. The time counts for the whole of it, from when it was first waited for: a
/// client that sends a byte now and then gets no more.
pub(super) struct TimedBody<B = Incoming> {
    body: B,
    patience: Duration,
    /// There is none for a body that is there when it is read, as most are.
    deadline: Option<Pin<Box<Sleep>>>,
    late: Option<Late>,
}

/// Whether a body came too late. A page tells its client in its own way that a body broke; this says why it did.
#[derive(Clone, Default)]
pub(super) struct Late(Arc<AtomicBool>);

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError<E> {
    /// A gRPC service finds in it what to answer.
    #[error("the body came too late")]
    Late(#[source] Status),
    #[error(transparent)]
    Broken(E),
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, patience: Duration) -> Self {
        Self { body, patience, deadline: None, late: None }
    }

    /// With a mark that tells afterwards whether it came too late.
    pub(super) fn watched(body: B, patience: Duration) -> (Self, Late) {
        let late = Late::default();
        (Self { late: Some(late.clone()), ..Self::new(body, patience) }, late)
    }
}

impl Late {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for TimedBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        let patience = self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(context));
        if let Some(late) = &self.late {
            late.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Err(BodyError::Late(too_late()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_late() -> Status {
    let message =
        "the message did not arrive within limits.body_read_timeout_ms of the server; send it again";
    details::status(Code::DeadlineExceeded, "MESSAGE_TOO_SLOW", message)
}

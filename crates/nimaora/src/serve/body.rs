//! A request's body that has to arrive in time, however slowly its client sends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that fails when it has not ended in time. The time counts for the whole of it: a client that sends a byte now and
/// then gets no more.
pub(super) struct TimedBody<B = Incoming> {
    body: B,
    deadline: Pin<Box<Sleep>>,
    late: Late,
}

/// Whether a body came too late. A service tells its client in its own way that a body broke; this says why it did.
#[derive(Clone, Default)]
pub(super) struct Late(Arc<AtomicBool>);

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError<E> {
    #[error("the body did not arrive within limits.body_read_timeout_ms")]
    Late,
    #[error(transparent)]
    Broken(E),
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B, patience: Duration) -> (Self, Late) {
        let late = Late::default();
        (Self { body, deadline: Box::pin(sleep(patience)), late: late.clone() }, late)
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
        ready!(self.deadline.as_mut().poll(context));
        self.late.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(BodyError::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

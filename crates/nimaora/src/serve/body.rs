//! A request's body that has to arrive in time, however slowly its client sends, and of which only so much is held.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use nimaora_api::details;
use tokio::time::{Sleep, sleep};
use tonic::{Code, Status};

use super::budget::Budget;
use super::metrics;
use crate::config::Limits;

/// A body of so many bytes is let in from the reserve, so that large ones that come slowly do not keep small ones out.
const SMALL_BYTES_MAX: usize = 4 * 1024;
/// After how long it is worth trying again. Whoever holds the room has `limits.body_read_timeout_ms`.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What all bodies of a server have in common.
#[derive(Debug)]
pub(super) struct Intake {
    patience: Duration,
    /// What has arrived of bodies that are waited for.
    unfinished: Budget,
}

impl Intake {
    pub(super) fn new(limits: &Limits) -> Self {
        let patience = Duration::from_millis(limits.body_read_timeout_ms);
        Self { patience, unfinished: Budget::new(limits.unfinished_body_bytes_max) }
    }
}

/// A body that fails when it has not ended in time, or when too much of unfinished bodies is held. The time counts for the whole
/// of it, from when it was first waited for: a client that sends a byte now and then gets no more.
///
/// A body that is there when it is read, as most are, has no timer and is not counted.
pub(super) struct RequestBody<B = Incoming> {
    body: B,
    intake: Arc<Intake>,
    deadline: Option<Pin<Box<Sleep>>>,
    read_bytes: usize,
    /// How many of those are counted as held.
    held_bytes: usize,
    mark: Option<Mark>,
}

/// Why a body was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It came too late.
    Late,
    /// Too much of unfinished bodies is held.
    Full,
}

/// Whether a body was given up. A page tells its client in its own way that a body broke; this says why it did.
#[derive(Clone, Default)]
pub(super) struct Mark(Arc<OnceLock<Fault>>);

/// Why a body cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError<E> {
    /// A gRPC service finds in it what to answer.
    #[error("the body was given up")]
    GivenUp(#[source] Status),
    #[error(transparent)]
    Broken(E),
}

impl<B> RequestBody<B> {
    pub(super) fn new(body: B, intake: &Arc<Intake>) -> Self {
        let intake = Arc::clone(intake);
        Self { body, intake, deadline: None, read_bytes: 0, held_bytes: 0, mark: None }
    }

    /// With a mark that tells afterwards whether it was given up.
    pub(super) fn marked(body: B, intake: &Arc<Intake>) -> (Self, Mark) {
        let (mut body, mark) = (Self::new(body, intake), Mark::default());
        body.mark = Some(mark.clone());
        (body, mark)
    }

    /// Counts what has been read; answers whether there is room for it.
    fn hold(&mut self) -> bool {
        let more = self.read_bytes - self.held_bytes;
        let unfinished = &self.intake.unfinished;
        let fits = more == 0
            || if self.read_bytes <= SMALL_BYTES_MAX {
                unfinished.take_reserve(more)
            } else {
                unfinished.take(more)
            };
        if fits {
            self.held_bytes = self.read_bytes;
        }
        fits
    }

    fn give_up<E>(&self, fault: Fault) -> BodyError<E> {
        if let Some(mark) = &self.mark {
            mark.set(fault);
        }
        metrics::body_given_up(fault);
        BodyError::GivenUp(fault.status())
    }
}

impl Mark {
    /// Why the body was given up, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.0.get().copied()
    }

    fn set(&self, fault: Fault) {
        // What came first is the reason.
        let _ = self.0.set(fault);
    }
}

impl Fault {
    pub(super) fn status(self) -> Status {
        match self {
            Self::Late => details::status(
                Code::DeadlineExceeded,
                "MESSAGE_TOO_SLOW",
                "the message did not arrive within limits.body_read_timeout_ms of the server; send it again",
            ),
            Self::Full => details::retry(
                Code::ResourceExhausted,
                "TOO_MANY_UNFINISHED_MESSAGES",
                "the server waits for the rest of too many messages; send it again, in one piece if you can",
                RETRY_AFTER,
            ),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                self.read_bytes += data.len();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        if !self.hold() {
            return Poll::Ready(Some(Err(self.give_up(Fault::Full))));
        }
        let patience = self.intake.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(self.give_up(Fault::Late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for RequestBody<B> {
    fn drop(&mut self) {
        if self.held_bytes > 0 {
            self.intake.unfinished.give_back(self.held_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::{StreamExt, iter, pending};
    use http_body_util::{BodyExt, StreamBody};
    use tonic_types::StatusExt;

    use super::*;

    const LARGE: usize = SMALL_BYTES_MAX + 1;

    fn intake() -> Arc<Intake> {
        let limits = Limits { unfinished_body_bytes_max: LARGE, ..Limits::default() };
        Arc::new(Intake::new(&limits))
    }

    type Unfinished = RequestBody<Pin<Box<dyn Body<Data = Bytes, Error = std::convert::Infallible>>>>;

    fn unfinished(intake: &Arc<Intake>, bytes: usize) -> Unfinished {
        let arrived = iter([Ok(Frame::data(Bytes::from(vec![0; bytes])))]);
        RequestBody::new(Box::pin(StreamBody::new(arrived.chain(pending()))), intake)
    }

    /// Reads what has arrived; `None` while the rest is waited for.
    fn read(body: &mut Unfinished) -> Option<Fault> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            match Pin::new(&mut *body).poll_frame(&mut context) {
                Poll::Pending => return None,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(BodyError::GivenUp(status)))) => {
                    let retry = status.get_details_retry_info();
                    return Some(if retry.is_some() { Fault::Full } else { Fault::Late });
                }
                Poll::Ready(other) => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_much_is_held_of_bodies_that_are_waited_for() {
        let intake = intake();
        let mut first = unfinished(&intake, LARGE);
        assert_eq!(read(&mut first), None);
        assert_eq!(read(&mut unfinished(&intake, LARGE)), Some(Fault::Full));
        let mut small = unfinished(&intake, SMALL_BYTES_MAX);
        assert_eq!(read(&mut small), None, "large bodies keep small ones out");
        assert_eq!(read(&mut unfinished(&intake, SMALL_BYTES_MAX)), Some(Fault::Full));
        drop((first, small));
        assert_eq!(read(&mut unfinished(&intake, LARGE)), None);
    }

    #[tokio::test]
    async fn a_body_that_is_there_is_not_counted() {
        let intake = intake();
        let pieces = iter((0..10).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; LARGE])))));
        let body = RequestBody::new(StreamBody::new(pieces), &intake);
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 10 * LARGE);
    }
}

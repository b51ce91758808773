//! Answers that have to be taken in time, however slowly their client reads, and of which only so much is held.
//!
//! Each piece of an answer carries a ticket until its last byte is with the system. A stream on which nothing happens holds no
//! ticket, so only clients that do not take what is there are told apart, over HTTP/1.1 and HTTP/2 alike.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use nimaora_api::details;
use tokio::time::{MissedTickBehavior, interval};
use tonic::body::Body;
use tonic::{Code, Status};

use super::budget::Budget;
use super::{metrics, refusal};
use crate::config::Limits;

/// How many periods are told apart. A ticket is overdue when it has seen all of them but the one it was made in.
const PERIODS: usize = 3;
/// A piece of so many bytes is always sent: it may tell that a command was carried out. How many there are is bounded by the
/// requests at a time.
const SMALL_BYTES_MAX: usize = 4 * 1024;
/// After how long it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What the answers of all connections have in common.
#[derive(Debug)]
pub(super) struct Outlet {
    unsent: Budget,
    per_connection_bytes_max: usize,
    patience: Duration,
}

impl Outlet {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            unsent: Budget::new(limits.unsent_answer_bytes_max),
            per_connection_bytes_max: limits.unsent_answer_bytes_per_connection_max,
            patience: Duration::from_millis(limits.answer_write_timeout_ms),
        }
    }
}

/// What one connection has not been sent yet.
#[derive(Debug)]
pub(super) struct Outbox {
    outlet: Arc<Outlet>,
    /// Tickets by the period they were made in.
    tickets: [AtomicUsize; PERIODS],
    period: AtomicUsize,
    unsent: Budget,
}

impl Outbox {
    pub(super) fn new(outlet: &Arc<Outlet>) -> Arc<Self> {
        let unsent = Budget::new(outlet.per_connection_bytes_max);
        let outlet = Arc::clone(outlet);
        Arc::new(Self { outlet, tickets: Default::default(), period: AtomicUsize::new(0), unsent })
    }

    /// Resolves when the client has not taken something for `limits.answer_write_timeout_ms`, or half as long again.
    pub(super) async fn overdue(&self) {
        let period = self.outlet.patience / (PERIODS as u32 - 1);
        let mut ticks = interval(period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if self.turn() {
                return;
            }
        }
    }

    /// Begins the next period; answers whether tickets are left of when it was last its turn.
    fn turn(&self) -> bool {
        let next = (self.period.load(Ordering::Relaxed) + 1) % PERIODS;
        self.period.store(next, Ordering::Relaxed);
        self.tickets[next].load(Ordering::Relaxed) > 0
    }

    /// A ticket for so many bytes, unless too many are unsent.
    fn ticket(self: &Arc<Self>, bytes: usize) -> Option<Ticket> {
        let held_bytes = if bytes <= SMALL_BYTES_MAX { 0 } else { bytes };
        if held_bytes > 0 {
            if !self.unsent.take(held_bytes) {
                return None;
            }
            if !self.outlet.unsent.take(held_bytes) {
                self.unsent.give_back(held_bytes);
                return None;
            }
        }
        let period = self.period.load(Ordering::Relaxed);
        self.tickets[period].fetch_add(1, Ordering::Relaxed);
        Some(Ticket { outbox: Arc::clone(self), period, held_bytes })
    }

    /// The same frame with a ticket, if it has data.
    fn stamp(self: &Arc<Self>, frame: Frame<Bytes>) -> Result<Frame<Piece>, Status> {
        let ticket = match frame.data_ref() {
            Some(data) => Some(self.ticket(data.len()).ok_or_else(too_many)?),
            None => None,
        };
        Ok(frame.map_data(|data| Piece { data, _ticket: ticket }))
    }
}

fn too_many() -> Status {
    metrics::answer_refused();
    let message =
        "this client, or all of them, have not read too many answers; read them, then send the request again";
    details::retry(Code::ResourceExhausted, "TOO_MANY_UNREAD_ANSWERS", message, RETRY_AFTER)
}

#[derive(Debug)]
struct Ticket {
    outbox: Arc<Outbox>,
    period: usize,
    held_bytes: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.outbox.tickets[self.period].fetch_sub(1, Ordering::Relaxed);
        if self.held_bytes > 0 {
            self.outbox.unsent.give_back(self.held_bytes);
            self.outbox.outlet.unsent.give_back(self.held_bytes);
        }
    }
}

/// A piece of an answer on its way.
#[derive(Debug)]
pub(super) struct Piece {
    data: Bytes,
    _ticket: Option<Ticket>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.data
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

/// A service whose answers to one connection are watched.
pub(super) struct Watched<S> {
    service: S,
    outbox: Arc<Outbox>,
}

impl<S> Watched<S> {
    pub(super) fn new(service: S, outbox: Arc<Outbox>) -> Self {
        Self { service, outbox }
    }
}

impl<S> Service<Request<Incoming>> for Watched<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Answering { answer: self.service.call(request), outbox: Arc::clone(&self.outbox) }
    }
}

/// Waits for an answer, and looks whether there is room for its first piece while it can still be another answer.
pub(super) struct Answering<F> {
    answer: F,
    outbox: Arc<Outbox>,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(answer) = ready!(Pin::new(&mut self.answer).poll(context));
        let (head, body) = answer.into_parts();
        let mut body = AnswerBody { body, first: None, outbox: Arc::clone(&self.outbox) };
        if body.body.is_end_stream() {
            return Poll::Ready(Ok(Response::from_parts(head, body)));
        }
        let answer = match Pin::new(&mut body.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => match self.outbox.stamp(frame) {
                Ok(frame) => {
                    body.first = Some(Ok(frame));
                    Response::from_parts(head, body)
                }
                Err(status) => {
                    let refused = refusal::instead_of(Response::from_parts(head, Body::empty()), &status);
                    refused.map(|body| AnswerBody { body, first: None, outbox: Arc::clone(&self.outbox) })
                }
            },
            Poll::Ready(Some(Err(status))) => {
                body.first = Some(Err(status));
                Response::from_parts(head, body)
            }
            Poll::Ready(None) => {
                body.body = Body::empty();
                Response::from_parts(head, body)
            }
            Poll::Pending => Response::from_parts(head, body),
        };
        Poll::Ready(Ok(answer))
    }
}

/// The body of an answer, each piece of which has a ticket.
pub(super) struct AnswerBody {
    body: Body,
    /// What was read before the head was sent.
    first: Option<Result<Frame<Piece>, Status>>,
    outbox: Arc<Outbox>,
}

impl HttpBody for AnswerBody {
    type Data = Piece;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Status>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // For want of room a stream breaks; its client comes again.
        Poll::Ready(frame.map(|frame| frame.and_then(|frame| self.outbox.stamp(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        let first_bytes = first.map_or(0, |piece| piece.remaining() as u64);
        let rest = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + first_bytes);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + first_bytes);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::header::CONTENT_TYPE;
    use http_body_util::{BodyExt, Full};

    use super::*;

    const LARGE: usize = SMALL_BYTES_MAX + 1;

    fn outbox() -> Arc<Outbox> {
        let limits = Limits { unsent_answer_bytes_per_connection_max: LARGE, ..Limits::default() };
        Outbox::new(&Arc::new(Outlet::new(&limits)))
    }

    async fn answer(outbox: &Arc<Outbox>, content_type: &str, bytes: usize) -> Response<AnswerBody> {
        let body = Body::new(Full::new(Bytes::from(vec![0; bytes])));
        let answer = Response::builder().header(CONTENT_TYPE, content_type).body(body).unwrap();
        let Ok(answer) = Answering { answer: ready(Ok(answer)), outbox: Arc::clone(outbox) }.await;
        answer
    }

    #[tokio::test]
    async fn too_large_an_answer_for_what_is_unsent_is_replaced() {
        let outbox = outbox();
        let first = answer(&outbox, "application/grpc", LARGE).await;
        assert_eq!(first.body().size_hint().exact(), Some(LARGE as u64));
        for content_type in ["application/grpc", "application/grpc-web+proto"] {
            let call = answer(&outbox, content_type, LARGE).await;
            let status = Status::from_header_map(call.headers()).unwrap();
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert!(call.body().is_end_stream());
        }
        let page = answer(&outbox, "text/plain", LARGE).await;
        assert_eq!((page.status().as_u16(), &page.headers()["retry-after"]), (503, &"2".parse().unwrap()));
        let small = answer(&outbox, "application/grpc", SMALL_BYTES_MAX).await;
        assert_eq!(small.body().size_hint().exact(), Some(SMALL_BYTES_MAX as u64));

        let piece = first.into_body().frame().await;
        assert!(answer(&outbox, "text/plain", LARGE).await.status().is_server_error(), "it is on its way");
        drop(piece);
        assert!(answer(&outbox, "text/plain", LARGE).await.status().is_success());
    }

    #[tokio::test]
    async fn only_a_piece_that_is_not_taken_is_overdue() {
        let outbox = outbox();
        let idle = answer(&outbox, "text/plain", 0).await;
        let unread = answer(&outbox, "text/plain", 1).await;
        // The period in which it was made is not over at the first turn.
        assert_eq!([(); PERIODS].map(|()| outbox.turn()), [false, false, true]);
        drop(unread);
        assert_eq!([(); PERIODS].map(|()| outbox.turn()), [false; PERIODS]);
        drop(idle);
    }
}

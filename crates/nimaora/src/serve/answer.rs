//! Answers that have to be taken in time, however slowly their client reads, and of which only so much is held.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::{Request, Response, Version};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use tonic::Status;
use tonic::body::Body;

use super::outbox::{Outbox, Piece};
use super::refusal;

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
        // Streams of HTTP/2 are bounded in number, and its clients have to answer pings.
        let one_by_one = request.version() < Version::HTTP_2;
        if one_by_one {
            self.outbox.asked();
        }
        Answering { answer: self.service.call(request), one_by_one, outbox: Arc::clone(&self.outbox) }
    }
}

/// Waits for an answer, and looks whether there is room for its first piece while it can still be another answer.
pub(super) struct Answering<F> {
    answer: F,
    /// Whether the next request is read after this answer, as in HTTP/1.1.
    one_by_one: bool,
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
            if self.one_by_one {
                self.outbox.answered_bare();
            }
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

    use bytes::Bytes;
    use http::header::CONTENT_TYPE;
    use http_body_util::{BodyExt, Full};
    use tonic::Code;

    use super::*;
    use crate::config::Limits;
    use crate::serve::outbox::{Outlet, SMALL_BYTES_MAX};

    const LARGE: usize = SMALL_BYTES_MAX + 1;

    fn outbox() -> Arc<Outbox> {
        let limits = Limits { unsent_answer_bytes_per_connection_max: LARGE, ..Limits::default() };
        Outbox::new(&Arc::new(Outlet::new(&limits)))
    }

    async fn answer(outbox: &Arc<Outbox>, content_type: &str, bytes: usize) -> Response<AnswerBody> {
        let body = Body::new(Full::new(Bytes::from(vec![0; bytes])));
        let answer = Response::builder().header(CONTENT_TYPE, content_type).body(body).unwrap();
        let answer = ready(Ok(answer));
        let Ok(answer) = Answering { answer, one_by_one: true, outbox: Arc::clone(outbox) }.await;
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
}

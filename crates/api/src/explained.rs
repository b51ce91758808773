//! Gives the answers that the gRPC library makes by itself a reason, like all others have.
//!
//! A message that is too large, compressed, cut off or no protobuf never reaches a service: the library answers it with a bare
//! status, and calls what the caller did wrong an internal error. A service wrapped in [`Explained`] answers these as bad input.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::details;

/// A gRPC service none of whose answers lacks a reason. All statuses of the service itself must carry details.
#[derive(Clone, Debug)]
pub struct Explained<S>(S);

impl<S> Explained<S> {
    /// Wraps a generated server.
    pub fn new(service: S) -> Self {
        Self(service)
    }
}

impl<S: NamedService> NamedService for Explained<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for Explained<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Unpin,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Explaining<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Explaining(self.0.call(request))
    }
}

/// The answer of an [`Explained`] service.
#[derive(Debug)]
pub struct Explaining<F>(F);

impl<F, R, E> Future for Explaining<F>
where
    F: Future<Output = Result<Response<R>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map_ok(|mut response| {
            explain(response.headers_mut());
            response
        })
    }
}

/// A call that failed before it had an answer has its status in the headers; only those that the library made lack details.
fn explain(headers: &mut HeaderMap) {
    let Some(bare) = Status::from_header_map(headers).filter(|status| status.details().is_empty()) else {
        return;
    };
    let explained = if is_of_encoding(&bare, headers) {
        let message = format!("{}; send messages uncompressed, without a grpc-encoding", bare.message());
        details::status(Code::Unimplemented, "ENCODING_UNSUPPORTED", message)
    } else {
        let Some((code, reason)) = reason(bare.code()) else { return };
        details::status(code, reason, bare.message())
    };
    if let Err(status) = explained.add_header(headers) {
        // A message that was in a header fits in one again.
        debug_assert!(false, "{status}");
    }
}

/// Whether the method is known and the message was compressed. The code is that of an unknown method, as gRPC wants it; but this
/// answer says what encodings there are.
fn is_of_encoding(bare: &Status, headers: &HeaderMap) -> bool {
    bare.code() == Code::Unimplemented && headers.contains_key("grpc-accept-encoding")
}

/// What a status of the library means to the caller; `None` where the code says it all.
fn reason(code: Code) -> Option<(Code, &'static str)> {
    match code {
        Code::OutOfRange => Some((Code::OutOfRange, "MESSAGE_TOO_LARGE")),
        // Cut off, no message at all, or not what the method takes.
        Code::Internal => Some((Code::InvalidArgument, "MESSAGE_MALFORMED")),
        Code::Unimplemented => Some((Code::Unimplemented, "METHOD_UNKNOWN")),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn explained(status: &Status) -> Status {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        explain(&mut headers);
        Status::from_header_map(&headers).unwrap()
    }

    #[test]
    fn what_the_library_answers_by_itself_gets_a_reason() {
        for (bare, code, reason) in [
            (Status::out_of_range("too large"), Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            (Status::internal("no protobuf"), Code::InvalidArgument, "MESSAGE_MALFORMED"),
            (Status::unimplemented(""), Code::Unimplemented, "METHOD_UNKNOWN"),
        ] {
            let status = explained(&bare);
            assert_eq!((status.code(), status.message()), (code, bare.message()));
            let details = status.get_error_details();
            let info = details.error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, details::ERROR_DOMAIN));
        }
    }

    #[test]
    fn a_compressed_message_is_told_from_an_unknown_method() {
        let mut bare = Status::unimplemented("compressed with `gzip`");
        bare.metadata_mut().insert("grpc-accept-encoding", "identity".parse().unwrap());
        let status = explained(&bare);
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("`gzip`; send messages uncompressed"), "{}", status.message());
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "ENCODING_UNSUPPORTED");
        assert_eq!(status.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    }

    #[test]
    fn what_has_a_reason_and_what_is_no_error_stay_as_they_are() {
        let ours = details::status(Code::Internal, "INTERNAL", "a fault of the server");
        let status = explained(&ours);
        assert_eq!((status.code(), status.details()), (ours.code(), ours.details()));
        let mut headers = HeaderMap::new();
        explain(&mut headers);
        assert!(headers.is_empty());
    }
}

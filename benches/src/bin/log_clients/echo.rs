//! An echo: a call as bare as can be. And what an append costs where nothing is behind it: the call of the official client, with the
//! client's own messages and headers, answered as soon as it is whole.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use nimaora_benches::BenchError;
use nimaora_event_log_server::Prompt;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{ClientStreamingService, Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::messages::{AppendPart, Appended, AppendedAt, AppendedWhere, Echoed};

/// The call's path.
pub(crate) const BARE: &str = "/bench.Bare/Echo";

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// Sends back what it is sent.
#[derive(Clone)]
struct Bare;

impl NamedService for Bare {
    const NAME: &'static str = "bench.Bare";
}

impl tower::Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await) })
    }
}

impl UnaryService<Echoed> for Bare {
    type Response = Echoed;
    type Future = Ready<Result<Response<Echoed>, Status>>;

    fn call(&mut self, request: Request<Echoed>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// Answers an append without doing anything.
#[derive(Clone)]
struct Hollow;

impl NamedService for Hollow {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl tower::Service<http::Request<Body>> for Hollow {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).client_streaming(Self, request).await) })
    }
}

impl ClientStreamingService<AppendPart> for Hollow {
    type Response = Appended;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Appended>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<AppendPart>>) -> Self::Future {
        Box::pin(async move {
            let mut parts = request.into_inner();
            while parts.message().await?.is_some() {}
            let position = Some(AppendedWhere { commit: 1, prepare: 1 });
            Ok(Response::new(Appended { success: Some(AppendedAt { revision: Some(1), position }) }))
        })
    }
}

pub(crate) async fn serve() -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_service(Bare).serve_with_incoming(incoming).await?)
}

pub(crate) async fn serve_hollow() -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    let incoming = TcpListenerStream::new(listener).map(|accepted| {
        let stream = accepted?;
        stream.set_nodelay(true)?;
        std::io::Result::Ok(Prompt(stream))
    });
    Ok(Server::builder().add_service(Hollow).serve_with_incoming(incoming).await?)
}

//! Sends a request on to the node that owns its battle, as it came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use nimaora_api::details;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::ownership::Peer;

/// The metadata key of a request that was sent on by another node. It is never sent on again.
pub(crate) const FORWARDED: &str = "nimaora-forwarded";
/// What is sent on of a request's metadata besides its deadline.
const KEPT: [&str; 2] = ["authorization", "traceparent"];
/// How long connecting to a node may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a connection is tried while a request waits on it, and how long the answer may take. A node that hangs is given up
/// after both.
const KEEP_ALIVE: Duration = Duration::from_millis(1_000);
/// To how many nodes connections are kept. When it is reached, all are let go and made anew as they are needed.
const CHANNELS_MAX: usize = 64;

/// One connection to each node, shared by all requests.
#[derive(Default)]
pub(crate) struct Forwarder {
    channels: Mutex<HashMap<Arc<str>, Channel, RandomState>>,
}

impl Forwarder {
    /// The answer of the node. Its status is told as it is.
    pub(crate) async fn send<M, A>(
        &self,
        peer: &Peer,
        path: &'static str,
        (metadata, message): (&MetadataMap, M),
        deadline: Instant,
    ) -> Result<Response<A>, Status>
    where
        M: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut request = Request::new(message);
        for key in KEPT {
            if let Some(value) = metadata.get(key) {
                request.metadata_mut().insert(key, value.clone());
            }
        }
        request.metadata_mut().insert(FORWARDED, tonic::metadata::MetadataValue::from_static("1"));
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let mut grpc = Grpc::new(self.channel(peer)?);
        let call = async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, A>::default()).await
        };
        match timeout_at(deadline, call).await {
            Ok(Ok(answer)) => Ok(Response::new(answer.into_inner())),
            // What stands in its metadata is about the connection between the nodes.
            Ok(Err(status)) => Err(Status::with_details(
                status.code(),
                status.message().to_owned(),
                tonic::codegen::Bytes::copy_from_slice(status.details()),
            )),
            Err(_) => Err(crate::status::status(&crate::CommandError::DeadlinePassed)),
        }
    }

    fn channel(&self, peer: &Peer) -> Result<Channel, Status> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(&peer.url) {
            return Ok(channel.clone());
        }
        if channels.len() >= CHANNELS_MAX {
            channels.clear();
        }
        let endpoint = Endpoint::from_shared(peer.url.to_string())
            .map_err(|error| Status::unavailable(format!("{} is no URL of a node: {error}", peer.url)))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .tcp_nodelay(true);
        let channel = endpoint.connect_lazy();
        channels.insert(Arc::clone(&peer.url), channel.clone());
        Ok(channel)
    }
}

/// Whether another try may be answered otherwise: the node was not reached, or is not the owner.
pub(crate) fn is_passing(status: &Status) -> bool {
    match details::reason(status).as_deref() {
        Some(reason) => matches!(reason, "NOT_OWNER" | "DRAINING" | "OWNER_UNAVAILABLE"),
        // A status of ours always has a reason, so this one is about the connection.
        None => matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal),
    }
}

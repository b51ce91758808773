//! The protocol's messages and services, generated from `proto/event_store`. The comments stand there.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::all, reason = "generated")]

pub(crate) mod client {
    tonic::include_proto!("event_store.client");

    pub(crate) mod streams {
        tonic::include_proto!("event_store.client.streams");
    }
    pub(crate) mod persistent_subscriptions {
        tonic::include_proto!("event_store.client.persistent_subscriptions");
    }
    pub(crate) mod server_features {
        tonic::include_proto!("event_store.client.server_features");
    }
    pub(crate) mod gossip {
        tonic::include_proto!("event_store.client.gossip");
    }
}

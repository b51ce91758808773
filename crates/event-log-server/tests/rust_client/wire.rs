//! The protocol itself, for what the official clients never send.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::all, reason = "generated")]

pub mod client {
    tonic::include_proto!("event_store.client");

    pub mod streams {
        tonic::include_proto!("event_store.client.streams");
    }
    pub mod server_features {
        tonic::include_proto!("event_store.client.server_features");
    }
}

//! The public gRPC API: generated messages, clients and servers, and the error details that every service answers with.
//!
//! | module | what it holds |
//! |---|---|
//! | [`v1`] | what `proto/nimaora/v1` says, generated |
//! | [`details`] | one way from an error to a gRPC status with `ErrorInfo`, `BadRequest` and `RetryInfo` |
//! | [`explained`] | the same for what the gRPC library answers by itself: messages too large or malformed |
//!
//! Nothing here knows a rule of the game or a store.

pub mod details;
pub mod explained;

/// The messages, clients and servers of `proto/nimaora/v1`. The comments stand in the proto files.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("nimaora.v1");
}

/// A point in time, in milliseconds since 1970, as messages have it.
pub fn timestamp(millis: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(millis.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    prost_types::Timestamp { seconds: millis.div_euclid(1_000), nanos }
}

/// The descriptors of every message and service, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

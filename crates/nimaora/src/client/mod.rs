//! What a client of the public interfaces needs: gRPC calls with a token, and a Pusher socket. The demo, `nimaora client`
//! and the load generator are such clients; none of them knows the inside of a server.
//!
//! | module | what it holds |
//! |---|---|
//! | [`grpc`] | [`Connection`]: commands and queries over one connection; tokens and command ids |
//! | [`http`] | [`http::get`] and [`http::post_form`]: one small request and its answer |
//! | [`metrics`] | what a server tells of itself |
//! | [`token`] | the admin token's file |
//! | [`pusher`] | [`PusherSocket`]: subscribe to channels and read events |

pub mod grpc;
pub mod http;
pub mod metrics;
pub mod pusher;
pub mod token;

pub use grpc::{Connection, bearer, command_id, with_token};
pub use http::HttpError;
pub use pusher::{Event, PusherSocket, Signature, SocketError};

/// The key of the application that sockets name, unless the server was configured otherwise.
pub const APP_KEY: &str = "nimaora";

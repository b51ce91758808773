//! The HTTP side: the path that sockets connect to, the signing of private channels, and the HTTP API.

mod api;
mod authorise;
mod connect;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub(crate) use self::api::Replays;
use crate::hub::Hub;

/// The largest body of a request for a signature, in bytes. A larger one is answered 413.
const AUTH_BODY_BYTES_MAX: usize = 8 * 1024;

/// All paths of the realtime service.
pub(crate) fn routes(hub: Arc<Hub>) -> Router {
    let authorise = || post(authorise::authorise).layer(DefaultBodyLimit::max(AUTH_BODY_BYTES_MAX));
    Router::new()
        .route("/app/websocket-health", get(connect::health))
        .route("/app/{key}", get(connect::connect))
        .route("/app", get(connect::lost))
        .route("/app/", get(connect::lost))
        .route("/app/{key}/{*rest}", get(connect::lost))
        .route("/broadcasting/auth", authorise())
        .route("/pusher/auth", authorise())
        .route(
            "/pusher/user-auth",
            post(authorise::sign_in).layer(DefaultBodyLimit::max(AUTH_BODY_BYTES_MAX)),
        )
        .merge(api::routes())
        .with_state(hub)
}

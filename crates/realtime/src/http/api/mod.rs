//! The Pusher HTTP API, for the application's own servers and their libraries: publishing, and asking who is where. Each request is
//! signed with the application's secret.

mod channels;
mod events;
mod signed;
mod users;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

pub(crate) use self::signed::Replays;
use crate::cluster::Untold;
use crate::error::Refusal;
use crate::hub::Hub;
use crate::metrics;

/// The largest body of a request, in bytes: a hundred channels, or ten events of the largest size. A larger one is answered 413.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The paths of the HTTP API.
pub(super) fn routes() -> Router<Arc<Hub>> {
    Router::new()
        .route("/apps/{app}/events", post(events::trigger))
        .route("/apps/{app}/batch_events", post(events::trigger_batch))
        .route("/apps/{app}/channels", get(channels::list))
        .route("/apps/{app}/channels/{channel}", get(channels::show))
        .route("/apps/{app}/channels/{channel}/users", get(channels::users))
        .route("/apps/{app}/connections", get(channels::connections))
        .route("/apps/{app}/users/{user}/terminate_connections", post(users::terminate))
        .route("/up", get(async || Json(json!({ "health": "OK" }))))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Why a request is not carried out. The body says it in plain words, as the libraries show it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{0}")]
    Unsigned(&'static str),
    #[error("no application has this id")]
    UnknownApp,
    #[error("{0}")]
    Wrong(String),
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("{0}")]
    TooLarge(&'static str),
    #[error("another node does not answer; sign it anew and try again")]
    Unavailable,
    #[error("the other nodes cannot be told now; sign it anew and try again")]
    Untold,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownApp => StatusCode::NOT_FOUND,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable | Self::Untold => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}

impl From<Untold> for ApiError {
    fn from(_: Untold) -> Self {
        Self::Untold
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unavailable => Self::Unavailable,
            other => Self::Wrong(other.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        metrics::api_refused(self.status().as_u16());
        (self.status(), self.to_string()).into_response()
    }
}

/// What a request is answered with.
type Answer = Result<Json<Value>, ApiError>;

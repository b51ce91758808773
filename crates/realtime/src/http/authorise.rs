//! Signs a participant's own private channel, and its battle's presence channel, for a socket, against the participant's token.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nimaora_sessions::{Claims, Role, TokenError};
use serde::{Deserialize, Serialize};

use super::AUTH_BODY_BYTES_MAX;
use crate::channel::Channel;
use crate::error::Refusal;
use crate::grant::{Grant, Membership};
use crate::hub::Hub;
use crate::metrics;
use crate::socket::id::SocketId;

/// What the client library sends.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    socket_id: String,
    channel_name: String,
    /// The position of the last alert that the client had; without it, it is told all recent ones.
    after: Option<u64>,
}

/// What the client library sends on to the socket.
#[derive(Debug, Serialize)]
struct Signature {
    auth: String,
    channel_data: String,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthoriseError {
    #[error("{}", unreadable(.0.status()))]
    Form(#[from] FormRejection),
    #[error("{}", unreadable(.0.status()))]
    Json(#[from] JsonRejection),
    #[error("socket_id is not that of a socket")]
    SocketId,
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// `POST /broadcasting/auth` and `POST /pusher/auth`.
pub(super) async fn authorise(
    State(hub): State<Arc<Hub>>,
    request: Request,
) -> Result<Response, AuthoriseError> {
    let claims = claims(&hub, request.headers())?;
    let wish = Wish::read(request).await?;
    let signature = sign(&hub, &claims, &wish).await.inspect_err(|refusal| metrics::refused(*refusal))?;
    Ok(Json(signature).into_response())
}

fn claims(hub: &Hub, headers: &HeaderMap) -> Result<Claims, TokenError> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    hub.verifier.verify_bearer(authorization, hub.clock.now_ms())
}

/// Only the channels that are the participant's own or its battle's, and only while the token's session is its newest.
async fn sign(hub: &Hub, claims: &Claims, wish: &Wish) -> Result<Signature, Refusal> {
    let Role::Participant { battle_id, participant_id, session_id } = claims.role else {
        return Err(Refusal::Foreign);
    };
    let is_own = match Channel::parse(&wish.channel_name)? {
        Channel::Participant(id) => id == participant_id,
        Channel::Named(ref name) => name.battle_id() == Some(battle_id),
        Channel::Battle(_) => false,
    };
    if !is_own {
        return Err(Refusal::Foreign);
    }
    let participant = hub.verify_session(battle_id, participant_id, session_id).await?;
    let channel_data = if wish.channel_name.starts_with("presence-") {
        Membership::write(participant_id, &participant.username, session_id)
    } else {
        Grant { battle_id, session_id, after: wish.after }.write()
    };
    let auth = hub.application.sign(&wish.socket_id, &wish.channel_name, Some(&channel_data));
    Ok(Signature { auth, channel_data })
}

impl Wish {
    async fn read(request: Request) -> Result<Self, AuthoriseError> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
        let wish = if is_json {
            Json::<Self>::from_request(request, &()).await?.0
        } else {
            Form::<Self>::from_request(request, &()).await?.0
        };
        if SocketId::is_valid(&wish.socket_id) { Ok(wish) } else { Err(AuthoriseError::SocketId) }
    }
}

fn unreadable(status: StatusCode) -> String {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return format!("the body is larger than {AUTH_BODY_BYTES_MAX} bytes");
    }
    "send socket_id and channel_name, as a form or as JSON".to_owned()
}

impl AuthoriseError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Form(rejection) => rejection.status(),
            Self::Json(rejection) => rejection.status(),
            Self::SocketId => StatusCode::BAD_REQUEST,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Refused(Refusal::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
            // Client libraries know one answer to a channel that is not to be had.
            Self::Refused(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for AuthoriseError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        (self.status(), Json(Body { error: self.to_string() })).into_response()
    }
}

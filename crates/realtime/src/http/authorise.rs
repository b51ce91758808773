//! Signs for a socket what a participant may listen to: its own private channel and its battle's presence channel, one or several at
//! once; and that it is the user that it is. Against the participant's token.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nimaora_domain::{BattleId, ParticipantId, SessionId};
use nimaora_sessions::{Claims, Role, TokenError};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::AUTH_BODY_BYTES_MAX;
use crate::channel::Channel;
use crate::error::Refusal;
use crate::grant::{Grant, Membership, User};
use crate::hub::Hub;
use crate::metrics;
use crate::socket::id::SocketId;
use crate::socket::wishes::SIGN_IN;

/// What the client library sends.
#[derive(Debug, Default, Deserialize)]
struct Wish {
    socket_id: String,
    #[serde(default)]
    channel_name: Names,
    /// The position of the last alert that the client had; without it, it is told all recent ones.
    #[serde(default)]
    after: Option<u64>,
}

/// The channels to sign: one, or several, which are answered each for itself.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Names {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
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
    #[error("the body is larger than {AUTH_BODY_BYTES_MAX} bytes")]
    TooLarge,
    #[error("send socket_id and channel_name, as a form or as JSON")]
    Unreadable,
    #[error("sign at most {0} channels at once")]
    TooMany(usize),
    #[error("socket_id is not that of a socket")]
    SocketId,
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// A participant as its token says.
#[derive(Clone, Copy)]
struct Participant {
    battle_id: BattleId,
    id: ParticipantId,
    session_id: SessionId,
}

/// `POST /broadcasting/auth` and `POST /pusher/auth`.
pub(super) async fn authorise(
    State(hub): State<Arc<Hub>>,
    request: Request,
) -> Result<Response, AuthoriseError> {
    let claims = claims(&hub, request.headers())?;
    let wish = Wish::read(request).await?;
    match &wish.channel_name {
        Names::None => Err(AuthoriseError::Unreadable),
        Names::One(name) => Ok(Json(sign(&hub, &claims, &wish, name).await?).into_response()),
        Names::Several(names) if names.len() > hub.config.channels_per_socket_max => {
            Err(AuthoriseError::TooMany(hub.config.channels_per_socket_max))
        }
        Names::Several(names) => {
            let mut answers = Map::new();
            for name in names {
                let answer = match sign(&hub, &claims, &wish, name).await {
                    Ok(signature) => json!({ "status": 200, "data": signature }),
                    Err(refusal) => {
                        let error = AuthoriseError::Refused(refusal);
                        json!({ "status": error.status().as_u16(), "data": { "error": error.to_string() } })
                    }
                };
                answers.insert(name.clone(), answer);
            }
            Ok(Json(Value::from(answers)).into_response())
        }
    }
}

/// `POST /pusher/user-auth`.
pub(super) async fn sign_in(
    State(hub): State<Arc<Hub>>,
    request: Request,
) -> Result<Json<Value>, AuthoriseError> {
    let claims = claims(&hub, request.headers())?;
    let wish = Wish::read(request).await?;
    let participant = Participant::of(&claims)?;
    let Participant { battle_id, id, session_id } = participant;
    let row =
        hub.verify_session(battle_id, id, session_id).await.inspect_err(|why| metrics::refused(*why))?;
    let user_data = User::write(id, &row.username, battle_id, session_id);
    let auth = hub.application.sign(&wish.socket_id, SIGN_IN, Some(&user_data));
    Ok(Json(json!({ "auth": auth, "user_data": user_data })))
}

fn claims(hub: &Hub, headers: &HeaderMap) -> Result<Claims, TokenError> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    hub.verifier.verify_bearer(authorization, hub.clock.now_ms())
}

async fn sign(hub: &Hub, claims: &Claims, wish: &Wish, channel: &str) -> Result<Signature, Refusal> {
    let signed = sign_own(hub, Participant::of(claims)?, wish, channel).await;
    signed.inspect_err(|refusal| metrics::refused(*refusal))
}

/// Only the channels that are the participant's own or its battle's, and only while the token's session is its newest.
async fn sign_own(
    hub: &Hub,
    participant: Participant,
    wish: &Wish,
    channel: &str,
) -> Result<Signature, Refusal> {
    let Participant { battle_id, id, session_id } = participant;
    let is_own = match Channel::parse(channel)? {
        Channel::Participant(own) => own == id,
        Channel::Named(ref name) => name.battle_id() == Some(battle_id),
        Channel::Battle(_) => false,
    };
    if !is_own {
        return Err(Refusal::Foreign);
    }
    let row = hub.verify_session(battle_id, id, session_id).await?;
    let channel_data = if channel.starts_with("presence-") {
        Membership::write(id, &row.username, session_id)
    } else {
        Grant { battle_id, session_id, after: wish.after }.write()
    };
    let auth = hub.application.sign(&wish.socket_id, channel, Some(&channel_data));
    Ok(Signature { auth, channel_data })
}

impl Participant {
    fn of(claims: &Claims) -> Result<Self, Refusal> {
        match claims.role {
            Role::Participant { battle_id, participant_id, session_id } => {
                Ok(Self { battle_id, id: participant_id, session_id })
            }
            Role::Admin => Err(Refusal::Foreign),
        }
    }
}

impl Wish {
    async fn read(request: Request) -> Result<Self, AuthoriseError> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|value| value.starts_with("application/json"));
        let body = Bytes::from_request(request, &()).await.map_err(|rejection| unreadable(&rejection))?;
        let wish = if is_json { serde_json::from_slice(&body).ok() } else { Self::read_form(&body) };
        let wish = wish.ok_or(AuthoriseError::Unreadable)?;
        if SocketId::is_valid(&wish.socket_id) { Ok(wish) } else { Err(AuthoriseError::SocketId) }
    }

    /// Several channels come as `channel_name[]` or with a number in the brackets.
    fn read_form(body: &[u8]) -> Option<Self> {
        let (mut wish, mut socket_id, mut several) = (Self::default(), None, Vec::new());
        for pair in std::str::from_utf8(body).ok()?.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match &*decode(name)? {
                "socket_id" => socket_id = Some(value),
                "channel_name" => wish.channel_name = Names::One(value),
                "after" => wish.after = Some(value.parse().ok()?),
                name if name.starts_with("channel_name[") => several.push(value),
                _ => {}
            }
        }
        if !several.is_empty() {
            wish.channel_name = Names::Several(several);
        }
        wish.socket_id = socket_id?;
        Some(wish)
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn unreadable(rejection: &BytesRejection) -> AuthoriseError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        AuthoriseError::TooLarge
    } else {
        AuthoriseError::Unreadable
    }
}

impl AuthoriseError {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable | Self::TooMany(_) | Self::SocketId => StatusCode::BAD_REQUEST,
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

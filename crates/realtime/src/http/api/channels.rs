//! Asking who is where, on all nodes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::signed::Signed;
use super::{Answer, ApiError};
use crate::cluster::{ChannelState, Query};
use crate::hub::Hub;

/// What is to be told of each channel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    user_count: bool,
    subscription_count: bool,
}

impl Wanted {
    /// Reads names with commas. What is not known is passed over, as the protocol may name more.
    pub(super) fn read(info: &str) -> Self {
        let has = |name| info.split(',').any(|one| one.trim() == name);
        Self { user_count: has("user_count"), subscription_count: has("subscription_count") }
    }
}

/// What is told of a channel.
pub(super) fn described(state: Option<&ChannelState>, wanted: Wanted) -> Value {
    let mut told = Map::new();
    if wanted.user_count {
        told.insert("user_count".to_owned(), state.and_then(|state| state.members).unwrap_or(0).into());
    }
    if wanted.subscription_count {
        told.insert("subscription_count".to_owned(), state.map_or(0, |state| state.sockets).into());
    }
    told.into()
}

/// `GET /apps/{app}/channels`: those that somebody listens to.
pub(super) async fn list(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let prefix = request.query.get("filter_by_prefix");
    let wanted = request.query.get("info").map_or_else(Wanted::default, |info| Wanted::read(info));
    if wanted.user_count && !prefix.is_some_and(|prefix| prefix.starts_with("presence-")) {
        return Err(ApiError::wrong("user_count is for presence channels only: filter_by_prefix=presence-"));
    }
    let query = Query { prefix: prefix.map(|prefix| prefix.as_str().into()), ..Query::default() };
    let states = states(&hub, query).await?;
    let occupied = states.iter().filter(|(_, state)| state.is_occupied());
    let channels: Map<_, _> =
        occupied.map(|(channel, state)| (channel.to_string(), described(Some(state), wanted))).collect();
    Ok(Json(json!({ "channels": channels })))
}

/// `GET /apps/{app}/channels/{channel}`.
pub(super) async fn show(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let channel = name(&request)?;
    let info = request.query.get("info").map_or("", String::as_str);
    let wanted = Wanted::read(info);
    if wanted.user_count && !channel.starts_with("presence-") {
        return Err(ApiError::wrong("user_count is for presence channels only"));
    }
    let query = Query { channel: Some(channel.into()), ..Query::default() };
    let states = states(&hub, query).await?;
    let state = states.get(channel);
    let mut told = described(state, wanted);
    told["occupied"] = state.is_some_and(ChannelState::is_occupied).into();
    if info.split(',').any(|one| one.trim() == "cache")
        && let Some(last) = hub.halls.last(&hub, channel)
    {
        told["cache"] = json!({ "data": serde_json::from_str::<Value>(&last.data).unwrap_or_default() });
    }
    Ok(Json(told))
}

/// `GET /apps/{app}/channels/{channel}/users`.
pub(super) async fn users(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let channel = name(&request)?;
    if !channel.starts_with("presence-") {
        return Err(ApiError::wrong("only presence channels have users"));
    }
    let query = Query { channel: Some(channel.into()), users: true, ..Query::default() };
    let states = states(&hub, query).await?;
    let users = states.get(channel).map(|state| state.users.as_slice()).unwrap_or_default();
    let users: Vec<_> = users.iter().map(|id| json!({ "id": &**id })).collect();
    Ok(Json(json!({ "users": users })))
}

/// `GET /apps/{app}/connections`: open sockets of all nodes.
pub(super) async fn connections(State(hub): State<Arc<Hub>>, _request: Signed) -> Answer {
    let query = Query { connections: true, ..Query::default() };
    let states = states(&hub, query).await?;
    let connections: usize = states.values().map(|state| state.sockets).sum();
    Ok(Json(json!({ "connections": connections })))
}

fn name(request: &Signed) -> Result<&str, ApiError> {
    request.path.first().map(String::as_str).ok_or_else(|| ApiError::wrong("no channel is named"))
}

async fn states(hub: &Arc<Hub>, query: Query) -> Result<crate::cluster::States, ApiError> {
    hub.channel_states(query).await.map_err(|()| ApiError::Unavailable)
}

//! Publishing: an event to some channels, or several events at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::channels::{Wanted, described};
use super::signed::Signed;
use super::{Answer, ApiError};
use crate::channel::Channel;
use crate::cluster::{Event, Query};
use crate::error::Refusal;
use crate::hub::Hub;
use crate::metrics;
use crate::socket::id::SocketId;

/// Channels of one event; the protocol's own bound, as those that follow.
const CHANNELS_MAX: usize = 100;
const BATCH_EVENTS_MAX: usize = 10;
const NAME_CHARS_MAX: usize = 200;
const DATA_BYTES_MAX: usize = 10 * 1024;

#[derive(Deserialize)]
struct Trigger {
    name: String,
    data: String,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    socket_id: Option<String>,
    #[serde(default)]
    info: Option<String>,
}

#[derive(Deserialize)]
struct Batch {
    batch: Vec<Trigger>,
}

/// `POST /apps/{app}/events`.
pub(super) async fn trigger(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let mut trigger: Trigger = read(&request)?;
    trigger.channels.extend(trigger.channel.take());
    let events = check(&trigger)?;
    // Asked first: who is answered 503 sends the event again, so it should not be out by then.
    let channels = match &trigger.info {
        Some(info) => {
            let asked = trigger.channels.iter().map(|channel| attributes(&hub, channel, info));
            Some(try_join_all(asked).await?)
        }
        None => None,
    };
    publish(&hub, events).await?;
    Ok(Json(match channels {
        Some(found) => json!({ "channels": trigger.channels.into_iter().zip(found).collect::<Map<_, _>>() }),
        None => json!({}),
    }))
}

/// `POST /apps/{app}/batch_events`. All of them are checked before the first one is published.
pub(super) async fn trigger_batch(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let mut batch: Batch = read(&request)?;
    if batch.batch.len() > BATCH_EVENTS_MAX {
        return Err(ApiError::wrong(format!("a batch has at most {BATCH_EVENTS_MAX} events")));
    }
    let mut events = Vec::new();
    for trigger in &mut batch.batch {
        trigger.channels.extend(trigger.channel.take());
        events.extend(check(trigger)?);
    }
    let asked = batch.batch.iter().map(async |trigger| match (&trigger.info, trigger.channels.first()) {
        (Some(info), Some(channel)) => attributes(&hub, channel, info).await,
        _ => Ok(json!({})),
    });
    let answers = try_join_all(asked).await?;
    publish(&hub, events).await?;
    let is_asked = batch.batch.iter().any(|trigger| trigger.info.is_some());
    Ok(Json(if is_asked { json!({ "batch": answers }) } else { json!({}) }))
}

/// Publishes all of them; here none, when it is not known that the other nodes can hear them.
async fn publish(hub: &Hub, events: Vec<Event>) -> Result<(), ApiError> {
    let count = events.len();
    hub.publish_everywhere(events).await?;
    metrics::api_events(count);
    Ok(())
}

fn read<'a, T: Deserialize<'a>>(request: &'a Signed) -> Result<T, ApiError> {
    serde_json::from_slice(&request.body).map_err(|error| ApiError::wrong(format!("the body: {error}")))
}

/// The event for each of its channels.
fn check(trigger: &Trigger) -> Result<Vec<Event>, ApiError> {
    if trigger.name.is_empty() || trigger.name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::wrong(format!("an event's name has 1 to {NAME_CHARS_MAX} characters")));
    }
    if trigger.data.len() > DATA_BYTES_MAX {
        return Err(ApiError::TooLarge("an event's data has at most 10240 bytes"));
    }
    if trigger.channels.is_empty() || trigger.channels.len() > CHANNELS_MAX {
        return Err(ApiError::wrong(format!("name 1 to {CHANNELS_MAX} channels")));
    }
    if trigger.socket_id.as_deref().is_some_and(|id| !SocketId::is_valid(id)) {
        return Err(ApiError::wrong("socket_id is not that of a socket"));
    }
    let data: Arc<str> = Value::from(trigger.data.as_str()).to_string().into();
    let name: Arc<str> = trigger.name.as_str().into();
    let to_channel = |channel: &String| match Channel::parse(channel) {
        Ok(Channel::Named(channel)) if channel.battle_id().is_none() => Ok(Event {
            channel: Arc::clone(channel.text()),
            name: Arc::clone(&name),
            data: Arc::clone(&data),
            user_id: None,
            except: trigger.socket_id.as_deref().map(Arc::from),
        }),
        Ok(_) => Err(ApiError::Forbidden("channels of battles and participants tell of changes only")),
        Err(_) => Err(ApiError::wrong(format!("'{channel}' is no channel's name"))),
    };
    trigger.channels.iter().map(to_channel).collect()
}

async fn attributes(hub: &Arc<Hub>, channel: &str, info: &str) -> Result<Value, ApiError> {
    let wanted = Wanted::read(info);
    let query = Query { channel: Some(channel.into()), ..Query::default() };
    let states = hub.channel_states(query).await.map_err(|()| ApiError::from(Refusal::Unavailable))?;
    Ok(described(states.get(channel), wanted))
}

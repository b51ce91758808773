//! Following the log: a task takes what the server sends, and the subscriber takes it from there.
//!
//! The client's own subscription loses its place when a wait for the next event is given up; the task never gives up.

use std::sync::Arc;

use async_trait::async_trait;
use kurrentdb::{StreamPosition, SubscribeToAllOptions, SubscriptionEvent};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::config::{CHECKPOINT_EVENTS, WAITING_EVENTS_MAX};
use super::event;
use super::fault::Fault;
use super::link::Link;
use super::position;
use super::reading::{self, is_wanted, server_filter};
use crate::error::ReadError;
use crate::log::{SUBSCRIPTION_BATCH_EVENTS_MAX, Subscription, SubscriptionMessage};
use crate::types::{Direction, Filter, Position, RecordedEvent};

/// What the task found.
enum Found {
    Event(RecordedEvent),
    Message(SubscriptionMessage),
    Failed(ReadError),
}

/// A running subscription.
pub(super) struct KurrentDbSubscription {
    found: mpsc::Receiver<Found>,
    /// What came behind the events of the last message.
    held: Option<Found>,
    task: AbortHandle,
}

impl KurrentDbSubscription {
    /// Follows the log from behind `after`. Answers when the server has confirmed it.
    pub(super) async fn begin(link: &Arc<Link>, after: Position, filter: Filter) -> Result<Self, ReadError> {
        let deadline = link.read_deadline();
        let head = reading::head(link, deadline).await?;
        let begin = begin(link, after).await?;
        let options = SubscribeToAllOptions::default()
            .position(begin)
            .filter(server_filter(&filter))
            .requires_leader(true);
        let options = &options;
        let (subscription, number) = link
            .ask("the whole log", deadline, |client, number| async move {
                let mut subscription = client.subscribe_to_all(options).await;
                match subscription.next_subscription_event().await {
                    Ok(SubscriptionEvent::Confirmed(_)) => Ok((subscription, number)),
                    Ok(other) => Err(Fault::Refused(format!("the server began with {other:?}"))),
                    Err(error) => Err(Fault::from(error)),
                }
            })
            .await?;
        let (to, found) = mpsc::channel(WAITING_EVENTS_MAX);
        let follower =
            Follower { link: Arc::clone(link), filter, head, reached: after, foreign: 0, live: false, to };
        let task = tokio::spawn(follower.run(subscription, number));
        Ok(Self { found, held: None, task: task.abort_handle() })
    }
}

/// Where a subscription begins. The server begins behind an event and must be told of one that is there.
async fn begin(link: &Link, after: Position) -> Result<StreamPosition<kurrentdb::Position>, ReadError> {
    if after == 0 {
        return Ok(StreamPosition::Start);
    }
    if position::is_of_event(after) {
        return Ok(StreamPosition::Position(position::place_at_or_before(after)));
    }
    let before = reading::all(link, after, Direction::Backwards, 1, &Filter::default()).await?;
    Ok(match before.events.first() {
        Some(event) => StreamPosition::Position(position::place_at_or_before(event.position)),
        None => StreamPosition::Start,
    })
}

impl Drop for KurrentDbSubscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Subscription for KurrentDbSubscription {
    async fn next(&mut self) -> Result<SubscriptionMessage, ReadError> {
        let first = match self.held.take() {
            Some(held) => Some(held),
            None => self.found.recv().await,
        };
        let mut events = match first {
            Some(Found::Event(event)) => vec![event],
            Some(Found::Message(message)) => return Ok(message),
            Some(Found::Failed(error)) => return Err(error),
            None => return Err(ReadError::Unavailable { reason: "the subscription is over".into() }),
        };
        while events.len() < SUBSCRIPTION_BATCH_EVENTS_MAX {
            match self.found.try_recv() {
                Ok(Found::Event(event)) => events.push(event),
                Ok(other) => {
                    self.held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        Ok(SubscriptionMessage::Events(events))
    }
}

struct Follower {
    link: Arc<Link>,
    filter: Filter,
    /// The last position when the subscription began.
    head: Position,
    /// Everything up to here was looked at.
    reached: Position,
    /// Events since the last news that the server let through and the filter did not.
    foreign: u32,
    live: bool,
    to: mpsc::Sender<Found>,
}

impl Follower {
    async fn run(mut self, mut subscription: kurrentdb::Subscription, client_number: u64) {
        loop {
            let found = match subscription.next_subscription_event().await {
                Ok(news) => self.understand(news),
                Err(error) => {
                    let fault = Fault::from(error);
                    self.link.mend(client_number, &fault);
                    Err(fault)
                }
            };
            let (found, over) = match found {
                Ok(None) => continue,
                Ok(Some(found)) => (found, false),
                Err(fault) => (Found::Failed(failed(&fault)), true),
            };
            // Nobody listens when it cannot be sent.
            if self.to.send(found).await.is_err() || over {
                return;
            }
        }
    }

    fn understand(&mut self, news: SubscriptionEvent) -> Result<Option<Found>, Fault> {
        Ok(match news {
            SubscriptionEvent::EventAppeared(event) => {
                let Some(event) = event::recorded(event)? else { return Ok(None) };
                self.link.saw(event.position);
                // A subscription that began before its first event passes over what was not asked for.
                if event.position <= self.reached {
                    return Ok(None);
                }
                self.reached = event.position;
                if is_wanted(&self.filter, &event) {
                    self.foreign = 0;
                    return Ok(Some(Found::Event(event)));
                }
                self.foreign += 1;
                (self.foreign >= CHECKPOINT_EVENTS).then(|| self.checkpoint())
            }
            SubscriptionEvent::Checkpoint(place) => {
                self.reached = self.reached.max(position::of(place));
                Some(self.checkpoint())
            }
            SubscriptionEvent::CaughtUp(place) => {
                let told = place.and_then(|caught_up| caught_up.position).map_or(self.head, position::of);
                self.reached = self.reached.max(told);
                if std::mem::replace(&mut self.live, true) {
                    return Ok(Some(self.checkpoint()));
                }
                Some(Found::Message(SubscriptionMessage::CaughtUp(self.reached)))
            }
            SubscriptionEvent::Confirmed(_)
            | SubscriptionEvent::FellBehind(_)
            | SubscriptionEvent::FirstStreamPosition(_)
            | SubscriptionEvent::LastStreamPosition(_)
            | SubscriptionEvent::LastAllPosition(_) => None,
        })
    }

    fn checkpoint(&mut self) -> Found {
        self.foreign = 0;
        Found::Message(SubscriptionMessage::Checkpoint(self.reached))
    }
}

fn failed(fault: &Fault) -> ReadError {
    let again = || ReadError::Unavailable { reason: fault.reason().to_owned() };
    fault.final_for_reads("the whole log").unwrap_or_else(again)
}

//! What is promised of subscriptions.

use std::sync::Arc;

use uuid::Uuid;

use super::{Kept, Streams, Violation, ensure, equal, events, ids, in_order, new_ids, within};
use crate::log::{SUBSCRIPTION_BATCH_EVENTS_MAX, SharedLog, Subscription, SubscriptionMessage};
use crate::types::{Direction, Expected, Filter, NewEvent, Position, RecordedEvent};

/// A subscription and what it delivered.
struct Follower {
    subscription: Box<dyn Subscription>,
    seen: Vec<RecordedEvent>,
    /// The furthest place that it said it looked at.
    reached: Position,
    caught_up: usize,
}

impl Follower {
    async fn new(streams: &Streams, after: Position) -> Result<Self, Violation> {
        let subscription = streams.log.subscribe(after, streams.filter()).await?;
        Ok(Self { subscription, seen: Vec::new(), reached: after, caught_up: 0 })
    }

    async fn next(&mut self) -> Kept {
        let message = within(self.subscription.next()).await??;
        self.take(message)
    }

    fn take(&mut self, message: SubscriptionMessage) -> Kept {
        let reached = match &message {
            SubscriptionMessage::Events(events) => {
                let count = events.len();
                ensure((1..=SUBSCRIPTION_BATCH_EVENTS_MAX).contains(&count), || {
                    format!("{count} events in a message")
                })?;
                events.last().map_or(0, |event| event.position)
            }
            SubscriptionMessage::Checkpoint(position) | SubscriptionMessage::CaughtUp(position) => *position,
        };
        ensure(reached >= self.reached, || format!("went back from {} to {reached}", self.reached))?;
        self.reached = reached;
        match message {
            SubscriptionMessage::Events(events) => self.seen.extend(events),
            SubscriptionMessage::Checkpoint(_) => {}
            SubscriptionMessage::CaughtUp(_) => self.caught_up += 1,
        }
        Ok(())
    }

    async fn until_seen(&mut self, count: usize) -> Kept {
        while self.seen.len() < count {
            self.next().await?;
        }
        Ok(())
    }

    async fn until_caught_up(&mut self) -> Kept {
        let before = self.caught_up;
        while self.caught_up == before {
            self.next().await?;
        }
        Ok(())
    }

    fn saw(&self, promised: &[Uuid]) -> Kept {
        equal("what the subscription delivered", &ids(&self.seen), &promised.to_vec())
    }
}

/// First what is there, then what comes.
pub async fn a_subscription_delivers_what_is_there_and_then_what_comes(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let mut written = events(10);
    streams.append("s", Expected::Any, &written).await?;
    let mut follower = Follower::new(&streams, 0).await?;
    follower.until_caught_up().await?;
    follower.saw(&new_ids(&written))?;
    for _ in 0..5 {
        let more = events(3);
        streams.append("s", Expected::Any, &more).await?;
        written.extend(more);
        follower.until_seen(written.len()).await?;
    }
    follower.saw(&new_ids(&written))?;
    in_order(&follower.seen)
}

/// From the beginning, the middle of a batch, and the end.
pub async fn a_subscription_begins_after_its_position(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let written = events(30);
    for batch in written.chunks(10) {
        streams.append("s", Expected::Any, batch).await?;
    }
    let read = streams.all(Direction::Forwards, 100).await?;
    for seen in [0, 1, 9, 10, 15, 29, 30] {
        let after = if seen == 0 { 0 } else { read[seen - 1].position };
        let mut follower = Follower::new(&streams, after).await?;
        follower.until_caught_up().await?;
        follower.saw(&new_ids(&written[seen..]))?;
    }
    Ok(())
}

/// No gap and no repeat, wherever the subscription begins while others append.
pub async fn a_subscription_turns_live_without_gap_or_repeat(log: SharedLog) -> Kept {
    const WRITERS: usize = 4;
    const APPENDS: usize = 60;
    let streams = Arc::new(Streams::new(log));
    let mut writers = tokio::task::JoinSet::new();
    for task in 0..WRITERS {
        let streams = Arc::clone(&streams);
        writers.spawn(async move {
            for _ in 0..APPENDS {
                streams.append(&format!("{task}"), Expected::Any, &events(2)).await?;
            }
            Ok::<_, Violation>(())
        });
    }
    let mut followers = Vec::new();
    for _ in 0..6 {
        let mut follower = Follower::new(&streams, 0).await?;
        follower.until_seen(followers.len() * 20 + 1).await?;
        followers.push(follower);
    }
    for written in within(writers.join_all()).await? {
        written?;
    }
    let all = ids(&streams.all(Direction::Forwards, 1_000).await?);
    for mut follower in followers {
        follower.until_seen(WRITERS * APPENDS * 2).await?;
        follower.saw(&all)?;
    }
    Ok(())
}

/// A slow subscriber is not dropped.
pub async fn a_slow_subscriber_misses_nothing(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let mut written = events(1);
    streams.append("s", Expected::Any, &written).await?;
    let mut follower = Follower::new(&streams, 0).await?;
    follower.until_caught_up().await?;
    let padding = bytes::Bytes::from(vec![b'1'; 1_000]);
    for _ in 0..20 {
        let batch: Vec<_> =
            events(500).into_iter().map(|event| NewEvent { data: padding.clone(), ..event }).collect();
        streams.append("s", Expected::Any, &batch).await?;
        written.extend(batch);
    }
    follower.until_seen(written.len()).await?;
    follower.saw(&new_ids(&written))
}

/// Subscriptions do not take from each other.
pub async fn many_subscribers_get_the_same(log: SharedLog) -> Kept {
    let streams = Arc::new(Streams::new(log));
    let mut followers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut follower = Follower::new(&streams, 0).await?;
        followers.spawn(async move {
            follower.until_seen(100).await?;
            Ok::<_, Violation>(ids(&follower.seen))
        });
    }
    let written = events(100);
    for batch in written.chunks(5) {
        streams.append("s", Expected::Any, batch).await?;
    }
    for seen in within(followers.join_all()).await? {
        equal("what a subscriber saw", &seen?, &new_ids(&written))?;
    }
    Ok(())
}

/// A filtered subscription tells how far it looked, before and after turning live.
pub async fn a_filtered_subscription_says_how_far_it_looked(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let foreign = |count: usize| async move { events(count) };
    let mut last = 0;
    for _ in 0..10 {
        last = streams.append("foreign", Expected::Any, &foreign(1_000).await).await?.last_position;
    }
    let filter = Filter::stream_prefix(&streams.name("mine"));
    let subscription = streams.log.subscribe(0, filter).await?;
    let mut follower = Follower { subscription, seen: Vec::new(), reached: 0, caught_up: 0 };
    follower.until_caught_up().await?;
    ensure(follower.reached >= last, || format!("caught up at {}, before {last}", follower.reached))?;
    let live_from = follower.reached;
    for _ in 0..20 {
        streams.append("foreign", Expected::Any, &foreign(1_000).await).await?;
    }
    while follower.reached <= live_from {
        follower.next().await?;
    }
    let mine = events(1);
    streams.append("mine", Expected::Any, &mine).await?;
    follower.until_seen(1).await?;
    follower.saw(&new_ids(&mine))
}

/// A wait for the next message may be given up and begun again.
pub async fn a_wait_that_is_cancelled_loses_nothing(log: SharedLog) -> Kept {
    let streams = Arc::new(Streams::new(log));
    let mut follower = Follower::new(&streams, 0).await?;
    let writer = tokio::spawn({
        let streams = Arc::clone(&streams);
        async move {
            for _ in 0..100 {
                streams.append("s", Expected::Any, &events(3)).await?;
            }
            Ok::<_, Violation>(())
        }
    });
    let begun = tokio::time::Instant::now();
    while follower.seen.len() < 300 {
        ensure(begun.elapsed() < super::DEADLINE, || format!("saw {} of 300 events", follower.seen.len()))?;
        let given_up =
            tokio::time::timeout(std::time::Duration::from_micros(50), follower.subscription.next());
        if let Ok(message) = given_up.await {
            follower.take(message?)?;
        }
    }
    let finished = within(writer).await?;
    finished.map_err(|error| Violation::Broken(error.to_string()))??;
    follower.saw(&ids(&streams.all(Direction::Forwards, 1_000).await?))
}

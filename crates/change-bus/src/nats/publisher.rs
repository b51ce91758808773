//! The side that publishes: numbers each batch within its battle and lane, and tells in a beat each second which numbers
//! were the last.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use async_nats::client::RequestErrorKind;
use async_nats::connection::State as Connection;
use async_nats::{Client, Message, Subscriber};
use futures::StreamExt;
use nimaora_domain::BattleId;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::wire::{self, Answer, BEATS, Beat, NOBODY, Numbered, Numbers, QUESTIONS, Question};
use crate::bus::BusError;
use crate::change::ChangeBatch;
use crate::lane::Lane;
use crate::metrics;

/// How often a publisher tells that it lives.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Battles whose numbers are kept. With more, the publisher begins anew under another id, and all followers are told once.
const BATTLES_MAX: usize = 100_000;
/// What a battle takes in a beat at most, in bytes.
const BATTLE_BYTES_MAX: usize = 160;

/// Publishes for one process.
pub(super) struct Publisher {
    client: Client,
    timeout: Duration,
    /// Locked while batches are handed to the client, so that numbers leave in their order.
    state: Mutex<State>,
}

struct State {
    id: Uuid,
    beat: u64,
    numbers: AHashMap<BattleId, Numbers>,
    /// Battles that have changed since the last beat.
    changed: AHashSet<BattleId>,
}

impl State {
    fn new() -> Self {
        Self { id: Uuid::new_v4(), beat: 0, numbers: AHashMap::new(), changed: AHashSet::new() }
    }

    fn number(&self, battle_id: BattleId, lane: Lane) -> u64 {
        self.numbers.get(&battle_id).map_or(0, |numbers| numbers[index(lane)])
    }

    /// Begins anew when there is no room for another battle.
    fn make_room(&mut self, battle_id: BattleId) {
        if self.numbers.len() >= BATTLES_MAX && !self.numbers.contains_key(&battle_id) {
            *self = Self::new();
        }
    }

    fn sent(&mut self, battle_id: BattleId, lane: Lane, number: u64) {
        self.numbers.entry(battle_id).or_default()[index(lane)] = number;
        self.changed.insert(battle_id);
    }
}

pub(super) fn index(lane: Lane) -> usize {
    Lane::ALL.iter().position(|one| *one == lane).unwrap_or_default()
}

impl Publisher {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, state: Mutex::new(State::new()) }
    }

    /// Its answer to a question, also before it has published anything.
    pub(super) async fn answer(&self, battle_id: BattleId, lane: Lane) -> Answer {
        let state = self.state.lock().await;
        Answer { publisher: state.id, beat: state.beat, number: state.number(battle_id, lane) }
    }

    /// Publishes, and answers once the server has taken everything.
    pub(super) async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        connected(&self.client)?;
        let connection = connects(&self.client);
        let publishing = async {
            self.send(batches).await?;
            taken(&self.client, connection).await
        };
        let began = Instant::now();
        let published = match timeout(self.timeout, publishing).await {
            Ok(done) => done,
            Err(_) => Err(unavailable(format!("the server has not taken it within {:?}", self.timeout))),
        };
        metrics::published(published.is_ok(), began.elapsed());
        published
    }

    async fn send(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        for batch in batches {
            self.send_one(&mut state, batch).await?;
        }
        Ok(())
    }

    /// Sends a batch, in halves when it is too large for a message.
    async fn send_one(&self, state: &mut State, batch: ChangeBatch) -> Result<(), BusError> {
        let mut rest = vec![batch];
        while let Some(mut batch) = rest.pop() {
            let (battle_id, lane) = (batch.battle_id, batch.lane);
            state.make_room(battle_id);
            let number = state.number(battle_id, lane) + 1;
            let numbered = Numbered { publisher: state.id, number, batch: &batch };
            let bytes = wire::encode(&numbered).map_err(unavailable)?;
            if bytes.len() <= self.client.max_payload() {
                self.client.publish(wire::subject(battle_id, lane), bytes).await.map_err(unavailable)?;
            } else if batch.changes.len() > 1 {
                let second = batch.changes.split_off(batch.changes.len() / 2);
                rest.push(ChangeBatch { changes: second, ..batch.clone() });
                rest.push(batch);
                continue;
            } else {
                // Its number is left out, so the followers learn that they must read it.
                tracing::warn!(battle = %battle_id, bytes = bytes.len(), "a change is larger than NATS allows");
            }
            state.sent(battle_id, lane, number);
        }
        Ok(())
    }

    /// Answers questions and tells that it lives, for as long as the bus is there.
    pub(super) async fn run(self: Arc<Self>, mut questions: Subscriber) {
        let mut ticks = interval(BEAT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                question = questions.next() => match question {
                    Some(question) => self.reply(question).await,
                    None => return,
                },
                _ = ticks.tick() => self.beat().await,
            }
        }
    }

    /// Listens to questions.
    pub(super) async fn questions(&self) -> Result<Subscriber, BusError> {
        let subscribing = self.client.subscribe(QUESTIONS);
        match timeout(self.timeout, subscribing).await {
            Ok(subscribed) => subscribed.map_err(unavailable),
            Err(_) => Err(unavailable("no subscription in time")),
        }
    }

    async fn reply(&self, question: Message) {
        let Some(to) = question.reply else { return };
        let Ok(Question { battle_id, lane }) = wire::decode(&question.payload) else { return };
        let answer = self.answer(battle_id, lane).await;
        let Ok(bytes) = wire::encode(&answer) else { return };
        // Who gets no answer takes what it hears first for a loss, unless it is the first of all.
        let _ = timeout(self.timeout, self.client.publish(to, bytes)).await;
    }

    async fn beat(&self) {
        if connected(&self.client).is_err() {
            return;
        }
        let mut state = self.state.lock().await;
        let State { numbers, changed, .. } = &mut *state;
        let last: Vec<_> =
            changed.drain().filter_map(|id| numbers.get(&id).map(|numbers| (id, *numbers))).collect();
        let at_once = (self.client.max_payload() / BATTLE_BYTES_MAX).saturating_sub(1).max(1);
        let mut chunks: Vec<_> = last.chunks(at_once).map(<[_]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        for last in chunks {
            state.beat += 1;
            let beat = Beat { publisher: state.id, number: state.beat, last };
            let Ok(bytes) = wire::encode(&beat) else { continue };
            // A beat that is not sent leaves its number out, and so shows as a loss.
            let _ = timeout(self.timeout, self.client.publish(BEATS, bytes)).await;
        }
    }
}

/// Whether there is a connection, as far as one can know without asking.
pub(super) fn connected(client: &Client) -> Result<(), BusError> {
    match client.connection_state() {
        Connection::Connected => Ok(()),
        Connection::Pending | Connection::Disconnected => Err(unavailable("there is no connection to NATS")),
    }
}

/// How often there was a connection so far: as long as it stays the same, it is the same one.
pub(super) fn connects(client: &Client) -> u64 {
    client.statistics().connects.load(std::sync::atomic::Ordering::Acquire)
}

/// Waits until the server has taken all that was sent before. The caller has a deadline.
pub(super) async fn ask_server(client: &Client) -> Result<(), BusError> {
    match client.request(NOBODY, bytes::Bytes::new()).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
        Err(error) => Err(unavailable(error)),
    }
}

/// Waits until the server has taken all that was sent over this connection. The caller has a deadline.
pub(super) async fn taken(client: &Client, connection: u64) -> Result<(), BusError> {
    ask_server(client).await?;
    // What was written to the connection before may have gone down with it.
    match connects(client) == connection {
        true => Ok(()),
        false => Err(unavailable("the connection was lost meanwhile")),
    }
}

pub(super) fn unavailable(reason: impl ToString) -> BusError {
    BusError::Unavailable { reason: reason.to_string() }
}

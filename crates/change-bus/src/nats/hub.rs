//! The side that follows: the lanes that somebody here follows, and the publishers that were heard.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use async_nats::client::RequestErrorKind;
use async_nats::{Client, Subscriber};
use futures::StreamExt;
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use super::channel::{Channel, Ready, Tail};
use super::inbox::Inbox;
use super::publisher::{BEAT_EVERY, Publisher, ask_server};
use super::wire::{self, Answer, Beat, QUESTIONS, Question};
use crate::lane::Lane;
use crate::metrics::{self, Loss};

/// How long a publisher, and the server after it, may take to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// A beat is compared with what has arrived after half this time to all of it: batches come another way, and some may be late.
const GRACE: Duration = Duration::from_millis(500);
/// A publisher that is not heard for so long is silent.
const SILENCE: Duration = Duration::from_millis(3_500);
/// A publisher that is silent for so long is forgotten; should it be heard again, it is a new one.
const FORGET: Duration = Duration::from_secs(120);

/// What is followed here.
pub(super) struct Hub {
    client: Client,
    publisher: Arc<Publisher>,
    channels: Mutex<AHashMap<(BattleId, Lane), Arc<Channel>>>,
    heard: Mutex<AHashMap<Uuid, Heard>>,
}

/// A publisher that was heard.
struct Heard {
    beat: u64,
    /// None for one that has not begun to beat: this process itself, before it publishes. It cannot be silent.
    at: Option<Instant>,
    is_silent: bool,
}

impl Hub {
    pub(super) fn new(client: Client, publisher: Arc<Publisher>) -> Self {
        Self { client, publisher, channels: Mutex::default(), heard: Mutex::default() }
    }

    /// Joins the followers of a lane; the first one subscribes.
    pub(super) fn join(
        self: &Arc<Self>,
        battle_id: BattleId,
        lane: Lane,
        inbox: &Arc<Inbox>,
    ) -> Arc<Channel> {
        let mut channels = self.channels.lock();
        let channel = channels.entry((battle_id, lane)).or_insert_with(|| {
            let channel = Arc::<Channel>::default();
            let reading = Arc::clone(self).read(battle_id, lane, Arc::clone(&channel));
            let reader = tokio::spawn(reading).abort_handle();
            channel.reader.get_or_init(|| reader);
            channel
        });
        channel.join(Arc::clone(inbox));
        Arc::clone(channel)
    }

    /// Leaves the followers of a lane; the last one ends the subscription.
    pub(super) fn leave(&self, battle_id: BattleId, lane: Lane, inbox: &Arc<Inbox>) {
        let mut channels = self.channels.lock();
        let is_last = channels.get(&(battle_id, lane)).is_some_and(|channel| channel.leave(inbox));
        if is_last
            && let Some(channel) = channels.remove(&(battle_id, lane))
            && let Some(reader) = channel.reader.get()
        {
            reader.abort();
        }
    }

    /// Reads a lane until its last follower leaves or the subscription fails.
    async fn read(self: Arc<Self>, battle_id: BattleId, lane: Lane, channel: Arc<Channel>) {
        let begun = self.begin(battle_id, lane, &channel).await;
        metrics::subscribed(begun.is_ok());
        let reason = match begun {
            Ok(mut batches) => {
                while let Some(message) = batches.next().await {
                    match wire::decode(&message.payload) {
                        Ok(received) => channel.receive(received),
                        Err(error) => {
                            tracing::warn!(battle = %battle_id, %error, "a message of the change bus cannot be read");
                            channel.miss(Loss::Gap, 1);
                        }
                    }
                }
                "the connection to NATS was closed"
            }
            Err(reason) => reason,
        };
        let mut channels = self.channels.lock();
        if channels.get(&(battle_id, lane)).is_some_and(|one| Arc::ptr_eq(one, &channel)) {
            channels.remove(&(battle_id, lane));
        }
        channel.fail(reason);
    }

    /// Subscribes, and learns from which number on. The question travels behind the subscription, through every server: once
    /// it is answered, what comes after the answer finds its way here.
    async fn begin(
        self: &Arc<Self>,
        battle_id: BattleId,
        lane: Lane,
        channel: &Channel,
    ) -> Result<Subscriber, &'static str> {
        const LATE: &str = "NATS did not take the subscription in time";
        let subscribing = self.client.subscribe(wire::subject(battle_id, lane));
        let batches = match timeout(ANSWER_TIMEOUT, subscribing).await {
            Ok(Ok(batches)) => batches,
            Ok(Err(_)) | Err(_) => return Err(LATE),
        };
        let answer = match self.ask(battle_id, lane).await? {
            Some(answer) => {
                self.meet(&answer, Some(Instant::now()));
                answer
            }
            // No other can be known. Whoever begins later begins with number one.
            None => {
                let answer = self.publisher.answer(battle_id, lane).await;
                self.meet(&answer, None);
                answer
            }
        };
        channel.begin(Tail { publisher: answer.publisher, number: answer.number });
        Ok(batches)
    }

    /// Asks the publishers; `None` when none answers although the server does.
    async fn ask(&self, battle_id: BattleId, lane: Lane) -> Result<Option<Answer>, &'static str> {
        const NO_SERVER: &str = "NATS does not answer";
        let question =
            wire::encode(&Question { battle_id, lane }).map_err(|_| "a question cannot be written")?;
        match timeout(ANSWER_TIMEOUT, self.client.request(QUESTIONS, question)).await {
            Ok(Ok(answer)) => return Ok(wire::decode(&answer.payload).ok()),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => return Ok(None),
            Ok(Err(_)) | Err(_) => {}
        }
        match timeout(ANSWER_TIMEOUT, ask_server(&self.client)).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(_)) | Err(_) => Err(NO_SERVER),
        }
    }

    /// A publisher answered. If it is new here, earlier followers may have lost what it has published so far.
    fn meet(&self, answer: &Answer, at: Option<Instant>) {
        let heard = Heard { beat: answer.beat, at, is_silent: false };
        let is_new = {
            let mut publishers = self.heard.lock();
            let is_new = !publishers.contains_key(&answer.publisher);
            publishers.entry(answer.publisher).or_insert(heard);
            is_new
        };
        if is_new {
            self.miss(Loss::Publisher);
        }
    }

    /// Compares beats with what has arrived, and tells of silence and of lost connections. Runs for as long as the bus is there.
    pub(super) async fn watch(self: Arc<Self>, mut beats: Subscriber, mut troubles: watch::Receiver<u64>) {
        let mut ticks = interval(GRACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut fresh, mut due) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                beat = beats.next() => match beat {
                    Some(beat) => fresh.extend(self.hear(&beat.payload)),
                    None => return,
                },
                changed = troubles.changed() => match changed {
                    Ok(()) => self.miss(Loss::Connection),
                    Err(_) => return,
                },
                _ = ticks.tick() => {
                    for beat in std::mem::replace(&mut due, std::mem::take(&mut fresh)) {
                        self.check(&beat);
                    }
                    self.listen_for_silence();
                }
            }
        }
    }

    fn hear(&self, payload: &[u8]) -> Option<Beat> {
        let beat: Beat = match wire::decode(payload) {
            Ok(beat) => beat,
            Err(error) => {
                tracing::warn!(%error, "a beat of the change bus cannot be read");
                self.miss(Loss::Gap);
                return None;
            }
        };
        let before = {
            let heard = Heard { beat: beat.number, at: Some(Instant::now()), is_silent: false };
            self.heard.lock().insert(beat.publisher, heard)
        };
        if let Some(at) = before.as_ref().and_then(|before| before.at) {
            metrics::beat_heard(at.elapsed());
        }
        match before {
            Some(before) if beat.number <= before.beat + 1 => {}
            Some(_) => self.miss(Loss::Gap),
            None => self.miss(Loss::Publisher),
        }
        Some(beat)
    }

    fn check(&self, beat: &Beat) {
        let channels = self.channels.lock();
        for (battle_id, numbers) in &beat.last {
            for (lane, number) in Lane::ALL.into_iter().zip(numbers) {
                if *number > 0
                    && let Some(channel) = channels.get(&(*battle_id, lane))
                {
                    channel.check(beat.publisher, *number);
                }
            }
        }
    }

    /// Whether a publisher is heard whose silence would be noticed.
    #[cfg(test)]
    pub(super) fn hears_somebody(&self) -> bool {
        self.heard.lock().values().any(|heard| heard.at.is_some() && !heard.is_silent)
    }

    fn listen_for_silence(&self) {
        let mut is_new = false;
        self.heard.lock().retain(|_, heard| {
            let silent_for = heard.at.map_or(Duration::ZERO, |at| at.elapsed());
            is_new |= silent_for > SILENCE && !heard.is_silent;
            heard.is_silent = silent_for > SILENCE;
            silent_for < FORGET
        });
        if is_new {
            tracing::warn!(beat_every = ?BEAT_EVERY, "a publisher of changes is not heard any more");
            self.miss(Loss::Silence);
        }
    }

    /// Tells everybody.
    fn miss(&self, loss: Loss) {
        for channel in self.channels.lock().values() {
            channel.miss(loss, 1);
        }
    }
}

/// Whether a lane counts on missing nothing.
pub(super) async fn until_ready(channel: &Channel) -> Result<(), &'static str> {
    let mut ready = channel.ready.subscribe();
    let state = ready.wait_for(|ready| *ready != Ready::Pending).await;
    match state.as_deref() {
        Ok(Ready::Failed(reason)) => Err(reason),
        Ok(Ready::Yes | Ready::Pending) => Ok(()),
        Err(_) => Err("the bus has stopped"),
    }
}

//! A stream or the whole log, for as long as the client listens. A subscription ends with an error and never with success.

use nimaora_event_log::log::{SUBSCRIPTION_BATCH_EVENTS_MAX, SharedLog};
use nimaora_event_log::{
    Direction, Filter, Position, ReadError, RecordedEvent, Revision, Subscription, SubscriptionMessage,
};
use nimaora_runtime::Clock;
use uuid::Uuid;

use crate::access;
use crate::convert;
use crate::deleting::ENDED_TYPE;
use crate::filter::Wanted;
use crate::links::Form;
use crate::metrics::{self, Kind, Listens};
use crate::reading::{Answers, Gone, send};
use crate::refusal;
use crate::standing::{self, Shown};
use crate::wire::client::streams::read_resp::{
    CaughtUp, Checkpoint, Content, FellBehind, Position as WirePosition, SubscriptionConfirmation,
};

/// How many events of a stream are taken from the log at once.
const PAGE_EVENTS: usize = 1_024;

/// What is followed, and from where.
pub(crate) enum From {
    /// A stream from this revision on.
    Stream(String, Revision),
    /// What is appended to a stream from now on.
    StreamEnd(String),
    /// The whole log behind this position.
    All(Position),
    /// What is appended to the log from now on.
    AllEnd,
}

/// A subscription of one client.
pub(crate) struct Listener {
    pub(crate) log: SharedLog,
    pub(crate) clock: Clock,
    pub(crate) wanted: Wanted,
    pub(crate) form: Form,
    pub(crate) answers: Answers,
    /// The stream, if it is one.
    stream: Option<String>,
    revision: Option<Revision>,
    position: Position,
    checkpoint: Position,
    live: bool,
}

/// Why a subscription ended.
enum End {
    Gone,
    Log(ReadError),
    /// The stream is over for ever.
    Ended,
}

impl std::convert::From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl std::convert::From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

impl Listener {
    pub(crate) fn new(log: SharedLog, clock: Clock, wanted: Wanted, form: Form, answers: Answers) -> Self {
        let (stream, revision, position, checkpoint, live) = (None, None, 0, 0, false);
        Self { log, clock, wanted, form, answers, stream, revision, position, checkpoint, live }
    }

    /// Sends what comes until the client is gone or the log cannot be read.
    pub(crate) async fn run(mut self, from: From, shown: Shown) {
        let _listens = Listens::new(Kind::CatchUp);
        let status = match self.follow(from, shown).await {
            Ok(()) | Err(End::Gone) => return,
            Err(End::Log(error)) => refusal::read(&error),
            Err(End::Ended) => refusal::stream_deleted(self.stream.as_deref().unwrap_or_default()),
        };
        // Nobody is left to be told when this fails.
        let _ = self.answers.send(Err(status)).await;
    }

    async fn follow(&mut self, from: From, shown: Shown) -> Result<(), End> {
        let mut subscription = self.begin(from, shown).await?;
        self.checkpoint = self.position;
        let mut ending = Ending::of(&self.log, self.stream.as_deref(), self.position).await?;
        // It may have ended before its end was waited for.
        if let Some(stream) = &self.stream
            && Shown::look(&self.log, stream, self.clock.now_ms()).await? == Shown::Ended
        {
            return Err(End::Ended);
        }
        loop {
            let answers = self.answers.clone();
            let message = tokio::select! {
                message = subscription.next() => message?,
                ended = ending.wait() => {
                    ended?;
                    return Err(End::Ended);
                }
                () = answers.closed() => return Err(End::Gone),
            };
            match message {
                SubscriptionMessage::Events(events) => self.events(events).await?,
                SubscriptionMessage::Checkpoint(position) => {
                    self.position = position;
                    self.checkpoint_if_due().await?;
                }
                SubscriptionMessage::CaughtUp(position) => {
                    self.position = self.position.max(position);
                    self.caught_up().await?;
                }
            }
        }
    }

    /// Confirms, sends what a stream holds already, and subscribes behind it.
    async fn begin(&mut self, from: From, shown: Shown) -> Result<Box<dyn Subscription>, End> {
        let head = self.log.status().await?.head;
        if let From::All(after) = from
            && after > head
        {
            let reason = format!("position {after} is behind the log's last, {head}");
            return Err(End::Log(ReadError::Invalid { reason }));
        }
        let subscription_id = Uuid::new_v4().hyphenated().to_string();
        send(&self.answers, Content::Confirmation(SubscriptionConfirmation { subscription_id })).await?;
        self.position = head;
        match from {
            From::All(after) => self.position = after,
            From::AllEnd => {}
            From::Stream(stream, revision) => {
                let revision = match shown {
                    Shown::Nothing(next) => revision.max(next),
                    Shown::Events { first, .. } => revision.max(first),
                    Shown::Ended => return Err(End::Ended),
                };
                self.revision = revision.checked_sub(1);
                self.stream = Some(stream.clone());
                self.stored(&stream, revision).await?;
            }
            From::StreamEnd(stream) => {
                let last = self.log.read_stream(&stream, Revision::MAX, Direction::Backwards, 1).await?;
                if let Some(last) = last.first() {
                    (self.revision, self.position) = (Some(last.revision), head.max(last.position));
                }
                self.stream = Some(stream);
            }
        }
        Ok(self.log.subscribe(self.position, self.wanted.in_log.clone()).await?)
    }

    /// Every event of the stream up to the log's head of a moment ago is found by reading the stream; the rest comes with the
    /// subscription, which need not look at the others before.
    async fn stored(&mut self, stream: &str, mut from: Revision) -> Result<(), End> {
        loop {
            let page = self.log.read_stream(stream, from, Direction::Forwards, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            from = last.revision + 1;
            self.position = self.position.max(last.position);
            for event in page {
                self.event(event).await?;
            }
        }
    }

    async fn events(&mut self, events: Vec<RecordedEvent>) -> Result<(), End> {
        let full = events.len() >= SUBSCRIPTION_BATCH_EVENTS_MAX;
        if full && self.live {
            self.live = false;
            self.fell_behind().await?;
        }
        for event in events {
            // What the log passed over counts too.
            self.position = self.position.max(event.position - 1);
            self.checkpoint_if_due().await?;
            self.position = event.position;
            if self.wants(&event) {
                self.event(event).await?;
            }
        }
        if !self.live && !full && self.log.status().await?.head <= self.position {
            self.caught_up().await?;
        }
        Ok(())
    }

    fn wants(&self, event: &RecordedEvent) -> bool {
        match &self.stream {
            // The log looks for a prefix, which other streams may have too.
            Some(stream) => {
                *event.stream == **stream && self.revision.is_none_or(|revision| event.revision > revision)
            }
            None => self.wanted.lets_through(event),
        }
    }

    async fn event(&mut self, event: RecordedEvent) -> Result<(), Gone> {
        self.revision = Some(event.revision);
        metrics::sent(1);
        let told = self.form.told(&self.log, event, self.clock.now_ms()).await;
        self.answers.send(told).await.map_err(|_| Gone)
    }

    async fn checkpoint_if_due(&mut self) -> Result<(), Gone> {
        match self.wanted.checkpoint_events {
            Some(every) if self.position - self.checkpoint >= every => self.send_checkpoint().await,
            _ => Ok(()),
        }
    }

    async fn send_checkpoint(&mut self) -> Result<(), Gone> {
        self.checkpoint = self.position;
        let timestamp = Some(convert::moment(self.clock.now_ms()));
        let (commit_position, prepare_position) = (self.position, self.position);
        let checkpoint = Checkpoint { commit_position, prepare_position, timestamp };
        send(&self.answers, Content::Checkpoint(checkpoint)).await
    }

    async fn caught_up(&mut self) -> Result<(), Gone> {
        if self.live {
            return Ok(());
        }
        self.live = true;
        if self.wanted.checkpoint_events.is_some() && self.position > self.checkpoint {
            self.send_checkpoint().await?;
        }
        let (stream_revision, position) = self.place();
        let timestamp = Some(convert::moment(self.clock.now_ms()));
        send(&self.answers, Content::CaughtUp(CaughtUp { timestamp, stream_revision, position })).await
    }

    async fn fell_behind(&mut self) -> Result<(), Gone> {
        metrics::fell_behind();
        let (stream_revision, position) = self.place();
        let timestamp = Some(convert::moment(self.clock.now_ms()));
        send(&self.answers, Content::FellBehind(FellBehind { timestamp, stream_revision, position })).await
    }

    /// Where the client is: in its stream, or in the whole log.
    fn place(&self) -> (Option<i64>, Option<WirePosition>) {
        if self.stream.is_some() {
            return (self.revision.and_then(|revision| i64::try_from(revision).ok()), None);
        }
        let (commit_position, prepare_position) = (self.position, self.position);
        (None, (self.position > 0).then_some(WirePosition { commit_position, prepare_position }))
    }
}

/// Waits for the end of a stream, which its metadata tells. It is followed by itself: a log may have to look at everything that comes to
/// find both.
struct Ending {
    metadata: String,
    /// None where nothing can end.
    subscription: Option<Box<dyn Subscription>>,
}

impl Ending {
    async fn of(log: &SharedLog, stream: Option<&str>, after: Position) -> Result<Self, ReadError> {
        let Some(stream) = stream.filter(|stream| !access::is_battle(stream)) else {
            return Ok(Self { metadata: String::new(), subscription: None });
        };
        let metadata = match standing::original_of(stream) {
            Some(_) => stream.to_owned(),
            None => standing::metadata_of(stream),
        };
        let subscription = log.subscribe(after, Filter::stream_prefix(&metadata)).await?;
        Ok(Self { metadata, subscription: Some(subscription) })
    }

    /// Cancel safe, as the subscription is.
    async fn wait(&mut self) -> Result<(), ReadError> {
        let Some(subscription) = &mut self.subscription else { return std::future::pending().await };
        loop {
            let SubscriptionMessage::Events(events) = subscription.next().await? else { continue };
            let is_end =
                |event: &RecordedEvent| &*event.event_type == ENDED_TYPE && *event.stream == *self.metadata;
            if events.iter().any(is_end) {
                return Ok(());
            }
        }
    }
}

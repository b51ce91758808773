//! Reads of a stream and of the whole log.

use kurrentdb::{Client, ReadAllOptions, ReadStream, ReadStreamOptions, StreamPosition, SubscriptionFilter};
use tokio::time::{Instant, timeout_at};

use super::config::CHECKPOINT_EVENTS;
use super::event;
use super::fault::Fault;
use super::link::Link;
use super::position;
use crate::error::ReadError;
use crate::log::AllPage;
use crate::types::{Direction, Filter, Position, RecordedEvent, Revision};

/// What the names of the server's own streams begin with.
const SYSTEM: char = '$';
/// Every stream but those.
const NOT_SYSTEM: &str = r"^[^\$]";

/// Up to `limit` events of a stream.
pub(super) async fn stream(
    link: &Link,
    stream: &str,
    from: Revision,
    direction: Direction,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<RecordedEvent>, ReadError> {
    // The server's own numbers end there.
    let beyond = from > i64::MAX as u64;
    if limit == 0 || (beyond && direction == Direction::Forwards) {
        return Ok(Vec::new());
    }
    let from_there = if beyond { StreamPosition::End } else { StreamPosition::Position(from) };
    let options = ReadStreamOptions::default().max_count(limit).requires_leader(true);
    let options = match direction {
        Direction::Forwards => options.position(from_there).forwards(),
        Direction::Backwards => options.position(from_there).backwards(),
    };
    let place = format!("stream {stream}");
    let events = link
        .ask(&place, deadline, |client: Client, _| {
            let options = options.clone().deadline(deadline.saturating_duration_since(Instant::now()));
            async move {
                match client.read_stream(stream, &options).await {
                    Ok(read) => collect(read).await,
                    Err(error) => Err(Fault::from(error)),
                }
                .or_else(|fault| if fault == Fault::Missing { Ok(Vec::new()) } else { Err(fault) })
            }
        })
        .await?;
    whole(&place, from, direction, &events)?;
    if let Some(furthest) = events.iter().map(|event| event.position).max() {
        link.saw(furthest);
    }
    Ok(events)
}

async fn collect(mut read: ReadStream) -> Result<Vec<RecordedEvent>, Fault> {
    let mut events = Vec::new();
    while let Some(event) = read.next().await? {
        events.extend(event::recorded(event)?);
    }
    Ok(events)
}

/// Nothing of a stream of ours may be missing: a stream that forgot its beginning would be a battle with another past.
fn whole(
    place: &str,
    from: Revision,
    direction: Direction,
    events: &[RecordedEvent],
) -> Result<(), ReadError> {
    let Some(first) = events.first() else { return Ok(()) };
    let mut expected = match direction {
        Direction::Forwards => from,
        Direction::Backwards => first.revision,
    };
    for event in events {
        if event.revision != expected {
            let reason = format!("revision {} comes where {expected} must be", event.revision);
            return Err(ReadError::Damaged { place: place.to_owned(), reason });
        }
        expected = match direction {
            Direction::Forwards => expected + 1,
            Direction::Backwards => expected.wrapping_sub(1),
        };
    }
    Ok(())
}

/// The position of the last event; 0 when there is none.
pub(super) async fn head(link: &Link, deadline: Instant) -> Result<Position, ReadError> {
    let options = ReadAllOptions::default().position(StreamPosition::End).max_count(1).requires_leader(true);
    let head = link
        .ask("the whole log", deadline, |client: Client, _| {
            let options = options.clone().deadline(deadline.saturating_duration_since(Instant::now()));
            async move {
                let mut read = client.read_all(&options).await?;
                let last = read.next().await?;
                Ok(last.map_or(0, |event| position::of(event.get_original_event().position)))
            }
        })
        .await?;
    link.saw(head);
    Ok(head)
}

/// A page of the whole log.
pub(super) async fn all(
    link: &Link,
    from: Position,
    direction: Direction,
    limit: usize,
    filter: &Filter,
) -> Result<AllPage, ReadError> {
    if limit == 0 {
        return Ok(AllPage { events: Vec::new(), next: Some(from) });
    }
    let deadline = link.read_deadline();
    let mut page = Page {
        from,
        direction,
        limit,
        filter,
        deadline,
        events: Vec::new(),
        looked_at: 0,
        reached: None,
        all: false,
    };
    match direction {
        Direction::Forwards => {
            let place = position::place_at_or_before(from);
            let begin = if from <= 1 { StreamPosition::Start } else { StreamPosition::Position(place) };
            page.read(link, begin).await?;
        }
        Direction::Backwards if from == 0 => page.all = true,
        Direction::Backwards => {
            let begin = match position::place_at_or_after(from) {
                // Not every server counts the event at the place itself.
                Some(place) if position::is_of_event(from) => {
                    page.read_one_at(link, place).await?;
                    StreamPosition::Position(place)
                }
                Some(place) => StreamPosition::Position(place),
                None => StreamPosition::End,
            };
            page.read(link, begin).await?;
        }
    }
    Ok(page.finish())
}

/// A page in the making.
struct Page<'a> {
    from: Position,
    direction: Direction,
    limit: usize,
    filter: &'a Filter,
    deadline: Instant,
    events: Vec<RecordedEvent>,
    /// Events that the server sent, wanted or not.
    looked_at: usize,
    /// The position of the last one.
    reached: Option<Position>,
    /// Whether the end of the log was reached.
    all: bool,
}

impl Page<'_> {
    /// Adds events until there is one more than the page may have, which tells where the next one begins. What has come by the
    /// deadline is a page too.
    async fn read(
        &mut self,
        link: &Link,
        begin: StreamPosition<kurrentdb::Position>,
    ) -> Result<(), ReadError> {
        // The event at which the read begins may be none of the page.
        let count = self.limit.saturating_add(2);
        let options = self.options(count).position(begin);
        let options = match self.direction {
            Direction::Forwards => options.forwards(),
            Direction::Backwards => options.backwards(),
        };
        let (mut read, client_number) = self.begin(link, &options).await?;
        loop {
            if self.events.len() > self.limit {
                return Ok(());
            }
            let fault = match timeout_at(self.deadline, read.next()).await {
                Ok(Ok(Some(event))) => match event::recorded(event) {
                    Ok(event) => {
                        self.take(event);
                        continue;
                    }
                    Err(fault) => fault,
                },
                Ok(Ok(None)) => {
                    self.all = self.looked_at < count;
                    return Ok(());
                }
                Ok(Err(error)) => Fault::from(error),
                Err(_) => Fault::Late,
            };
            link.mend(client_number, &fault);
            return match fault.final_for_reads("the whole log") {
                Some(error) => Err(error),
                None if self.reached.is_none() => {
                    Err(ReadError::Unavailable { reason: fault.reason().to_owned() })
                }
                None => Ok(()),
            };
        }
    }

    /// Adds what the server sent, if the page wants it.
    fn take(&mut self, event: Option<RecordedEvent>) {
        self.looked_at += 1;
        let Some(event) = event else { return };
        let wanted = self.wants(&event);
        self.reached = Some(event.position);
        if wanted {
            self.events.push(event);
        }
    }

    /// Adds the event at this very place, if the page wants it.
    async fn read_one_at(&mut self, link: &Link, place: kurrentdb::Position) -> Result<(), ReadError> {
        let options = self.options(1).position(StreamPosition::Position(place)).forwards();
        let found = link
            .ask("the whole log", self.deadline, |client: Client, _| {
                let options = options.clone();
                async move { collect(client.read_all(&options).await?).await }
            })
            .await?;
        let found = found.into_iter().find(|event| event.position == self.from && self.wants(event));
        self.events.extend(found);
        Ok(())
    }

    fn options(&self, count: usize) -> ReadAllOptions {
        let patience = self.deadline.saturating_duration_since(Instant::now());
        ReadAllOptions::default()
            .filter(server_filter(self.filter))
            .max_count(count)
            .requires_leader(true)
            .deadline(patience)
    }

    /// Begins a read; answers the number of the client too.
    async fn begin(&self, link: &Link, options: &ReadAllOptions) -> Result<(ReadStream, u64), ReadError> {
        link.ask("the whole log", self.deadline, |client: Client, number| async move {
            Ok((client.read_all(options).await?, number))
        })
        .await
    }

    fn wants(&self, event: &RecordedEvent) -> bool {
        let ahead = match (self.direction, self.events.last()) {
            (Direction::Forwards, None) => event.position >= self.from,
            (Direction::Backwards, None) => event.position <= self.from,
            (Direction::Forwards, Some(last)) => event.position > last.position,
            (Direction::Backwards, Some(last)) => event.position < last.position,
        };
        ahead && is_wanted(self.filter, event)
    }

    fn finish(mut self) -> AllPage {
        let more = self.events.len() > self.limit;
        self.events.truncate(self.limit);
        let reached = match (more, self.all) {
            (true, _) => self.events.last().map(|event| event.position),
            (false, false) => self.reached,
            (false, true) => None,
        };
        let next = reached.map(|reached| match self.direction {
            Direction::Forwards => reached + 1,
            Direction::Backwards => reached - 1,
        });
        AllPage { events: self.events, next }
    }
}

/// What the server can look for; what is left is looked at here.
pub(super) fn server_filter(filter: &Filter) -> SubscriptionFilter {
    let add = |wanted: SubscriptionFilter, prefixes: &[std::sync::Arc<str>]| {
        prefixes.iter().fold(wanted, |wanted, prefix| wanted.add_prefix(prefix))
    };
    let wanted = match (filter.stream_prefixes.as_slice(), filter.type_prefixes.as_slice()) {
        ([], []) => SubscriptionFilter::on_stream_name().regex(NOT_SYSTEM),
        ([], types) => add(SubscriptionFilter::on_event_type(), types),
        (streams, _) => add(SubscriptionFilter::on_stream_name(), streams),
    };
    wanted.max(CHECKPOINT_EVENTS)
}

/// Whether an event is wanted. Streams of the server's own are, when they are named.
pub(super) fn is_wanted(filter: &Filter, event: &RecordedEvent) -> bool {
    let system = event.stream.starts_with(SYSTEM) && filter.stream_prefixes.is_empty();
    !system && filter.lets_through(&event.stream, &event.event_type)
}

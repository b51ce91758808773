//! `nimaora audit tail`: events as they come, each checked.

use clap::Args;
use nimaora_domain::{BattleId, Recorded};
use nimaora_event_log::log::{SharedLog, Subscription, SubscriptionMessage};
use nimaora_event_log::{Filter, Position, RecordedEvent};

use super::error::AuditError;
use super::held::Held;
use super::ndjson::Line;
use super::source::{Source, SourceArgs};
use super::walk::fold_to;
use super::{print, story};

/// What `nimaora audit tail` is asked.
#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// Print each event as one JSON object on a line.
    #[arg(long)]
    json: bool,
    /// Print only what comes after this position. What is before in the same battles is read all the same, to check the chain.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: Position,
    /// End when all that is there was printed.
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// Events of all battles as they come.
pub(super) struct Tail {
    log: SharedLog,
    events: Box<dyn Subscription>,
    held: Held,
    no_follow: bool,
}

/// An event that was checked.
pub(super) struct Told {
    pub(super) event: RecordedEvent,
    pub(super) recorded: Recorded,
    pub(super) what: String,
}

pub(super) async fn run(args: TailArgs) -> Result<(), AuditError> {
    match args.source.open().await? {
        Source::Log(_, log, _) => {
            let mut tail = Tail::begin(log, args.after, args.no_follow).await?;
            while let Some(batch) = tail.next().await? {
                let lines = batch
                    .iter()
                    .map(|told| line(&told.event, &told.recorded.time.to_string(), &told.what, args.json));
                print(&lines.collect::<Result<String, _>>()?)?;
            }
            Ok(())
        }
        Source::Server(server) => {
            let mut told = server.tail(args.after, args.no_follow).await?;
            while let Some((event, time, what)) = told.next().await? {
                print(&line(&event, &time.to_string(), &what, args.json)?)?;
            }
            Ok(())
        }
    }
}

fn line(event: &RecordedEvent, time: &str, what: &str, json: bool) -> Result<String, AuditError> {
    if json {
        let line = Line::of(event).map_err(|error| AuditError::Differs(error.to_string()))?;
        return Ok(serde_json::to_string(&line)? + "\n");
    }
    Ok(format!("{} {time} {}@{} {what}\n", event.position, event.stream, event.revision))
}

impl Tail {
    /// Follows the log from after the position; with `no_follow` up to where it ends.
    pub(super) async fn begin(log: SharedLog, after: Position, no_follow: bool) -> Result<Self, AuditError> {
        let events = log.subscribe(after, Filter::stream_prefix(BattleId::STREAM_PREFIX)).await?;
        Ok(Self { log, events, held: Held::default(), no_follow })
    }

    /// The next events; `None` after the last ones, if there are any.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Told>>, AuditError> {
        loop {
            match self.events.next().await? {
                SubscriptionMessage::Events(batch) => {
                    let mut told = Vec::with_capacity(batch.len());
                    for event in batch {
                        told.extend(self.check(event).await?);
                    }
                    return Ok(Some(told));
                }
                SubscriptionMessage::CaughtUp(_) if self.no_follow => return Ok(None),
                SubscriptionMessage::Checkpoint(_) | SubscriptionMessage::CaughtUp(_) => {}
            }
        }
    }

    /// `None` for what is no battle's.
    async fn check(&mut self, event: RecordedEvent) -> Result<Option<Told>, AuditError> {
        let Some(battle_id) = BattleId::from_stream(&event.stream) else { return Ok(None) };
        let mut fold = match self.held.take(battle_id) {
            Some(fold) => fold,
            None => fold_to(&*self.log, battle_id, event.position.saturating_sub(1)).await?,
        };
        let recorded = fold.event(&event)?;
        let what = story::words(&recorded.event, &fold.battle);
        self.held.put(battle_id, fold);
        Ok(Some(Told { event, recorded, what }))
    }
}

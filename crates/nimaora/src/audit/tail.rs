//! `nimaora audit tail`: events as they come, each checked.

use std::collections::HashMap;

use clap::Args;
use nimaora_domain::BattleId;
use nimaora_event_log::log::SubscriptionMessage;
use nimaora_event_log::{Filter, Position, RecordedEvent};

use super::error::AuditError;
use super::ndjson::Line;
use super::walk::Fold;
use super::{print, stores, story};
use crate::cli::Settings;

/// What `nimaora audit tail` is asked.
#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// Print each event as one JSON object on a line.
    #[arg(long)]
    json: bool,
    /// Print only what comes after this position. What is before is read all the same, to check the chain.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: Position,
    /// End when all that is there was printed.
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) async fn run(args: TailArgs) -> Result<(), AuditError> {
    let config = args.settings.resolve()?;
    let log = stores::log(&config).await?;
    let head = log.status().await?.head;
    if head == 0 && args.no_follow {
        return Ok(());
    }
    let mut events = log.subscribe(0, Filter::stream_prefix(BattleId::STREAM_PREFIX)).await?;
    let mut folds: HashMap<BattleId, Fold> = HashMap::new();
    loop {
        match events.next().await? {
            SubscriptionMessage::Events(batch) => {
                let mut text = String::new();
                for event in &batch {
                    let Some(battle_id) = BattleId::from_stream(&event.stream) else { continue };
                    let said = say(event, folds.entry(battle_id).or_default(), args.json)?;
                    if event.position > args.after {
                        text += &said;
                    }
                }
                print(&text)?;
            }
            SubscriptionMessage::CaughtUp(_) if args.no_follow => return Ok(()),
            SubscriptionMessage::Checkpoint(_) | SubscriptionMessage::CaughtUp(_) => {}
        }
    }
}

fn say(event: &RecordedEvent, fold: &mut Fold, json: bool) -> Result<String, AuditError> {
    let recorded = fold.event(event)?;
    if json {
        let line = Line::of(event).map_err(|error| AuditError::Differs(error.to_string()))?;
        return Ok(serde_json::to_string(&line)? + "\n");
    }
    let words = story::words(&recorded.event, &fold.battle);
    Ok(format!("{} {} {}@{} {words}\n", event.position, recorded.time, event.stream, event.revision))
}

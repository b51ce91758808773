//! Gathers what has arrived from the log into batches.

use nimaora_read_models::Position;
use tokio::sync::mpsc;

use crate::source::{Decoded, Step};

/// Some events in order, or only a place up to which the log was looked at.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) events: Vec<Decoded>,
    /// Up to here the log was looked at.
    pub(crate) checkpoint: Position,
    /// Whether this is all that was in the log.
    pub(crate) caught_up: bool,
    /// Why nothing more comes.
    pub(crate) failed: Option<String>,
}

/// The receiving end of the source.
#[derive(Debug)]
pub(crate) struct Inbox {
    steps: mpsc::Receiver<Step>,
    /// What did not fit in the last batch.
    carried: Option<Vec<Decoded>>,
    batch_events_max: usize,
}

impl Inbox {
    pub(crate) fn new(steps: mpsc::Receiver<Step>, batch_events_max: usize) -> Self {
        Self { steps, carried: None, batch_events_max: batch_events_max.max(1) }
    }

    /// Waits until something has arrived and takes all of it that fits in a batch. `None` when nothing more comes.
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Batch> {
        let first = match self.carried.take() {
            Some(events) => Step::Events(events),
            None => self.steps.recv().await?,
        };
        let mut batch = Batch::default();
        self.add(&mut batch, first);
        while self.carried.is_none() && batch.failed.is_none() && batch.events.len() < self.batch_events_max {
            let Ok(step) = self.steps.try_recv() else { break };
            self.add(&mut batch, step);
        }
        Some(batch)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.carried.is_none() && self.steps.is_empty()
    }

    fn add(&mut self, batch: &mut Batch, step: Step) {
        match step {
            Step::Events(mut events) => {
                let room = self.batch_events_max - batch.events.len();
                if events.len() > room {
                    self.carried = Some(events.split_off(room));
                }
                batch.checkpoint = events.last().map_or(batch.checkpoint, |event| event.position);
                match batch.events.is_empty() {
                    true => batch.events = events,
                    false => batch.events.append(&mut events),
                }
            }
            Step::Passed(position) => batch.checkpoint = position,
            Step::CaughtUp(position) => {
                batch.checkpoint = batch.checkpoint.max(position);
                batch.caught_up = true;
            }
            Step::Failed(reason) => batch.failed = Some(reason),
        }
    }
}

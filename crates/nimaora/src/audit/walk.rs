//! A battle's stream, read in pages: each event is checked against the chain and folded.

use std::sync::Arc;

use nimaora_domain::{Battle, BattleId, Event, Recorded, Timestamp};
use nimaora_event_log::envelope::{self, ChainHead, RecordedError, Unlinked};
use nimaora_event_log::log::EventLog;
use nimaora_event_log::{BattleKeys, Direction, Position, ReadError, RecordedEvent, Revision};

use super::error::AuditError;

/// Events in one read. More would only take more memory.
const PAGE_EVENTS: usize = 2_048;

/// An event whose own bytes were checked, and what came of that.
pub(super) type Opened = Result<Unlinked, RecordedError>;

/// A battle as far as it was folded.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// The state that commands are decided on.
    pub(super) battle: Battle,
    /// The hash of the last event.
    pub(super) chain: ChainHead,
    /// The revision that has to come next, and so the number of events.
    pub(super) next_revision: Revision,
    /// The position of the first event; 0 before it.
    pub(super) first_position: Position,
    /// The position of the last event; 0 before the first.
    pub(super) position: Position,
    /// When the last event was decided.
    pub(super) time: Option<Timestamp>,
    /// When it was created.
    pub(super) created_at: Option<Timestamp>,
    /// When it finished or was cancelled.
    pub(super) ended_at: Option<Timestamp>,
    /// What the names are read with, where they are sealed and it is at hand.
    names: Option<Arc<BattleKeys>>,
    /// Whether it was compared, and has not moved on since.
    pub(super) compared: bool,
    /// Whether its state was let go, to save memory: the chain goes on, and the state has to be read again.
    pub(super) rests: bool,
}

impl Fold {
    /// Nothing of a battle yet, and what its names are read with.
    pub(super) async fn begin(log: &dyn EventLog, battle_id: BattleId) -> Result<Self, AuditError> {
        let names = log.names().of(battle_id).await.map_err(ReadError::from)?;
        Ok(Self { names, ..Self::default() })
    }

    /// Reads the names of a battle that was folded without what they are read with. Keys of names that were erased must be gone.
    pub(super) async fn open_names(
        &mut self,
        log: &dyn EventLog,
        battle_id: BattleId,
    ) -> Result<(), AuditError> {
        let found = log.names().read_again(battle_id).await.map_err(ReadError::from)?;
        let Some(keys) = found else { return Ok(()) };
        self.battle.open_names(|who, sealed| keys.open(who, sealed));
        for participant in self.battle.participants() {
            let Some(revision) = participant.erased_revision() else { continue };
            let number = self.battle.number_of(participant.id());
            if number.is_some_and(|number| keys.holds(number)) {
                return Err(AuditError::Differs(format!(
                    "battle {battle_id}: the name of {} was erased at revision {revision}, but its key is still there; erase it again",
                    participant.id()
                )));
            }
        }
        self.names = Some(keys);
        Ok(())
    }

    /// Checks the event and moves on by it. Answers what happened.
    pub(super) fn event(&mut self, event: &RecordedEvent) -> Result<Recorded, AuditError> {
        let (recorded, chain) = self.check(event)?;
        self.apply(event, &recorded, chain);
        Ok(recorded)
    }

    /// Lets go of the state, and goes on with the chain alone.
    pub(super) fn rest(&mut self) {
        (self.battle, self.names, self.rests) = (Battle::default(), None, true);
    }

    /// Like [`Fold::event`], of an event that was opened already.
    pub(super) fn opened(&mut self, event: &RecordedEvent, opened: Opened) -> Result<Recorded, AuditError> {
        let (recorded, chain) = self.check_opened(event, opened)?;
        self.apply(event, &recorded, chain);
        Ok(recorded)
    }

    /// Checks the event against the chain. Answers what happened and the hash behind it, and stays where it is.
    pub(super) fn check(&self, event: &RecordedEvent) -> Result<(Recorded, ChainHead), AuditError> {
        self.check_opened(event, envelope::open_unlinked(event))
    }

    fn check_opened(
        &self,
        event: &RecordedEvent,
        opened: Opened,
    ) -> Result<(Recorded, ChainHead), AuditError> {
        if event.revision != self.next_revision {
            return Err(AuditError::Differs(format!(
                "{}: revision {} is missing: revision {} (position {}) stands in its place; an event was removed",
                event.stream, self.next_revision, event.revision, event.position
            )));
        }
        let mut chain = self.chain;
        let linked = opened.and_then(|event_alone| Ok(event_alone.link(event, &mut chain)?));
        let mut recorded = linked.map_err(|error| {
            // The data of an event that was sealed is told of without its position.
            let place = format!("position {}", event.position);
            let text = error.to_string();
            AuditError::Differs(if text.contains(&place) { text } else { format!("{text} ({place})") })
        })?;
        if let Some(names) = &self.names {
            names.open_event(&mut recorded.event);
        }
        Ok((recorded, chain))
    }

    /// Moves on by an event that was checked.
    pub(super) fn apply(&mut self, event: &RecordedEvent, recorded: &Recorded, chain: ChainHead) {
        match &recorded.event {
            Event::BattleCreated(_) => self.created_at = Some(recorded.time),
            Event::BattleFinished(finished) => self.ended_at = Some(finished.finished_at),
            Event::BattleCancelled(cancelled) => self.ended_at = Some(cancelled.cancelled_at),
            _ => {}
        }
        self.compared = false;
        if !self.rests {
            self.battle.evolve(recorded);
        }
        if self.first_position == 0 {
            self.first_position = event.position;
        }
        (self.position, self.time, self.chain) = (event.position, Some(recorded.time), chain);
        self.next_revision += 1;
    }
}

/// Hands every event of a battle from `from` on to `visit`, until that says to stop.
pub(super) async fn stream(
    log: &dyn EventLog,
    battle_id: BattleId,
    from: Revision,
    mut visit: impl FnMut(&RecordedEvent) -> Result<bool, AuditError> + Send,
) -> Result<(), AuditError> {
    let name = battle_id.stream();
    let mut from = from;
    loop {
        let page = log.read_stream(&name, from, Direction::Forwards, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        from = last.revision + 1;
        for event in &page {
            if !visit(event)? {
                return Ok(());
            }
        }
    }
}

/// The battle, folded up to the position `to` (inclusive).
pub(super) async fn fold_to(
    log: &dyn EventLog,
    battle_id: BattleId,
    to: Position,
) -> Result<Fold, AuditError> {
    let mut fold = Fold::begin(log, battle_id).await?;
    stream(log, battle_id, 0, |event| {
        if event.position > to {
            return Ok(false);
        }
        fold.event(event).map(|_| true)
    })
    .await?;
    match fold.next_revision {
        0 if to == Position::MAX => Err(AuditError::NoBattle(battle_id)),
        _ => Ok(fold),
    }
}

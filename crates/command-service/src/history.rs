//! Reading a battle's stream: folding it into state, and finding what became of commands.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use nimaora_domain::{Battle, BattleId, CommandId, Outcome, Recorded};
use nimaora_event_log::{
    BattleKeys, ChainHead, Direction, EventLog, ReadError, RecordedEvent, Revision, envelope,
};

use crate::error::CommandError;
use crate::writer::live::Folded;
use crate::writer::order::Answer;

/// How many events are read at a time.
const PAGE_EVENTS: usize = 1_024;

impl Folded {
    /// A battle that does not exist yet.
    pub(crate) fn nothing() -> Self {
        Self { battle: Battle::default(), head: None, chain: ChainHead::default(), names: None }
    }

    /// Reads sealed names with these keys from now on, and those that are here already.
    pub(crate) fn read_names_with(&mut self, names: Option<Arc<BattleKeys>>) {
        if let Some(keys) = &names {
            self.battle.open_names(|participant_id, sealed| keys.open(participant_id, sealed));
        }
        self.names = names;
    }

    /// Applies what the stream holds after the head, checking the chain of hashes. Answers how many events that were.
    pub(crate) async fn catch_up(
        &mut self,
        log: &dyn EventLog,
        battle_id: BattleId,
    ) -> Result<u64, CommandError> {
        let mut applied = 0;
        loop {
            let from = self.head.map_or(0, |head| head + 1);
            let page = page(log, battle_id, from).await?;
            if page.is_empty() {
                return Ok(applied);
            }
            for event in &page {
                self.apply(event)?;
            }
            applied += page.len() as u64;
        }
    }

    fn apply(&mut self, event: &RecordedEvent) -> Result<(), CommandError> {
        let mut recorded = envelope::open_recorded(event, &mut self.chain).map_err(damaged)?;
        if let Some(names) = &self.names {
            names.open_event(&mut recorded.event);
        }
        self.battle.evolve(&recorded);
        self.head = Some(event.revision);
        Ok(())
    }
}

/// The next events of a battle, from this revision on; none at its end.
pub(crate) async fn page(
    log: &dyn EventLog,
    battle_id: BattleId,
    from: Revision,
) -> Result<Vec<RecordedEvent>, CommandError> {
    Ok(log.read_stream(&battle_id.stream(), from, Direction::Forwards, PAGE_EVENTS).await?)
}

/// The answer to the command whose last event has this revision.
pub(crate) async fn answer_at(
    log: &dyn EventLog,
    battle_id: BattleId,
    revision: Revision,
) -> Result<Answer, CommandError> {
    let stream = battle_id.stream();
    let events = log.read_stream(&stream, revision, Direction::Forwards, 1).await?;
    match events.first() {
        Some(event) => Ok(answer(&named(log, battle_id, event).await?, event.position)),
        None => Err(CommandError::LogDamaged {
            reason: format!("{stream} has no event {revision}, which it had"),
        }),
    }
}

/// The answers to all commands that have events at `from` or later.
pub(crate) async fn answers_from(
    log: &dyn EventLog,
    battle_id: BattleId,
    mut from: Revision,
) -> Result<HashMap<CommandId, Answer, RandomState>, CommandError> {
    let mut found: HashMap<CommandId, Answer, RandomState> = HashMap::default();
    loop {
        let page = page(log, battle_id, from).await?;
        let Some(last) = page.last() else { return Ok(found) };
        from = last.revision + 1;
        for event in &page {
            let recorded = named(log, battle_id, event).await?;
            // A later event of the same command takes the place of an earlier one: the last one answers it.
            found.insert(recorded.command_id, answer(&recorded, event.position));
        }
    }
}

fn answer(recorded: &Recorded, position: u64) -> Answer {
    Answer { outcome: Outcome::of(recorded), position, decided_at: recorded.time, repeated: true }
}

/// An event of a battle, its hash unchecked: that is done when the battle is read into memory.
pub(crate) fn read(event: &RecordedEvent) -> Result<Recorded, CommandError> {
    envelope::to_recorded(event).map_err(damaged)
}

/// The same, and the name that it brings is read.
async fn named(
    log: &dyn EventLog,
    battle_id: BattleId,
    event: &RecordedEvent,
) -> Result<Recorded, CommandError> {
    let mut recorded = read(event)?;
    log.names().open(battle_id, &mut recorded.event).await.map_err(ReadError::from)?;
    Ok(recorded)
}

pub(crate) fn damaged(error: impl std::fmt::Display) -> CommandError {
    CommandError::LogDamaged { reason: error.to_string() }
}

//! A battle in memory: its state, which may be ahead of the log, and the events that are on their way there.

use std::sync::Arc;

use futures::future::BoxFuture;
use nimaora_domain::{
    Actor, AnswerKey, Battle, BattleId, CommandId, Decision, Event, Outcome, Recorded, Refusal, codec, decide,
};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::types::EVENT_BYTES_MAX;
use nimaora_event_log::{
    Append, AppendError, Appended, BattleKeys, ChainHead, Envelope, Expected, Revision, envelope,
};
use tokio::time::Instant;

use crate::error::CommandError;
use crate::metrics;
use crate::writer::batch::{Batch, Callers, Then};
use crate::writer::order::{Decided, Order, Reply};
use crate::writer::roster::Changes;
use crate::writer::seen::Seen;

/// A battle as it was read from the log, or as it is ahead of it.
#[derive(Clone)]
pub(crate) struct Folded {
    /// The state.
    pub(crate) battle: Battle,
    /// The revision of the last event; `None` before the first.
    pub(crate) head: Option<Revision>,
    /// The hash of the last event.
    pub(crate) chain: ChainHead,
    /// What its participants' names are sealed under; `None` where they stand in clear, and before the battle exists.
    pub(crate) names: Option<Arc<BattleKeys>>,
}

/// What an append came to.
pub(crate) type AppendResult = Result<Appended, AppendError>;

/// An append that has not answered.
pub(crate) struct InFlight {
    /// Its answer.
    pub(crate) append: BoxFuture<'static, AppendResult>,
    /// What it appends. The events themselves are with the log.
    pub(crate) first_revision: Revision,
    /// How many events it appends.
    pub(crate) events: usize,
    /// What the events change in the roster.
    pub(crate) changes: Changes,
    /// Who waits for it.
    pub(crate) callers: Callers,
    /// When it began.
    pub(crate) began: Instant,
}

/// A battle in memory. Decides, gathers and appends; knows nothing of mailboxes and timers.
pub(crate) struct Live {
    battle_id: BattleId,
    stream: Arc<str>,
    log: SharedLog,
    answer_key: AnswerKey,
    folded: Folded,
    /// Kept once somebody repeated a command that the state has forgotten.
    seen: Option<Seen>,
    gathering: Batch,
    /// At most one: the next batch gathers while it runs.
    pub(crate) in_flight: Option<InFlight>,
}

impl Live {
    /// The battle as it was read from the log.
    pub(crate) fn new(
        battle_id: BattleId,
        log: SharedLog,
        answer_key: AnswerKey,
        folded: Folded,
        seen: Option<Seen>,
    ) -> Self {
        let stream = battle_id.stream().into();
        Self {
            battle_id,
            stream,
            log,
            answer_key,
            folded,
            seen,
            gathering: Batch::default(),
            in_flight: None,
        }
    }

    /// The state, which may be ahead of the log.
    pub(crate) fn folded(&self) -> &Folded {
        &self.folded
    }

    /// The state, when nothing more is to be decided.
    pub(crate) fn into_folded(self) -> Folded {
        self.folded
    }

    /// Whether the state is what the log holds.
    pub(crate) fn is_settled(&self) -> bool {
        self.in_flight.is_none() && self.gathering.is_empty()
    }

    /// Whether another command can be decided before an append answers.
    pub(crate) fn has_room(&self) -> bool {
        // A full batch on its way leaves room for those whose answers rest on it and who make no event.
        let in_flight = self.in_flight.as_ref().is_none_or(|in_flight| in_flight.callers.are_fewer_than(2));
        self.gathering.has_room() && in_flight
    }

    /// Decides one command. Its caller is answered at once if the answer rests on nothing that is not durable. A command whose events
    /// do not fit beside those that gather comes back, to be decided again when these are on their way.
    pub(crate) fn take(&mut self, order: Order, now: Instant) -> Option<Order> {
        if order.reply.is_closed() || order.deadline <= now {
            metrics::dropped_late();
            order.answer(Err(CommandError::DeadlinePassed));
            return None;
        }
        let context = &order.context;
        match decide(self.battle_id, &self.folded.battle, &self.answer_key, &order.command, context) {
            Ok(Decision::Append(_)) if self.has_seen(context.command_id) => {
                self.answer_when_durable(order, Err(Refusal::CommandIdReused.into()));
            }
            Ok(Decision::Append(events)) => {
                let envelope = Envelope {
                    command_id: context.command_id,
                    correlation_id: context.command_id.0,
                    causation_id: context.command_id.0,
                    actor: actor_name(&context.actor),
                    time: context.received_at,
                    traceparent: order.traceparent.clone(),
                };
                return self.gather(events, &envelope, order);
            }
            Ok(Decision::Repeat { revision }) => {
                self.answer_when_durable(order, Ok(Decided::Before(revision)))
            }
            Ok(Decision::Nothing) => self.answer_when_durable(order, Ok(Decided::Nothing)),
            Err(refusal) => self.answer_when_durable(order, Err(refusal.into())),
        }
        None
    }

    /// Whether an event of this command, which the state does not remember, gathers already or is known to be in the log.
    fn has_seen(&self, command_id: CommandId) -> bool {
        self.gathering.commands.contains(&command_id)
            || self.seen.as_ref().is_some_and(|seen| seen.has(command_id))
    }

    /// Seals the events of an accepted command, moves the state on, and lets the caller wait. The order comes back where the events
    /// do not fit beside those that gather.
    fn gather(&mut self, mut events: Vec<Event>, envelope: &Envelope, order: Order) -> Option<Order> {
        if let Err(error) = events.iter_mut().try_for_each(|event| self.seal_name(event)) {
            self.answer_when_durable(order, Err(error));
            return None;
        }
        let encoded: Vec<_> = events.iter().map(codec::encode).collect();
        let room = self.log.append_bytes_max();
        if let Some(error) = too_large(&encoded, room) {
            self.answer_when_durable(order, Err(error));
            return None;
        }
        if !self.gathering.is_empty() && self.gathering.bytes + bytes_at_most(&encoded) > room {
            self.gathering.cut = true;
            return Some(order);
        }
        let mut outcome = None;
        for ((index, event), encoded) in (0..).zip(events).zip(encoded) {
            let recorded = Recorded {
                revision: self.next_revision(),
                event_id: envelope.command_id.event_id(index),
                command_id: envelope.command_id,
                time: envelope.time,
                event,
            };
            self.push(&recorded, encoded, envelope);
            // The last event answers the command.
            outcome = Some(Outcome::of(&recorded));
        }
        let then = match outcome {
            Some(outcome) => Then::Accepted {
                outcome,
                last_index: self.gathering.events.len() - 1,
                decided_at: envelope.time,
            },
            None => Then::Fixed(Ok(Decided::Nothing)),
        };
        self.gathering.commands.insert(envelope.command_id);
        self.gathering.callers.push(order, then);
        None
    }

    /// The name that an event brings is sealed before the event is.
    fn seal_name(&self, event: &mut Event) -> Result<(), CommandError> {
        match (&self.folded.names, event) {
            (Some(names), Event::ParticipantJoined(joined)) => {
                let joined_before = self.folded.battle.participants().len();
                let number = u32::try_from(joined_before).unwrap_or(u32::MAX).saturating_add(1);
                let name = joined.username.clone();
                let sealed = names.seal(joined.participant_id, number, name.as_str());
                // As after the log was put back to an earlier state, and the keys were not. No repeat helps.
                let sealed = sealed.ok_or_else(|| CommandError::LogDamaged {
                    reason: format!(
                        "the key that the name of participant {number} would be sealed under was erased: the log and the keys of names \
                         are not of the same time"
                    ),
                })?;
                joined.username = name.sealed_as(sealed);
                Ok(())
            }
            // Somebody asked for a battle that was made only now; its keys are had when it is read.
            (None, Event::BattleCreated(_)) if self.log.names().are_sealed() => {
                let reason = "the keys of the battle's names are not at hand yet".to_owned();
                Err(CommandError::LogUnavailable { reason })
            }
            _ => Ok(()),
        }
    }

    fn push(&mut self, recorded: &Recorded, encoded: codec::Encoded, envelope: &Envelope) {
        if self.gathering.is_empty() {
            self.gathering.first_revision = recorded.revision;
        }
        let event = envelope::seal(
            &self.stream,
            recorded.revision,
            recorded.event_id,
            encoded.event_type,
            encoded.data,
            envelope,
            &mut self.folded.chain,
        );
        self.gathering.bytes += event.append_bytes();
        self.gathering.events.push(event);
        self.folded.battle.evolve(recorded);
        self.gathering.changes.note(&self.folded.battle, &recorded.event);
        self.folded.head = Some(recorded.revision);
        if let Some(seen) = &mut self.seen {
            seen.push(recorded.command_id);
        }
    }

    fn next_revision(&self) -> Revision {
        self.folded.head.map_or(0, |head| head + 1)
    }

    fn answer_when_durable(&mut self, order: Order, answer: Reply) {
        if !self.gathering.is_empty() {
            self.gathering.callers.push(order, Then::Fixed(answer));
        } else if let Some(in_flight) = &mut self.in_flight {
            in_flight.callers.push(order, Then::Fixed(answer));
        } else {
            order.answer(answer);
        }
    }

    /// Sends what has gathered to the log, unless an append is under way. Answers whether it did.
    pub(crate) fn launch(&mut self) -> bool {
        if self.in_flight.is_some() || self.gathering.is_empty() {
            return false;
        }
        let batch = std::mem::take(&mut self.gathering);
        let first_revision = batch.first_revision;
        let expected = first_revision.checked_sub(1).map_or(Expected::NoStream, Expected::Exact);
        let append = Append { stream: Arc::clone(&self.stream), expected, events: batch.events };
        let events = append.events.len();
        let log = Arc::clone(&self.log);
        self.in_flight = Some(InFlight {
            append: Box::pin(async move { as_meant(log.append(append).await, first_revision, events) }),
            first_revision,
            events,
            changes: batch.changes,
            callers: batch.callers,
            began: Instant::now(),
        });
        true
    }

    /// Takes apart a battle whose append failed: who waits, and from which revision on their events may be found.
    pub(crate) fn abandon(self, failed: InFlight) -> (Revision, Callers) {
        let mut callers = failed.callers;
        callers.extend(self.gathering.callers);
        (failed.first_revision, callers)
    }
}

/// An append that was answered with another place than it was meant for has met events that the log held before under the same ids;
/// it was not written.
fn as_meant(result: AppendResult, first_revision: Revision, events: usize) -> AppendResult {
    match result {
        Ok(appended) if appended.last_revision + 1 != first_revision + events as u64 => {
            Err(AppendError::WrongExpectedRevision { actual: first_revision.checked_sub(1) })
        }
        result => result,
    }
}

/// Whether an append failed although the stream is as it expects: then one of its commands is in the log already.
pub(crate) fn repeats_old_command(error: &AppendError, first_revision: Revision) -> bool {
    let head = first_revision.checked_sub(1);
    matches!(error, AppendError::WrongExpectedRevision { actual } if *actual == head)
}

/// The largest event data, in bytes; the rest is for its type and metadata.
const DATA_BYTES_MAX: usize = EVENT_BYTES_MAX - 16 * 1024;

/// What an event takes of an append's room at most besides its data, in bytes: ids, hashes and names of known lengths.
const SEAL_BYTES_MAX: usize = 1_024;

/// What the events of a command take of an append's room at most, in bytes, before they are sealed.
fn bytes_at_most(encoded: &[codec::Encoded]) -> usize {
    encoded.iter().map(|encoded| encoded.data.len() + SEAL_BYTES_MAX).sum()
}

/// Whether the events of one command cannot go into one append of this size, all or none.
fn too_large(encoded: &[codec::Encoded], room: usize) -> Option<CommandError> {
    let largest = encoded.iter().map(|encoded| encoded.data.len()).max().unwrap_or(0);
    let together = bytes_at_most(encoded);
    if largest > DATA_BYTES_MAX {
        Some(CommandError::TooLarge { bytes: largest, bytes_max: DATA_BYTES_MAX })
    } else if together > room {
        Some(CommandError::TooLarge { bytes: together, bytes_max: room })
    } else {
        None
    }
}

/// How an envelope names who gave a command.
fn actor_name(actor: &Actor) -> String {
    match actor {
        Actor::Admin => "admin".to_owned(),
        Actor::Participant(id, _) => format!("participant:{id}"),
        Actor::Guest => "guest".to_owned(),
        Actor::System => "system".to_owned(),
    }
}

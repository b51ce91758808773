//! Who takes part in a battle, and in which session: the part of a writer's state that others may look at.
//!
//! Heartbeats are nine tenths of the traffic. They are judged by this, so that none of them waits in the mailbox, where
//! commands may stand in line, and none of them reads the log. It holds what is durable and nothing else, and is there as
//! long as the writer is.

use std::collections::HashMap;
use std::slice;

use ahash::RandomState;
use nimaora_domain::{Battle, Event, ParticipantId, Phase, Refusal, SessionId, Status};
use parking_lot::RwLock;

/// How a participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    session_id: SessionId,
    pub(crate) status: Status,
}

/// What a roster says of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It stands so.
    Seated(Seat),
    /// It never joined.
    Nobody,
    /// The battle is over, whoever it is.
    Over,
}

/// Written by the battle's writer alone.
#[derive(Default)]
pub(crate) struct Roster(RwLock<State>);

#[derive(Default)]
enum State {
    /// The battle was not read yet.
    #[default]
    Unread,
    Open(HashMap<ParticipantId, Seat, RandomState>),
    Over,
}

/// What events change in a roster, to be applied when they are durable.
#[derive(Default)]
pub(crate) struct Changes {
    seats: Vec<(ParticipantId, Seat)>,
    over: bool,
}

impl Seat {
    fn of(battle: &Battle, participant_id: ParticipantId) -> Option<Self> {
        let participant = battle.participant(participant_id)?;
        Some(Self { session_id: participant.session_id(), status: participant.status() })
    }

    /// Refuses whom the rules let do nothing, or nothing in this session.
    pub(crate) fn check(&self, session_id: SessionId) -> Result<(), Refusal> {
        match self.status {
            Status::Left => Err(Refusal::ParticipantGone),
            Status::Removed => Err(Refusal::ParticipantBanned),
            Status::Active | Status::Lapsed if self.session_id != session_id => Err(Refusal::SessionReplaced),
            Status::Active | Status::Lapsed => Ok(()),
        }
    }
}

impl Roster {
    /// Takes what is known of everybody from the battle as it was read.
    pub(crate) fn fill(&self, battle: &Battle) {
        let state = match battle.phase() {
            Phase::Finished | Phase::Cancelled => State::Over,
            Phase::Absent | Phase::Created | Phase::Running => {
                let ids = battle.participants().iter().map(nimaora_domain::Participant::id);
                State::Open(ids.filter_map(|id| Some((id, Seat::of(battle, id)?))).collect())
            }
        };
        *self.0.write() = state;
    }

    /// Takes note of what is durable now. Answers whether that ended the battle.
    pub(crate) fn apply(&self, changes: Changes) -> bool {
        let Changes { seats, over } = changes;
        if over {
            *self.0.write() = State::Over;
        } else if !seats.is_empty()
            && let State::Open(open) = &mut *self.0.write()
        {
            open.extend(seats);
        }
        over
    }

    /// How a participant stands; `None` before the battle was read.
    pub(crate) fn look(&self, participant_id: ParticipantId) -> Option<Look> {
        match &*self.0.read() {
            State::Unread => None,
            State::Open(open) => {
                Some(open.get(&participant_id).map_or(Look::Nobody, |seat| Look::Seated(*seat)))
            }
            State::Over => Some(Look::Over),
        }
    }

    /// Whether the battle is over; `None` before it was read.
    pub(crate) fn is_over(&self) -> Option<bool> {
        match &*self.0.read() {
            State::Unread => None,
            State::Open(_) => Some(false),
            State::Over => Some(true),
        }
    }
}

impl Changes {
    /// Takes note of an event that `battle` has just moved on by.
    pub(crate) fn note(&mut self, battle: &Battle, event: &Event) {
        self.over |= matches!(event, Event::BattleFinished(_) | Event::BattleCancelled(_));
        for id in reseated(event) {
            self.seats.extend(Seat::of(battle, *id).map(|seat| (*id, seat)));
        }
    }
}

/// Whose seat an event changes.
fn reseated(event: &Event) -> &[ParticipantId] {
    match event {
        Event::ParticipantJoined(event) => slice::from_ref(&event.participant_id),
        Event::SessionReplaced(event) => slice::from_ref(&event.participant_id),
        Event::ParticipantLeft(event) => slice::from_ref(&event.participant_id),
        Event::ParticipantRemoved(event) => slice::from_ref(&event.participant_id),
        Event::ParticipantReturned(event) => slice::from_ref(&event.participant_id),
        Event::ParticipantsLapsed(event) => &event.participant_ids,
        Event::BattleCreated(_)
        | Event::BattleStarted(_)
        | Event::BattleFinished(_)
        | Event::BattleCancelled(_)
        | Event::AnswerSubmitted(_)
        | Event::AnswerJudged(_)
        | Event::AttackLanded(_)
        | Event::NameErased(_) => &[],
    }
}

//! The private channels of a battle's participants: who listens, and up to where they were told.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use nimaora_domain::{ParticipantId, SessionId};

use crate::Position;
use crate::channel::Channel;
use crate::error::{CloseReason, Refusal};
use crate::pusher::events;
use crate::socket::Socket;
use crate::socket::outbox::Class;

/// Alerts that may wait for a listener whose session is being checked. When it is reached, the oldest is dropped; the tables have it.
const WAITING_ALERTS_MAX: usize = 100;

/// The inboxes of the participants that listen on this node.
#[derive(Debug, Default)]
pub(crate) struct Inboxes {
    by_participant: AHashMap<ParticipantId, Inbox>,
    /// Those for whom an alert was held back, or who were let in while some are owed: they are caught up with before all others.
    urgent: VecDeque<ParticipantId>,
    next_key: u64,
}

#[derive(Debug, Default)]
struct Inbox {
    /// What happened up to here is not owed to the listeners: they were told, or did not listen yet.
    told_up_to: Position,
    /// The position of the last alert that was sent; a repeat is not past it.
    last_alert_at: Position,
    /// The position of the last score that was sent.
    last_score_at: Position,
    /// Alerts after `told_up_to` were lost: those that come are held back until the tables have told them all. The position of
    /// the newest that was held back, or 0.
    held_back: Option<Position>,
    /// The participant's row may say something that was lost.
    is_row_owed: bool,
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    key: u64,
    socket: Arc<Socket>,
    session_id: SessionId,
    /// Whether it gets alerts and scores; else only the end of its session concerns it.
    hears: bool,
    standing: Standing,
    /// What happened up to here it was told, or is not to be told.
    told_up_to: Position,
    /// Alerts that came while its session was being checked.
    waiting: VecDeque<(Position, Bytes)>,
}

/// The alerts that somebody missed while it had no socket, in their order.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// Each with its position.
    pub(crate) alerts: VecDeque<(Position, Bytes)>,
    /// The tables told all up to here, or more.
    pub(crate) read_up_to: Position,
}

#[derive(Debug)]
enum Standing {
    /// The session is being checked; meanwhile it was heard to have ended at this position (0 when it was not).
    Reserved { ended_at: Position },
    /// At this position the session was the participant's newest.
    Open { verified_at: Position },
}

/// Alerts that a participant's listeners are owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwedAlerts {
    /// What came after this.
    pub(crate) after: Position,
    /// At least up to here.
    pub(crate) up_to: Position,
}

/// Whether the tables have told all alerts that were owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// From here on alerts are told as they come.
    Whole,
    /// Some were held back while the tables were read.
    MoreCame,
    /// The tables do not have what was held back.
    Lacking,
}

impl Inboxes {
    /// Adds a listener that gets nothing yet, and tells its key.
    pub(crate) fn reserve(&mut self, id: ParticipantId, socket: Arc<Socket>, session_id: SessionId) -> u64 {
        self.add(id, socket, session_id, true)
    }

    /// Adds one that only the end of its session concerns, and tells its key.
    pub(crate) fn watch_session(
        &mut self,
        id: ParticipantId,
        socket: Arc<Socket>,
        session_id: SessionId,
    ) -> u64 {
        self.add(id, socket, session_id, false)
    }

    fn add(&mut self, id: ParticipantId, socket: Arc<Socket>, session_id: SessionId, hears: bool) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        let standing = Standing::Reserved { ended_at: 0 };
        let listener =
            Listener { key, socket, session_id, hears, standing, told_up_to: 0, waiting: VecDeque::new() };
        let inbox = self.by_participant.entry(id).or_default();
        inbox.listeners.reserve_exact(1);
        inbox.listeners.push(listener);
        key
    }

    /// Confirms a listener's subscription, tells it what it missed, and lets it get what comes. Answers to how many alerts it was told.
    pub(crate) fn open(
        &mut self,
        id: ParticipantId,
        key: u64,
        verified_at: Position,
        missed: &Missed,
    ) -> Result<usize, Refusal> {
        let is_first = !self.by_participant.get(&id).is_some_and(Inbox::is_open);
        let (inbox, at) = self.admit(id, key, verified_at)?;
        let listener = &mut inbox.listeners[at];
        // Sent here, under the lock, so that nothing overtakes the confirmation.
        listener.socket.send(Class::Answer, &events::subscribed(&Channel::Participant(id).to_string()));
        let told = listener.tell_missed(verified_at, missed);
        if is_first {
            inbox.told_up_to = inbox.told_up_to.max(listener.told_up_to);
        }
        if inbox.held_back.is_some() {
            self.urgent.push_back(id);
        }
        Ok(told)
    }

    /// Lets in one that only the end of its session concerns.
    pub(crate) fn admit_watcher(
        &mut self,
        id: ParticipantId,
        key: u64,
        verified_at: Position,
    ) -> Result<(), Refusal> {
        self.admit(id, key, verified_at).map(drop)
    }

    /// The listener's inbox and its place there, unless its session ended after `verified_at`.
    fn admit(
        &mut self,
        id: ParticipantId,
        key: u64,
        verified_at: Position,
    ) -> Result<(&mut Inbox, usize), Refusal> {
        let inbox = self.by_participant.get_mut(&id).ok_or(Refusal::SessionEnded)?;
        let at = inbox.listeners.iter().position(|listener| listener.key == key);
        let at = at.ok_or(Refusal::SessionEnded)?;
        let listener = &mut inbox.listeners[at];
        if let Standing::Reserved { ended_at } = listener.standing
            && ended_at > verified_at
        {
            return Err(Refusal::SessionEnded);
        }
        listener.standing = Standing::Open { verified_at };
        Ok((inbox, at))
    }

    /// Forgets a listener.
    pub(crate) fn remove(&mut self, id: ParticipantId, key: u64) {
        if let Some(inbox) = self.by_participant.get_mut(&id) {
            inbox.listeners.retain(|listener| listener.key != key);
            if inbox.listeners.is_empty() {
                self.by_participant.remove(&id);
            }
        }
    }

    /// Sends an alert, unless it is a repeat, or one that must not overtake those that are owed. The frame is made only when
    /// somebody listens; answers to how many it went.
    pub(crate) fn alert(
        &mut self,
        id: ParticipantId,
        position: Position,
        is_owed: bool,
        frame: impl FnOnce() -> Bytes,
    ) -> usize {
        let Some(inbox) = self.by_participant.get_mut(&id) else { return 0 };
        if let Some(held_back) = &mut inbox.held_back
            && !is_owed
        {
            if *held_back == 0 {
                self.urgent.push_back(id);
            }
            *held_back = position.max(*held_back);
            return 0;
        }
        if position <= inbox.last_alert_at {
            return 0;
        }
        inbox.last_alert_at = position;
        inbox.told_up_to = inbox.told_up_to.max(position);
        inbox.alert(position, frame)
    }

    /// Whether somebody listens who was not told this score or a newer one.
    pub(crate) fn awaits_score(&self, id: ParticipantId, position: Position) -> bool {
        let inbox = self.by_participant.get(&id);
        inbox.is_some_and(|inbox| position > inbox.last_score_at && inbox.is_open())
    }

    /// The participants that somebody listens for.
    pub(crate) fn listening(&self) -> Vec<ParticipantId> {
        self.by_participant.iter().filter(|(_, inbox)| inbox.is_open()).map(|(id, _)| *id).collect()
    }

    /// The same, each with the number of its sockets.
    pub(crate) fn listeners(&self) -> Vec<(ParticipantId, usize)> {
        self.by_participant.iter().map(|(id, inbox)| (*id, inbox.sockets())).collect()
    }

    /// How many sockets listen for a participant.
    pub(crate) fn listeners_of(&self, id: ParticipantId) -> usize {
        self.by_participant.get(&id).map_or(0, Inbox::sockets)
    }

    /// Sends a score, unless a newer one was sent. The same as [`Inboxes::alert`] in all else.
    pub(crate) fn score(
        &mut self,
        id: ParticipantId,
        position: Position,
        frame: impl FnOnce() -> Bytes,
    ) -> usize {
        match self.by_participant.get_mut(&id) {
            Some(inbox) if position > inbox.last_score_at => {
                inbox.last_score_at = position;
                inbox.send(Class::Default, frame)
            }
            _ => 0,
        }
    }

    /// Ends the participant's sessions but `newest`, which began at `position`: their listeners are told and closed.
    pub(crate) fn end_sessions(
        &mut self,
        id: ParticipantId,
        position: Position,
        newest: Option<SessionId>,
        frame: &Bytes,
    ) {
        let Some(inbox) = self.by_participant.get_mut(&id) else { return };
        for listener in &mut inbox.listeners {
            if newest == Some(listener.session_id) {
                continue;
            }
            match &mut listener.standing {
                Standing::Reserved { ended_at } => *ended_at = position.max(*ended_at),
                // The table was ahead of this change when the session was checked.
                Standing::Open { verified_at } if *verified_at >= position => {}
                Standing::Open { .. } => {
                    listener.socket.send(Class::Broadcast, frame);
                    listener.socket.close(CloseReason::SessionEnded);
                }
            }
        }
    }

    /// Alerts were lost: all who listen are owed what came after the last that they were told, and those who are being let in what
    /// came after what they will have been told then.
    pub(crate) fn owe_alerts(&mut self) {
        for inbox in self.by_participant.values_mut() {
            inbox.held_back.get_or_insert(0);
        }
    }

    /// Whether the participant is owed something.
    pub(crate) fn is_owed(&self, id: ParticipantId) -> bool {
        self.by_participant.get(&id).is_some_and(|inbox| inbox.is_row_owed || inbox.held_back.is_some())
    }

    /// Scores and ends of sessions were lost. Those who are about to listen are owed them too: their session may have been checked
    /// before it ended.
    pub(crate) fn owe_rows(&mut self) {
        for inbox in self.by_participant.values_mut() {
            inbox.is_row_owed = true;
        }
    }

    /// A participant's row is owed, or owed still.
    pub(crate) fn owe_row(&mut self, id: ParticipantId) {
        if let Some(inbox) = self.by_participant.get_mut(&id) {
            inbox.is_row_owed = true;
        }
    }

    /// All participants that are owed something.
    pub(crate) fn owed(&self) -> Vec<ParticipantId> {
        let owed =
            self.by_participant.iter().filter(|(_, inbox)| inbox.is_row_owed || inbox.held_back.is_some());
        owed.map(|(id, _)| *id).collect()
    }

    /// The next who is to be caught up with before all others.
    pub(crate) fn next_urgent(&mut self) -> Option<ParticipantId> {
        self.urgent.pop_front()
    }

    /// Whether the participant's row is owed. From here on it is not.
    pub(crate) fn take_owed_row(&mut self, id: ParticipantId) -> bool {
        self.by_participant.get_mut(&id).is_some_and(|inbox| std::mem::take(&mut inbox.is_row_owed))
    }

    /// The alerts that the participant is owed, if any are and somebody has been let in to hear them.
    pub(crate) fn owed_alerts(&self, id: ParticipantId) -> Option<OwedAlerts> {
        let inbox = self.by_participant.get(&id).filter(|inbox| inbox.is_open())?;
        inbox.held_back.map(|up_to| OwedAlerts { after: inbox.told_up_to, up_to })
    }

    /// The tables, asked when alerts were owed at least up to `asked_up_to`, have told the last of those that they have.
    pub(crate) fn settle_alerts(&mut self, id: ParticipantId, asked_up_to: Position) -> Settled {
        let Some(inbox) = self.by_participant.get_mut(&id) else { return Settled::Whole };
        match inbox.held_back {
            Some(held_back) if held_back > inbox.told_up_to && held_back > asked_up_to => Settled::MoreCame,
            Some(held_back) if held_back > inbox.told_up_to => Settled::Lacking,
            _ => {
                inbox.held_back = None;
                Settled::Whole
            }
        }
    }
}

impl Inbox {
    fn sockets(&self) -> usize {
        self.listeners.iter().filter(|listener| listener.is_open()).count()
    }

    fn is_open(&self) -> bool {
        self.listeners.iter().any(Listener::is_open)
    }

    /// Whoever is being checked gets it once it is let in.
    fn alert(&mut self, position: Position, frame: impl FnOnce() -> Bytes) -> usize {
        let mut listeners = self.listeners.iter_mut().filter(|listener| listener.lacks(position)).peekable();
        if listeners.peek().is_none() {
            return 0;
        }
        let frame = frame();
        listeners.map(|listener| usize::from(listener.alert(position, &frame))).sum()
    }

    fn send(&self, class: Class, frame: impl FnOnce() -> Bytes) -> usize {
        if !self.is_open() {
            return 0;
        }
        let frame = frame();
        let open = self.listeners.iter().filter(|listener| listener.is_open());
        open.map(|listener| listener.socket.send(class, &frame)).count()
    }
}

impl Listener {
    /// Sends an alert, or keeps it until the listener is let in; answers whether it was sent.
    fn alert(&mut self, position: Position, frame: &Bytes) -> bool {
        if self.is_open() {
            self.told_up_to = position;
            self.socket.send(Class::Attack, frame);
            return true;
        }
        if self.waiting.len() >= WAITING_ALERTS_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((position, frame.clone()));
        false
    }

    /// Sends what the tables told, and what came since they were read.
    fn tell_missed(&mut self, verified_at: Position, missed: &Missed) -> usize {
        for (_, frame) in &missed.alerts {
            self.socket.send(Class::Attack, frame);
        }
        let mut told = missed.alerts.len();
        self.told_up_to = missed.read_up_to.max(verified_at);
        for (position, frame) in std::mem::take(&mut self.waiting) {
            told += usize::from(self.told_up_to < position && self.alert(position, &frame));
        }
        told
    }

    fn lacks(&self, position: Position) -> bool {
        self.hears && self.told_up_to < position
    }

    /// Whether it gets what comes.
    fn is_open(&self) -> bool {
        self.hears && matches!(self.standing, Standing::Open { .. })
    }
}

#[cfg(test)]
mod tests;

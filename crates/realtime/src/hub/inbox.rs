//! The private channels of a battle's participants: who listens, and up to where they were told.

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

/// The inboxes of the participants that listen on this node.
#[derive(Debug, Default)]
pub(crate) struct Inboxes {
    by_participant: AHashMap<ParticipantId, Inbox>,
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
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    key: u64,
    socket: Arc<Socket>,
    session_id: SessionId,
    standing: Standing,
}

#[derive(Debug)]
enum Standing {
    /// The session is being checked; meanwhile it was heard to have ended at this position (0 when it was not).
    Reserved { ended_at: Position },
    /// At this position the session was the participant's newest.
    Open { verified_at: Position },
}

/// A participant whose listeners may have missed something.
pub(crate) struct Behind {
    pub(crate) participant_id: ParticipantId,
    /// What came after this is owed.
    pub(crate) after: Position,
}

impl Inboxes {
    /// Adds a listener that gets nothing yet, and tells its key.
    pub(crate) fn reserve(&mut self, id: ParticipantId, socket: Arc<Socket>, session_id: SessionId) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        let listener = Listener { key, socket, session_id, standing: Standing::Reserved { ended_at: 0 } };
        let inbox = self.by_participant.entry(id).or_default();
        inbox.listeners.reserve_exact(1);
        inbox.listeners.push(listener);
        key
    }

    /// Confirms a listener's subscription and lets it get what comes.
    pub(crate) fn open(&mut self, id: ParticipantId, key: u64, verified_at: Position) -> Result<(), Refusal> {
        let inbox = self.by_participant.get_mut(&id).ok_or(Refusal::SessionEnded)?;
        let is_first = !inbox.listeners.iter().any(Listener::is_open);
        let listener =
            inbox.listeners.iter_mut().find(|listener| listener.key == key).ok_or(Refusal::SessionEnded)?;
        if let Standing::Reserved { ended_at } = listener.standing
            && ended_at > verified_at
        {
            return Err(Refusal::SessionEnded);
        }
        listener.standing = Standing::Open { verified_at };
        // Sent here, under the lock, so that nothing overtakes the confirmation.
        listener.socket.send(Class::Answer, &events::subscribed(Channel::Participant(id)));
        if is_first {
            inbox.told_up_to = inbox.told_up_to.max(verified_at);
        }
        Ok(())
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

    /// Sends an alert, unless it is a repeat. The frame is made only when somebody listens; answers to how many it went.
    pub(crate) fn alert(
        &mut self,
        id: ParticipantId,
        position: Position,
        frame: impl FnOnce() -> Bytes,
    ) -> usize {
        match self.by_participant.get_mut(&id) {
            Some(inbox) if position > inbox.last_alert_at => {
                inbox.last_alert_at = position;
                inbox.told_up_to = inbox.told_up_to.max(position);
                inbox.send(Class::Attack, frame)
            }
            _ => 0,
        }
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

    /// All participants that listen, with what they are owed after changes were lost.
    pub(crate) fn behind(&self) -> Vec<Behind> {
        let listening = self.by_participant.iter().filter(|(_, inbox)| inbox.is_open());
        listening.map(|(id, inbox)| Behind { participant_id: *id, after: inbox.told_up_to }).collect()
    }
}

impl Inbox {
    fn is_open(&self) -> bool {
        self.listeners.iter().any(Listener::is_open)
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
    fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::socket::tests::socket;

    const ID: ParticipantId = ParticipantId(Uuid::from_u128(1));
    const OLD: SessionId = SessionId(Uuid::from_u128(2));
    const NEW: SessionId = SessionId(Uuid::from_u128(3));

    fn frame() -> Bytes {
        Bytes::from_static(b"frame")
    }

    #[tokio::test]
    async fn a_session_that_ends_while_it_is_checked_does_not_get_in() {
        let (socket, _client) = socket().await;
        let mut inboxes = Inboxes::default();
        let key = inboxes.reserve(ID, Arc::new(socket), OLD);
        inboxes.end_sessions(ID, 5, Some(NEW), &frame());
        // The table was read before the end of the session was written to it.
        assert_eq!(inboxes.open(ID, key, 4), Err(Refusal::SessionEnded));
        assert_eq!(inboxes.alert(ID, 6, frame), 0);
    }

    #[tokio::test]
    async fn old_news_of_sessions_closes_nobody() {
        let (socket, _client) = socket().await;
        let mut inboxes = Inboxes::default();
        let key = inboxes.reserve(ID, Arc::new(socket), NEW);
        inboxes.end_sessions(ID, 5, Some(OLD), &frame());
        assert_eq!(inboxes.open(ID, key, 7), Ok(()));
        inboxes.end_sessions(ID, 6, Some(OLD), &frame());
        assert_eq!(inboxes.alert(ID, 8, frame), 1);
    }

    #[tokio::test]
    async fn each_alert_goes_to_all_listeners_once() {
        let ((one, _one), (two, _two)) = (socket().await, socket().await);
        let mut inboxes = Inboxes::default();
        let keys = [one, two].map(|socket| inboxes.reserve(ID, Arc::new(socket), OLD));
        assert_eq!(inboxes.alert(ID, 1, frame), 0, "nobody has been let in yet");
        for key in keys {
            inboxes.open(ID, key, 1).unwrap();
        }
        assert_eq!(inboxes.alert(ID, 2, frame), 2);
        assert_eq!(inboxes.alert(ID, 2, frame), 0);
        assert_eq!(inboxes.behind().iter().map(|behind| behind.after).collect::<Vec<_>>(), [2]);
        inboxes.remove(ID, keys[0]);
        assert_eq!(inboxes.alert(ID, 3, frame), 1);
        inboxes.remove(ID, keys[1]);
        assert!(inboxes.by_participant.is_empty(), "an inbox ends with its last listener");
    }
}

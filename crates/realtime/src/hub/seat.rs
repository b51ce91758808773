//! What a subscription holds. Dropping it ends the subscription, whatever way the socket ends.

use std::sync::Arc;

use nimaora_domain::{BattleId, ParticipantId, SessionId};

use super::Hub;
use super::inbox::Missed;
use super::room::Room;
use super::slots::Slot;
use crate::Position;
use crate::error::Refusal;
use crate::metrics;
use crate::socket::Socket;

/// Keeps a battle followed.
pub(crate) struct Occupancy {
    hub: Arc<Hub>,
    room: Arc<Room>,
}

/// A socket that gets a battle's board and news.
pub(crate) struct BoardSeat {
    occupancy: Occupancy,
    slot: Slot,
}

/// A socket that is to be closed when its participant's session ends.
pub(crate) struct SessionSeat(InboxSeat);

/// A socket that gets, or is about to get, what happens to a participant.
pub(crate) struct InboxSeat {
    occupancy: Occupancy,
    participant_id: ParticipantId,
    key: u64,
}

impl Occupancy {
    /// The room must have counted this occupant.
    pub(super) fn new(hub: Arc<Hub>, room: Arc<Room>) -> Self {
        Self { hub, room }
    }

    pub(super) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Confirms the subscription, sends the current board, and sends what comes.
    pub(crate) fn watch_board(self, socket: &Arc<Socket>) -> BoardSeat {
        let slot = self.room.add_viewer(socket);
        BoardSeat { occupancy: self, slot }
    }

    /// From here on the end of the session is noticed, and closes the socket once it is let in with [`SessionSeat::admit`].
    pub(crate) fn watch_session(
        self,
        socket: &Arc<Socket>,
        participant_id: ParticipantId,
        session_id: SessionId,
    ) -> SessionSeat {
        let key = self.room.inboxes.lock().watch_session(participant_id, Arc::clone(socket), session_id);
        SessionSeat(InboxSeat { occupancy: self, participant_id, key })
    }

    /// From here on the end of the session is noticed; nothing is sent before [`InboxSeat::open`].
    pub(crate) fn reserve_inbox(
        self,
        socket: &Arc<Socket>,
        participant_id: ParticipantId,
        session_id: SessionId,
    ) -> InboxSeat {
        let key = self.room.inboxes.lock().reserve(participant_id, Arc::clone(socket), session_id);
        InboxSeat { occupancy: self, participant_id, key }
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.hub.rooms.leave(self.room.battle_id);
    }
}

impl BoardSeat {
    pub(crate) fn battle_id(&self) -> BattleId {
        self.occupancy.room.battle_id
    }
}

impl Drop for BoardSeat {
    fn drop(&mut self) {
        self.occupancy.room.remove_viewer(self.slot);
    }
}

impl InboxSeat {
    pub(crate) fn participant_id(&self) -> ParticipantId {
        self.participant_id
    }

    /// Confirms the subscription, sends what was missed and what comes, unless the session has ended after `verified_at`, the
    /// position at which it was the newest.
    pub(crate) fn open(self, verified_at: Position, missed: &Missed) -> Result<Self, Refusal> {
        let (id, key) = (self.participant_id, self.key);
        let room = &self.occupancy.room;
        let mut inboxes = room.inboxes.lock();
        let told = inboxes.open(id, key, verified_at, missed)?;
        if inboxes.is_owed(id) {
            room.owed.came();
        }
        drop(inboxes);
        metrics::told_missed(told);
        Ok(self)
    }
}

impl SessionSeat {
    /// Lets it in, unless the session has ended after `verified_at`, the position at which it was the newest.
    pub(crate) fn admit(self, verified_at: Position) -> Result<Self, Refusal> {
        let InboxSeat { occupancy, participant_id, key } = &self.0;
        occupancy.room.inboxes.lock().admit_watcher(*participant_id, *key, verified_at)?;
        Ok(self)
    }
}

impl Drop for InboxSeat {
    fn drop(&mut self) {
        self.occupancy.room.inboxes.lock().remove(self.participant_id, self.key);
    }
}

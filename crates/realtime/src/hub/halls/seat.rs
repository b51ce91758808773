//! What a subscription to such a channel holds. Dropping it ends the subscription, whatever way the socket ends.

use std::sync::Arc;

use super::hall::{Hall, Member};
use super::roster::UserId;
use crate::channel::Name;
use crate::hub::Hub;
use crate::hub::slots::Slot;
use crate::socket::Socket;
use crate::webhooks::{Occurred, WebhookEvent};

/// Keeps a channel there.
pub(crate) struct HallOccupancy {
    hub: Arc<Hub>,
    hall: Arc<Hall>,
}

/// A socket that gets what is said in a channel.
pub(crate) struct HallSeat {
    occupancy: HallOccupancy,
    slot: Slot,
    user_id: Option<UserId>,
}

impl HallOccupancy {
    /// The hall must have counted this occupant.
    pub(super) fn new(hub: Arc<Hub>, hall: Arc<Hall>) -> Self {
        Self { hub, hall }
    }

    pub(super) fn hall(&self) -> &Arc<Hall> {
        &self.hall
    }

    /// Confirms the subscription, and sends what comes.
    pub(crate) fn listen(self, socket: &Arc<Socket>, member: Option<&Member>) -> HallSeat {
        let last = || {
            let last = self.hub.halls.last(&self.hub, self.hall.name.text());
            if last.is_none() {
                let missed = || Occurred::new(WebhookEvent::CacheMiss, self.hall.name.text());
                self.hub.webhooks.tell(missed);
            }
            last
        };
        let slot = self.hall.join(&self.hub.link, socket, member, last);
        if member.is_some() || self.hall.is_counted() {
            self.hub.halls.follow_up(&self.hub, &self.hall);
        }
        HallSeat { occupancy: self, slot, user_id: member.map(|member| Arc::clone(&member.user_id)) }
    }
}

impl HallOccupancy {
    /// Counts a socket that is told by somebody else.
    pub(crate) fn accompany(self, socket: &Arc<Socket>) -> HallSeat {
        let slot = self.hall.accompany(socket);
        if self.hall.is_counted() {
            self.hub.halls.follow_up(&self.hub, &self.hall);
        }
        HallSeat { occupancy: self, slot, user_id: None }
    }
}

impl Drop for HallOccupancy {
    fn drop(&mut self) {
        self.hub.halls.leave(&self.hub, &self.hall);
    }
}

impl HallSeat {
    pub(crate) fn name(&self) -> &Name {
        &self.occupancy.hall.name
    }

    /// The member whose socket it is, in a presence channel.
    pub(crate) fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }
}

impl Drop for HallSeat {
    fn drop(&mut self) {
        let HallOccupancy { hub, hall } = &self.occupancy;
        if hall.leave(self.slot, hub.now_ms(), hub.config.presence_grace_ms) || hall.is_counted() {
            hub.halls.tend(hall);
        }
    }
}

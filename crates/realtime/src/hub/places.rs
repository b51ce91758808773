//! Telling the other nodes what is on this one, and hearing it of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Hub;
use super::halls::seat::HallSeat;
use super::users::News;
use super::whereabouts::Whereabouts;
use crate::channel::{Channel, Name};
use crate::cluster::{About, NodeId, Say, Word};
use crate::socket::Socket;
use crate::webhooks::{Occurred, WebhookEvent};

/// How long it may take to count a socket in, while a node begins. Then it is not counted: it has subscribed all the same.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

impl Hub {
    fn whereabouts(&self, about: About) -> &Whereabouts {
        match about {
            About::Channels => &self.halls.occupied,
            About::Users => &self.users.online,
        }
    }

    /// Says it to the other nodes.
    pub(crate) fn say_whereabouts(&self, about: About, word: Word) {
        self.link.say_to_peers(|| Say::Whereabouts { about, word });
    }

    /// Says what was said last, so that who missed something notices.
    pub(crate) fn say_still(&self) {
        for about in [About::Channels, About::Users] {
            self.say_whereabouts(about, self.whereabouts(about).still());
        }
    }

    /// Another node says what is on it, or asks what is here.
    pub(crate) fn hear_whereabouts(&self, from: NodeId, about: About, word: Word) {
        if about == About::Channels && !self.webhooks.are_there() {
            return;
        }
        let whereabouts = self.whereabouts(about);
        if let Word::Ask { of } = word {
            if of == self.link.id {
                whereabouts.tell_whole(|word| self.link.say(Say::Whereabouts { about, word }));
            }
            return;
        }
        let now_ms = self.now_ms();
        let ask = match about {
            About::Channels => {
                let _in_order = self.halls.telling.lock();
                let heard = whereabouts.heard(from, word, now_ms);
                if heard.is_untold && self.link.speaks_for_others() {
                    for channel in &heard.appeared {
                        self.webhooks.tell(|| Occurred::new(WebhookEvent::ChannelOccupied, channel));
                    }
                }
                heard.ask
            }
            About::Users => {
                let mut ask = false;
                self.users.change(|online| {
                    let heard = online.heard(from, word, now_ms);
                    ask = heard.ask;
                    News { online: heard.appeared, ..News::default() }
                });
                ask
            }
        };
        if ask {
            self.link.say(Say::Whereabouts { about, word: Word::Ask { of: from } });
        }
    }

    /// Counts a socket of a battle's board or a participant's own channel among those of its channel, where that is of interest.
    pub(crate) async fn accompany(
        self: &Arc<Self>,
        channel: Channel,
        socket: &Arc<Socket>,
    ) -> Option<HallSeat> {
        let wanted = [WebhookEvent::ChannelOccupied, WebhookEvent::ChannelVacated];
        if !self.config.subscription_counts && !wanted.iter().any(|event| self.webhooks.want(*event)) {
            return None;
        }
        let name = Name::beside(&channel);
        let entered = timeout(COUNT_TIMEOUT, self.halls.enter(self, &name)).await.ok()?;
        Some(entered.accompany(socket))
    }
}

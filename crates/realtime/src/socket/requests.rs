//! What a client asks for, and the channels it listens to.

use std::sync::Arc;

use nimaora_domain::ParticipantId;

use super::{Class, Socket};
use crate::channel::Channel;
use crate::error::Refusal;
use crate::grant::Grant;
use crate::hub::Hub;
use crate::hub::seat::{BoardSeat, InboxSeat};
use crate::metrics;
use crate::pusher::events;
use crate::pusher::requests::{self, Request, Subscribe, Unsubscribe};

/// The channels of one socket. Dropping it leaves them all.
#[derive(Default)]
pub(crate) struct Listening {
    subscriptions: Vec<Subscription>,
}

/// Held while the socket gets what is said in a channel.
enum Subscription {
    Battle(BoardSeat),
    Participant(InboxSeat),
}

impl Subscription {
    fn channel(&self) -> Channel {
        match self {
            Self::Battle(seat) => Channel::Battle(seat.battle_id()),
            Self::Participant(seat) => Channel::Participant(seat.participant_id()),
        }
    }
}

impl Listening {
    /// Does what the message asks for, or tells the client why not.
    pub(crate) async fn request(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, text: &str) {
        match requests::parse(text) {
            Ok(Request::Ping) => socket.send(Class::Answer, &events::PONG),
            Ok(Request::Pong) => {}
            Ok(Request::Subscribe(request)) => {
                if let Err(refusal) = self.subscribe(hub, socket, &request).await {
                    metrics::refused(refusal);
                    socket.send(Class::Answer, &events::refused(&request.channel, refusal));
                }
            }
            Ok(Request::Unsubscribe(request)) => self.unsubscribe(&request),
            Err(why) => {
                metrics::misunderstood();
                socket.send(Class::Answer, &events::misunderstood(why));
            }
        }
    }

    async fn subscribe(
        &mut self,
        hub: &Arc<Hub>,
        socket: &Arc<Socket>,
        request: &Subscribe,
    ) -> Result<(), Refusal> {
        let channel = Channel::parse(&request.channel)?;
        // Subscribing again begins anew, so that the client gets its confirmation and the current board.
        self.leave(channel);
        if self.subscriptions.len() >= hub.config.channels_per_socket_max {
            return Err(Refusal::TooManyChannels);
        }
        let subscription = match channel {
            Channel::Battle(battle_id) => {
                Subscription::Battle(hub.rooms.enter(hub, battle_id).await?.watch_board(socket))
            }
            Channel::Participant(id) => Subscription::Participant(listen(hub, socket, id, request).await?),
        };
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// The protocol has no answer to it. A channel that the socket does not listen to is none to leave.
    fn unsubscribe(&mut self, request: &Unsubscribe) {
        if let Ok(channel) = Channel::parse(&request.channel) {
            self.leave(channel);
        }
    }

    fn leave(&mut self, channel: Channel) {
        self.subscriptions.retain(|subscription| subscription.channel() != channel);
    }
}

/// A private channel: the signature proves that a node has seen the participant's token, and the table, that its session is
/// still the newest.
async fn listen(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    id: ParticipantId,
    request: &Subscribe,
) -> Result<InboxSeat, Refusal> {
    let auth = request.auth.as_deref().ok_or(Refusal::SignatureMissing)?;
    let data = request.channel_data.as_deref();
    hub.application.verify(auth, &socket.id.to_string(), &request.channel, data)?;
    let grant = Grant::read(data)?;
    let seat = hub.rooms.enter(hub, grant.battle_id).await?.reserve_inbox(socket, id, grant.session_id);
    let verified_at = hub.verify_session(grant.battle_id, id, grant.session_id).await?;
    seat.open(verified_at)
}

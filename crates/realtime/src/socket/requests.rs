//! What a client asks for, and the channels it listens to.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, ParticipantId};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Class, Socket};
use crate::channel::{Channel, Name};
use crate::error::Refusal;
use crate::grant::{Grant, Membership};
use crate::hub::Hub;
use crate::hub::halls::seat::HallSeat;
use crate::hub::inbox::Missed;
use crate::hub::seat::{BoardSeat, InboxSeat, SessionSeat};
use crate::metrics;
use crate::pusher::events;
use crate::pusher::requests::{self, Request, Subscribe, Unsubscribe};

/// How long reading what a participant missed may take; then it is let in without.
const MISSED_TIMEOUT: Duration = Duration::from_millis(1_500);

/// The channels of one socket, and those that it has asked for. Dropping it leaves them all.
#[derive(Default)]
pub(crate) struct Listening {
    subscriptions: Vec<Subscription>,
    /// Only while something is asked for, so that idle sockets do not hold its room.
    asked: Option<Box<Asked>>,
}

/// Held while the socket gets what is said in a channel.
enum Subscription {
    Battle(BoardSeat),
    Participant(InboxSeat),
    Named {
        seat: HallSeat,
        /// Held while the end of the member's session concerns the socket.
        _session: Option<SessionSeat>,
    },
}

/// What the client has asked for and has no answer to yet, one after the other in its order.
struct Asked {
    /// The channel that is being subscribed to.
    channel: Channel,
    opening: Pin<Box<dyn Future<Output = Result<Subscription, Refusal>> + Send>>,
    /// At most as many as a socket may have channels, less the one above.
    behind: VecDeque<Wish>,
    /// When whatever has no answer is refused.
    deadline: Instant,
}

/// A subscription that nothing is wrong with as far as the request goes.
#[derive(Clone)]
enum Wish {
    Battle(BattleId),
    Participant(ParticipantId, Grant),
    Presence(Name, Box<Membership>),
}

impl Listening {
    /// Does what the message asks for, begins with it, or tells the client why not.
    pub(crate) fn request(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, text: &str) {
        match requests::parse(text) {
            Ok(Request::Ping) => socket.send(Class::Answer, &events::PONG),
            Ok(Request::Pong) => {}
            Ok(Request::Subscribe(request)) => {
                if let Err(refusal) = self.subscribe(hub, socket, &request) {
                    refuse(socket, &request.channel, refusal);
                }
            }
            Ok(Request::Unsubscribe(request)) => self.unsubscribe(hub, socket, &request),
            Err(why) => {
                metrics::misunderstood();
                socket.send(Class::Answer, &events::misunderstood(why));
            }
        }
    }

    /// Whether [`Listening::progress`] has something to wait for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Waits for the answer to what was asked first, and begins with what was asked next. Cancel safe.
    pub(crate) async fn progress(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>) {
        let opened = match &mut self.asked {
            Some(asked) => asked.opening.as_mut().await,
            None => pending().await,
        };
        let Some(asked) = self.asked.take() else { return };
        match opened {
            Ok(subscription) => self.subscriptions.push(subscription),
            Err(refusal) => refuse(socket, &asked.channel.to_string(), refusal),
        }
        self.begin(hub, socket, asked.behind, asked.deadline);
    }

    fn subscribe(
        &mut self,
        hub: &Arc<Hub>,
        socket: &Arc<Socket>,
        request: &Subscribe,
    ) -> Result<(), Refusal> {
        let wish = Wish::read(hub, socket, request)?;
        match &mut self.asked {
            Some(asked) if asked.behind.len() + 1 >= hub.config.channels_per_socket_max => {
                Err(Refusal::TooManyChannels)
            }
            Some(asked) => {
                asked.behind.push_back(wish);
                Ok(())
            }
            None => {
                let patience = Duration::from_millis(hub.config.subscribe_timeout_ms);
                self.begin(hub, socket, VecDeque::from([wish]), Instant::now() + patience);
                Ok(())
            }
        }
    }

    /// Begins with the first wish that can be begun with.
    fn begin(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, mut wishes: VecDeque<Wish>, deadline: Instant) {
        while let Some(wish) = wishes.pop_front() {
            let channel = wish.channel();
            // Subscribing again begins anew, so that the client gets its confirmation and the current board.
            self.leave(&channel);
            if self.subscriptions.len() >= hub.config.channels_per_socket_max {
                refuse(socket, &channel.to_string(), Refusal::TooManyChannels);
                continue;
            }
            let opening = Box::pin(wish.open(Arc::clone(hub), Arc::clone(socket), deadline));
            self.asked = Some(Box::new(Asked { channel, opening, behind: wishes, deadline }));
            return;
        }
    }

    /// The protocol has no answer to it. A channel that the socket does not listen to is none to leave.
    fn unsubscribe(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, request: &Unsubscribe) {
        let Ok(channel) = Channel::parse(&request.channel) else { return };
        self.leave(&channel);
        let Some(asked) = &mut self.asked else { return };
        asked.behind.retain(|wish| wish.channel() != channel);
        if asked.channel == channel
            && let Some(asked) = self.asked.take()
        {
            self.begin(hub, socket, asked.behind, asked.deadline);
        }
    }

    fn leave(&mut self, channel: &Channel) {
        self.subscriptions.retain(|subscription| subscription.channel() != *channel);
    }
}

impl Subscription {
    fn channel(&self) -> Channel {
        match self {
            Self::Battle(seat) => Channel::Battle(seat.battle_id()),
            Self::Participant(seat) => Channel::Participant(seat.participant_id()),
            Self::Named { seat, .. } => Channel::Named(seat.name().clone()),
        }
    }
}

impl Wish {
    /// Reads the request. A private channel needs a signature, which proves that a node has seen the participant's token.
    fn read(hub: &Hub, socket: &Socket, request: &Subscribe) -> Result<Self, Refusal> {
        match Channel::parse(&request.channel)? {
            Channel::Battle(battle_id) => Ok(Self::Battle(battle_id)),
            Channel::Participant(id) => {
                check(hub, socket, request)?;
                Ok(Self::Participant(id, Grant::read(request.channel_data.as_deref())?))
            }
            Channel::Named(name) => {
                check(hub, socket, request)?;
                let membership = Membership::read(request.channel_data.as_deref())?;
                Ok(Self::Presence(name, Box::new(membership)))
            }
        }
    }

    fn channel(&self) -> Channel {
        match self {
            Self::Battle(battle_id) => Channel::Battle(*battle_id),
            Self::Participant(id, _) => Channel::Participant(*id),
            Self::Presence(name, _) => Channel::Named(name.clone()),
        }
    }

    /// Subscribes, if that can be done before the deadline.
    async fn open(
        self,
        hub: Arc<Hub>,
        socket: Arc<Socket>,
        deadline: Instant,
    ) -> Result<Subscription, Refusal> {
        let opening = async {
            match self {
                Self::Battle(battle_id) => {
                    let occupancy = hub.rooms.enter(&hub, battle_id).await?;
                    Ok(Subscription::Battle(occupancy.watch_board(&socket)))
                }
                Self::Participant(id, grant) => {
                    listen(&hub, &socket, id, grant).await.map(Subscription::Participant)
                }
                Self::Presence(name, membership) => {
                    let session = watch_session(&hub, &socket, &name, &membership).await?;
                    let occupancy = hub.halls.enter(&hub, &name).await;
                    let seat = occupancy.listen(&socket, Some(&membership.member));
                    Ok(Subscription::Named { seat, _session: session })
                }
            }
        };
        timeout_at(deadline, opening).await.unwrap_or(Err(Refusal::Unavailable))
    }
}

/// A private channel: the table has to say that the session which the signature is for is still the newest.
async fn listen(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    id: ParticipantId,
    grant: Grant,
) -> Result<InboxSeat, Refusal> {
    let seat = hub.rooms.enter(hub, grant.battle_id).await?.reserve_inbox(socket, id, grant.session_id);
    let verified_at = hub.verify_session(grant.battle_id, id, grant.session_id).await?.as_of;
    // Reserved first and read then, so that no alert falls in between.
    let missed = hub.missed_alerts(grant.battle_id, id, grant.after);
    // Who has a long past, or tables that are slow, is let in all the same: what comes now matters more.
    let missed = match timeout(MISSED_TIMEOUT, missed).await {
        Ok(Ok(missed)) => missed,
        Ok(Err(_)) | Err(_) => {
            metrics::missed_unread();
            Missed::default()
        }
    };
    seat.open(verified_at, &missed)
}

/// A participant is a member of its battle as long as its session is the newest. Whom the application's own server has signed for
/// is one as long as its sockets are there.
async fn watch_session(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    name: &Name,
    membership: &Membership,
) -> Result<Option<SessionSeat>, Refusal> {
    let (Some(battle_id), Some(session_id)) = (name.battle_id(), membership.session_id) else {
        return Ok(None);
    };
    let id: ParticipantId = membership.member.user_id.parse().map_err(|_| Refusal::DataWrong)?;
    let seat = hub.rooms.enter(hub, battle_id).await?.watch_session(socket, id, session_id);
    let verified_at = hub.verify_session(battle_id, id, session_id).await?.as_of;
    seat.admit(verified_at).map(Some)
}

/// Whether a node, or the application's own server, has signed for this.
fn check(hub: &Hub, socket: &Socket, request: &Subscribe) -> Result<(), Refusal> {
    let auth = request.auth.as_deref().ok_or(Refusal::SignatureMissing)?;
    let data = request.channel_data.as_deref();
    hub.application.verify(auth, &socket.id.to_string(), &request.channel, data)
}

fn refuse(socket: &Socket, channel: &str, refusal: Refusal) {
    metrics::refused(refusal);
    socket.send(Class::Answer, &events::refused(channel, refusal));
}

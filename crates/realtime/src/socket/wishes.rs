//! What it takes to get what a client asked for: signatures, sessions, a place among those who listen.

use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, ParticipantId, SessionId};
use tokio::time::{Instant, timeout, timeout_at};

use super::Socket;
use crate::channel::{Channel, Name};
use crate::error::Refusal;
use crate::grant::{Grant, Membership, User};
use crate::hub::Hub;
use crate::hub::halls::seat::HallSeat;
use crate::hub::inbox::Missed;
use crate::hub::seat::{BoardSeat, InboxSeat, Occupancy, SessionSeat};
use crate::hub::users::SignedIn;
use crate::metrics;
use crate::pusher::requests::{SignIn, Subscribe};

/// How long reading what a participant missed may take; then it is let in without.
const MISSED_TIMEOUT: Duration = Duration::from_millis(1_500);

/// Held while the socket gets what is said in a channel, or what is said to its user.
pub(super) enum Subscription {
    Battle {
        seat: BoardSeat,
        /// Held while the socket is counted.
        _beside: Option<HallSeat>,
    },
    Participant {
        seat: InboxSeat,
        /// Held while the socket is counted.
        _beside: Option<HallSeat>,
    },
    Named {
        seat: HallSeat,
        /// Held while the end of the member's session concerns the socket.
        _session: Option<SessionSeat>,
        /// Held while a battle's attacks are followed for the socket.
        _battle: Option<Occupancy>,
    },
    User {
        user: Arc<User>,
        _signed_in: SignedIn,
        /// Held while the end of the participant's session concerns the socket.
        _session: Option<SessionSeat>,
    },
}

/// Something that nothing is wrong with as far as the request goes.
#[derive(Clone)]
pub(super) enum Wish {
    Battle(BattleId),
    Participant(ParticipantId, Grant),
    Listen(Name),
    Attend(Name, Box<Membership>),
    SignIn(Arc<User>, Arc<str>),
}

/// What a wish or a subscription is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Channel(Channel),
    User,
}

impl Subscription {
    /// Counts the socket of a battle's board or a participant's own channel, where that is of interest.
    async fn accompany(self, hub: &Arc<Hub>, socket: &Arc<Socket>) -> Self {
        match self {
            Self::Battle { seat, .. } => {
                let beside = hub.accompany(Channel::Battle(seat.battle_id()), socket).await;
                Self::Battle { seat, _beside: beside }
            }
            Self::Participant { seat, .. } => {
                let beside = hub.accompany(Channel::Participant(seat.participant_id()), socket).await;
                Self::Participant { seat, _beside: beside }
            }
            named @ (Self::Named { .. } | Self::User { .. }) => named,
        }
    }

    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Battle { seat, .. } => Subject::Channel(Channel::Battle(seat.battle_id())),
            Self::Participant { seat, .. } => Subject::Channel(Channel::Participant(seat.participant_id())),
            Self::Named { seat, .. } => Subject::Channel(Channel::Named(seat.name().clone())),
            Self::User { .. } => Subject::User,
        }
    }
}

impl Wish {
    /// Reads a request to subscribe. A private channel needs a signature, which proves that a node has seen the participant's token, or
    /// that the application's own server lets the socket in.
    pub(super) fn subscribe(
        hub: &Hub,
        socket: &Socket,
        user: Option<&User>,
        request: &Subscribe,
    ) -> Result<Self, Refusal> {
        let channel = Channel::parse(&request.channel)?;
        let data = request.channel_data.as_deref();
        match channel {
            Channel::Battle(battle_id) => Ok(Self::Battle(battle_id)),
            Channel::Participant(id) => {
                check(hub, socket, request)?;
                Ok(Self::Participant(id, Grant::read(data)?))
            }
            Channel::Named(name) if name.is_presence() => {
                check(hub, socket, request)?;
                let membership = match (data, user) {
                    (None, Some(user)) if name.battle_id().is_none() => Membership::of_user(user),
                    _ => Membership::read(data)?,
                };
                Ok(Self::Attend(name, Box::new(membership)))
            }
            Channel::Named(name) => {
                if name.is_private() {
                    check(hub, socket, request)?;
                }
                match name.user_id() {
                    Some(id) if user.is_none_or(|user| *user.id != *id) => Err(Refusal::NotSignedIn),
                    _ => Ok(Self::Listen(name)),
                }
            }
        }
    }

    /// Reads a request to sign in.
    pub(super) fn sign_in(hub: &Hub, socket: &Socket, request: &SignIn) -> Result<Self, Refusal> {
        hub.application.verify(&request.auth, &socket.id.to_string(), SIGN_IN, Some(&request.user_data))?;
        let user = User::read(&request.user_data)?;
        Ok(Self::SignIn(Arc::new(user), request.user_data.as_str().into()))
    }

    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Battle(battle_id) => Subject::Channel(Channel::Battle(*battle_id)),
            Self::Participant(id, _) => Subject::Channel(Channel::Participant(*id)),
            Self::Listen(name) | Self::Attend(name, _) => Subject::Channel(Channel::Named(name.clone())),
            Self::SignIn(..) => Subject::User,
        }
    }

    /// Does it, if that can be done before the deadline.
    pub(super) async fn open(
        self,
        hub: Arc<Hub>,
        socket: Arc<Socket>,
        deadline: Instant,
    ) -> Result<Subscription, Refusal> {
        let opening = async {
            match self {
                Self::Battle(battle_id) => {
                    let seat = hub.rooms.enter(&hub, battle_id).await?.watch_board(&socket);
                    Ok(Subscription::Battle { seat, _beside: None })
                }
                Self::Participant(id, grant) => {
                    let seat = listen(&hub, &socket, id, grant).await?;
                    Ok(Subscription::Participant { seat, _beside: None })
                }
                Self::Listen(name) => {
                    let battle = match name.battle_id() {
                        Some(battle_id) => Some(hub.rooms.enter(&hub, battle_id).await?),
                        None => None,
                    };
                    let seat = hub.halls.enter(&hub, &name).await.listen(&socket, None);
                    Ok(Subscription::Named { seat, _session: None, _battle: battle })
                }
                Self::Attend(name, membership) => {
                    // Whom the application's own server has signed for is a member as long as its sockets are there.
                    let session = name.battle_id().zip(membership.session_id);
                    let session = watch_session(&hub, &socket, &membership.member.user_id, session).await?;
                    let seat = hub.halls.enter(&hub, &name).await.listen(&socket, Some(&membership.member));
                    Ok(Subscription::Named { seat, _session: session, _battle: None })
                }
                Self::SignIn(user, data) => {
                    let session = watch_session(&hub, &socket, &user.id, user.session).await?;
                    let signed_in = hub.users.sign_in(&hub, &socket, &user, &data);
                    Ok(Subscription::User { user, _signed_in: signed_in, _session: session })
                }
            }
        };
        let opened = timeout_at(deadline, opening).await.unwrap_or(Err(Refusal::Unavailable))?;
        // It is confirmed by now: whoever is not counted in time is not refused.
        Ok(opened.accompany(&hub, &socket).await)
    }
}

/// What stands in the place of a channel's name in the signature of a user that signs in.
pub(crate) const SIGN_IN: &str = ":user:";

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

/// A participant is present, or signed in, as long as its session is the newest.
async fn watch_session(
    hub: &Arc<Hub>,
    socket: &Arc<Socket>,
    user_id: &str,
    session: Option<(BattleId, SessionId)>,
) -> Result<Option<SessionSeat>, Refusal> {
    let Some((battle_id, session_id)) = session else { return Ok(None) };
    let id: ParticipantId = user_id.parse().map_err(|_| Refusal::DataWrong)?;
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

//! What a client asks for, and the channels it listens to.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::wishes::{Subject, Subscription, Wish};
use super::{Class, Socket};
use crate::channel::Channel;
use crate::cluster::Event;
use crate::error::Refusal;
use crate::grant::User;
use crate::hub::Hub;
use crate::metrics;
use crate::pusher::events;
use crate::pusher::requests::{self, ClientEvent, Misunderstood, Request, SignIn, Subscribe, Unsubscribe};
use crate::webhooks::{Occurred, WebhookEvent};

/// The channels of one socket, and those that it has asked for. Dropping it leaves them all.
#[derive(Default)]
pub(crate) struct Listening {
    subscriptions: Vec<Subscription>,
    /// Only while something is asked for, so that idle sockets do not hold its room.
    asked: Option<Box<Asked>>,
    /// Events that the client has sent to others in this second of the hub's time.
    events: (u32, u32),
}

/// What the client has asked for and has no answer to yet, one after the other in its order.
struct Asked {
    /// What is being seen to.
    subject: Subject,
    opening: Pin<Box<dyn Future<Output = Result<Subscription, Refusal>> + Send>>,
    /// At most as many as a socket may have channels, less the one above.
    behind: VecDeque<Next>,
    /// When whatever has no answer is refused.
    deadline: Instant,
}

/// Something that was asked for. A channel of a user, or one that it attends without more, is read once it has signed in.
enum Next {
    Wish(Wish),
    Later(Box<Subscribe>),
}

impl Listening {
    /// Does what the message asks for, begins with it, or tells the client why not.
    pub(crate) fn request(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, text: &str) {
        let done = match requests::parse(text) {
            Ok(Request::Ping) => {
                socket.send(Class::Answer, &events::PONG);
                Ok(())
            }
            Ok(Request::Pong) => Ok(()),
            Ok(Request::Subscribe(request)) => {
                let channel = request.channel.clone();
                if let Err(refusal) = self.subscribe(hub, socket, request) {
                    refuse_channel(socket, &channel, refusal);
                }
                Ok(())
            }
            Ok(Request::Unsubscribe(request)) => {
                self.unsubscribe(hub, socket, &request);
                Ok(())
            }
            Ok(Request::SignIn(request)) => {
                if let Err(refusal) = self.sign_in(hub, socket, &request) {
                    refuse(socket, &Subject::User, refusal);
                }
                Ok(())
            }
            Ok(Request::ClientEvent(event)) => self.send_on(hub, socket, event),
            Err(why) => Err(why),
        };
        if let Err(why) = done {
            metrics::misunderstood();
            socket.send(Class::Answer, &events::misunderstood(why));
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
            Ok(subscription) => {
                self.leave(&asked.subject);
                self.subscriptions.push(subscription);
            }
            Err(refusal) => refuse(socket, &asked.subject, refusal),
        }
        self.begin(hub, socket, asked.behind, asked.deadline);
    }

    fn subscribe(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, request: Subscribe) -> Result<(), Refusal> {
        let next = match Wish::subscribe(hub, socket, self.user(), &request) {
            // It may be signing in.
            Err(Refusal::NotSignedIn | Refusal::DataWrong) if self.is_signing_in() => {
                Next::Later(Box::new(request))
            }
            wish => Next::Wish(wish?),
        };
        self.ask(hub, socket, next)
    }

    fn sign_in(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, request: &SignIn) -> Result<(), Refusal> {
        let wish = Wish::sign_in(hub, socket, request)?;
        let is_other = |user: &User| matches!(&wish, Wish::SignIn(other, _) if other.id != user.id);
        if self.user().is_some_and(is_other) {
            return Err(Refusal::OtherUser);
        }
        self.ask(hub, socket, Next::Wish(wish))
    }

    fn ask(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, next: Next) -> Result<(), Refusal> {
        match &mut self.asked {
            Some(asked) if asked.behind.len() + 1 >= hub.config.channels_per_socket_max => {
                Err(Refusal::TooManyChannels)
            }
            Some(asked) => {
                asked.behind.push_back(next);
                Ok(())
            }
            None => {
                let patience = Duration::from_millis(hub.config.subscribe_timeout_ms);
                self.begin(hub, socket, VecDeque::from([next]), Instant::now() + patience);
                Ok(())
            }
        }
    }

    /// Begins with the first wish that can be begun with.
    fn begin(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, mut nexts: VecDeque<Next>, deadline: Instant) {
        while let Some(next) = nexts.pop_front() {
            let wish = match next {
                Next::Wish(wish) => wish,
                Next::Later(request) => match Wish::subscribe(hub, socket, self.user(), &request) {
                    Ok(wish) => wish,
                    Err(refusal) => {
                        refuse_channel(socket, &request.channel, refusal);
                        continue;
                    }
                },
            };
            let subject = wish.subject();
            // Subscribing again begins anew, so that the client gets its confirmation and the current board. Who signs in again stays
            // signed in until that has succeeded, because other channels count on it.
            if subject != Subject::User {
                self.leave(&subject);
            }
            let others = self.subscriptions.iter().filter(|held| held.subject() != subject).count();
            if others >= hub.config.channels_per_socket_max {
                refuse(socket, &subject, Refusal::TooManyChannels);
                continue;
            }
            let opening = Box::pin(wish.open(Arc::clone(hub), Arc::clone(socket), deadline));
            self.asked = Some(Box::new(Asked { subject, opening, behind: nexts, deadline }));
            return;
        }
    }

    /// The protocol has no answer to it. A channel that the socket does not listen to is none to leave.
    fn unsubscribe(&mut self, hub: &Arc<Hub>, socket: &Arc<Socket>, request: &Unsubscribe) {
        let Ok(channel) = Channel::parse(&request.channel) else { return };
        let subject = Subject::Channel(channel);
        self.leave(&subject);
        let Some(asked) = &mut self.asked else { return };
        asked.behind.retain(|next| match next {
            Next::Wish(wish) => wish.subject() != subject,
            Next::Later(later) => later.channel != request.channel,
        });
        if asked.subject == subject
            && let Some(asked) = self.asked.take()
        {
            self.begin(hub, socket, asked.behind, asked.deadline);
        }
    }

    /// Sends a client's event to the others in the channel.
    fn send_on(&mut self, hub: &Hub, socket: &Socket, event: ClientEvent) -> Result<(), Misunderstood> {
        let max = hub.config.client_events_per_second_max;
        if max == 0 {
            return Err(Misunderstood::ClientEventsOff);
        }
        let now_s = hub.now_s();
        if self.events.0 != now_s {
            self.events = (now_s, 0);
        }
        self.events.1 = self.events.1.saturating_add(1);
        if self.events.1 > max {
            return Err(Misunderstood::ClientEventsTooMany);
        }
        let seat = self.subscriptions.iter().find_map(|subscription| match subscription {
            Subscription::Named { seat, .. } if **seat.name().text() == *event.channel => Some(seat),
            _ => None,
        });
        let seat = seat.filter(|seat| seat.name().takes_client_events());
        let seat = seat.ok_or(Misunderstood::ClientEventWrong)?;
        let event = Event {
            channel: Arc::clone(seat.name().text()),
            name: event.name.into(),
            data: event.data.into(),
            user_id: seat.user_id().map(Arc::clone),
            except: Some(socket.id.to_string().into()),
        };
        hub.publish(&event);
        hub.webhooks.tell(|| Occurred {
            user_id: event.user_id.clone(),
            event: Some(Arc::clone(&event.name)),
            data: Some(Arc::clone(&event.data)),
            socket_id: event.except.clone(),
            ..Occurred::new(WebhookEvent::ClientEvent, &event.channel)
        });
        metrics::client_event();
        Ok(())
    }

    fn user(&self) -> Option<&User> {
        self.subscriptions.iter().find_map(|subscription| match subscription {
            Subscription::User { user, .. } => Some(&**user),
            _ => None,
        })
    }

    fn is_signing_in(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| {
            let is_sign_in = |next: &Next| matches!(next, Next::Wish(Wish::SignIn(..)));
            asked.subject == Subject::User || asked.behind.iter().any(is_sign_in)
        })
    }

    fn leave(&mut self, subject: &Subject) {
        self.subscriptions.retain(|subscription| subscription.subject() != *subject);
    }
}

fn refuse(socket: &Socket, subject: &Subject, refusal: Refusal) {
    match subject {
        Subject::Channel(channel) => refuse_channel(socket, &channel.to_string(), refusal),
        Subject::User => {
            metrics::refused(refusal);
            socket.send(Class::Answer, &events::not_signed_in(refusal));
        }
    }
}

fn refuse_channel(socket: &Socket, channel: &str, refusal: Refusal) {
    metrics::refused(refusal);
    socket.send(Class::Answer, &events::refused(channel, refusal));
}

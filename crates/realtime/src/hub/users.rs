//! Users that have signed in, their sockets on this node, and who is told when one comes and goes.

use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use parking_lot::Mutex;

use super::Hub;
use super::halls::roster::UserId;
use super::whereabouts::Whereabouts;
use crate::cluster::About;
use crate::error::CloseReason;
use crate::grant::User;
use crate::metrics;
use crate::pusher::events;
use crate::socket::Socket;
use crate::socket::id::SocketId;
use crate::socket::outbox::Class;

/// The users that have signed in.
#[derive(Default)]
pub(crate) struct Users {
    sockets: Mutex<ByUser>,
    /// The sockets that watch a user. Each watches a bounded number. Locked after the sockets, and before who is online.
    watchers: Mutex<ByUser>,
    /// Who has signed in on any node. Who comes and goes is told by [`Users::change`].
    pub(crate) online: Whereabouts,
}

type ByUser = AHashMap<UserId, Vec<Arc<Socket>>>;

/// Held while a socket is signed in.
pub(crate) struct SignedIn {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    user: Arc<User>,
}

/// Who has come and who has gone.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct News {
    pub(crate) online: Vec<UserId>,
    pub(crate) offline: Vec<UserId>,
}

impl News {
    fn frame(&self) -> Bytes {
        events::watchlist(&self.online, &self.offline)
    }
}

fn tell(socket: &Socket, frame: &Bytes) {
    socket.send(Class::Default, frame);
    metrics::sent("watchlist", 1, frame.len());
}

impl Users {
    /// From here on the socket is found as the user's, and is told when those whom it watches come and go. `data` is what was signed.
    pub(crate) fn sign_in(
        &self,
        hub: &Arc<Hub>,
        socket: &Arc<Socket>,
        user: &Arc<User>,
        data: &str,
    ) -> SignedIn {
        {
            // Held so that a first and a last socket are told in their order.
            let mut sockets = self.sockets.lock();
            let of_user = sockets.entry(Arc::clone(&user.id)).or_default();
            of_user.push(Arc::clone(socket));
            if of_user.len() == 1 {
                self.change(|online| {
                    let is_new = online.opened(&user.id, |word| hub.say_whereabouts(About::Users, word));
                    News {
                        online: is_new.then(|| Arc::clone(&user.id)).into_iter().collect(),
                        ..News::default()
                    }
                });
            }
        }
        socket.send(Class::Answer, &events::signed_in(data));
        self.watch(socket, &user.watchlist);
        SignedIn { hub: Arc::clone(hub), socket: Arc::clone(socket), user: Arc::clone(user) }
    }

    fn watch(&self, socket: &Arc<Socket>, watchlist: &[UserId]) {
        if watchlist.is_empty() {
            return;
        }
        // Told under the lock, so that no change falls in between.
        let mut watchers = self.watchers.lock();
        for id in watchlist {
            watchers.entry(Arc::clone(id)).or_default().push(Arc::clone(socket));
        }
        let (online, offline): (Vec<_>, Vec<_>) =
            watchlist.iter().map(Arc::clone).partition(|id| self.online.is_there(id));
        tell(socket, &News { online, offline }.frame());
    }

    /// Changes who is online, and tells those who watch them on this node. No other change comes in between, so that what is told last
    /// is so.
    pub(crate) fn change(&self, how: impl FnOnce(&Whereabouts) -> News) {
        let watchers = self.watchers.lock();
        let news = how(&self.online);
        let changes = news.online.iter().map(|id| (id, true));
        let changes = changes.chain(news.offline.iter().map(|id| (id, false)));
        let mut all: AHashMap<SocketId, (&Arc<Socket>, News)> = AHashMap::new();
        for (id, is_online) in changes {
            for socket in watchers.get(id).into_iter().flatten() {
                let (_, news) = all.entry(socket.id).or_insert_with(|| (socket, News::default()));
                let ids = if is_online { &mut news.online } else { &mut news.offline };
                ids.push(Arc::clone(id));
            }
        }
        // Nearly all who are told anything are told the same.
        let mut frames: AHashMap<News, Bytes> = AHashMap::new();
        for (socket, news) in all.into_values() {
            tell(socket, frames.entry(news).or_insert_with_key(News::frame));
        }
    }

    /// Closes all of the user's sockets.
    pub(crate) fn terminate(&self, user_id: &str) {
        let sockets = self.sockets.lock().get(user_id).cloned().unwrap_or_default();
        for socket in sockets {
            socket.close_with_error(CloseReason::Terminated);
        }
    }
}

/// Takes the socket out once; answers whether it was the last one.
fn take_out(sockets: &mut ByUser, id: &UserId, socket: &Arc<Socket>) -> bool {
    let Some(of_user) = sockets.get_mut(id) else { return false };
    if let Some(at) = of_user.iter().position(|held| Arc::ptr_eq(held, socket)) {
        of_user.swap_remove(at);
    }
    let is_last = of_user.is_empty();
    if is_last {
        sockets.remove(id);
    }
    is_last
}

impl Drop for SignedIn {
    fn drop(&mut self) {
        let users = &self.hub.users;
        let mut watchers = users.watchers.lock();
        for id in &self.user.watchlist {
            take_out(&mut watchers, id, &self.socket);
        }
        drop(watchers);
        let mut sockets = users.sockets.lock();
        if take_out(&mut sockets, &self.user.id, &self.socket) {
            let say = |word| self.hub.say_whereabouts(About::Users, word);
            users.online.closed(&self.user.id, self.hub.now_ms(), say);
        }
    }
}

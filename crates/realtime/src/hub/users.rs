//! Users that have signed in, their sockets on this node, and who is told when one comes and goes.

use std::sync::Arc;

use ahash::AHashMap;
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
    /// The sockets that watch a user. Each watches a bounded number.
    watchers: Mutex<ByUser>,
    /// Who has signed in on any node.
    pub(crate) online: Whereabouts,
}

type ByUser = AHashMap<UserId, Vec<Arc<Socket>>>;

/// Held while a socket is signed in.
pub(crate) struct SignedIn {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    user: Arc<User>,
}

/// What a socket is told of those whom it watches.
struct News {
    socket: Arc<Socket>,
    online: Vec<UserId>,
    offline: Vec<UserId>,
}

impl News {
    fn tell(&self) {
        let frame = events::watchlist(&self.online, &self.offline);
        self.socket.send(Class::Default, &frame);
        metrics::sent("watchlist", 1, frame.len());
    }
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
        let is_new = {
            // Held so that a first and a last socket are told in their order.
            let mut sockets = self.sockets.lock();
            let of_user = sockets.entry(Arc::clone(&user.id)).or_default();
            of_user.push(Arc::clone(socket));
            of_user.len() == 1 && self.online.opened(&user.id, |word| hub.say_whereabouts(About::Users, word))
        };
        if is_new {
            self.tell_watchers(&[Arc::clone(&user.id)], &[]);
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
        News { socket: Arc::clone(socket), online, offline }.tell();
    }

    /// Tells those who watch them on this node who has come and who has gone.
    pub(crate) fn tell_watchers(&self, online: &[UserId], offline: &[UserId]) {
        if online.is_empty() && offline.is_empty() {
            return;
        }
        let mut all: AHashMap<SocketId, News> = AHashMap::new();
        let watchers = self.watchers.lock();
        let changes = online.iter().map(|id| (id, true)).chain(offline.iter().map(|id| (id, false)));
        for (id, is_online) in changes {
            for socket in watchers.get(id).into_iter().flatten() {
                let news = all.entry(socket.id).or_insert_with(|| News {
                    socket: Arc::clone(socket),
                    online: Vec::new(),
                    offline: Vec::new(),
                });
                let ids = if is_online { &mut news.online } else { &mut news.offline };
                ids.push(Arc::clone(id));
            }
        }
        all.into_values().for_each(|news| news.tell());
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

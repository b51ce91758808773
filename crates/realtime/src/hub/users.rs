//! Users that have signed in on this node, and their sockets.

use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;

use super::Hub;
use super::halls::roster::UserId;
use crate::error::CloseReason;
use crate::socket::Socket;

/// The sockets of users that have signed in.
#[derive(Default)]
pub(crate) struct Users {
    sockets: Mutex<AHashMap<UserId, Vec<Arc<Socket>>>>,
}

/// Held while a socket is signed in.
pub(crate) struct SignedIn {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    user_id: UserId,
}

impl Users {
    /// From here on the socket is found as the user's.
    pub(crate) fn sign_in(&self, hub: &Arc<Hub>, socket: &Arc<Socket>, user_id: &UserId) -> SignedIn {
        self.sockets.lock().entry(Arc::clone(user_id)).or_default().push(Arc::clone(socket));
        SignedIn { hub: Arc::clone(hub), socket: Arc::clone(socket), user_id: Arc::clone(user_id) }
    }

    /// Closes all of the user's sockets.
    pub(crate) fn terminate(&self, user_id: &str) {
        let sockets = self.sockets.lock().get(user_id).cloned().unwrap_or_default();
        for socket in sockets {
            socket.close_with_error(CloseReason::Terminated);
        }
    }
}

impl Drop for SignedIn {
    fn drop(&mut self) {
        let mut sockets = self.hub.users.sockets.lock();
        if let Some(of_user) = sockets.get_mut(&self.user_id) {
            of_user.retain(|socket| !Arc::ptr_eq(socket, &self.socket));
            if of_user.is_empty() {
                sockets.remove(&self.user_id);
            }
        }
    }
}

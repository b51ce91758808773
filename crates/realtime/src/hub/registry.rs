//! All open sockets of the node, and the bound on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::slots::{Slot, Slots};
use crate::metrics;
use crate::socket::Socket;

/// Enough that sockets which open and close together seldom meet on one lock.
const SHARDS: usize = 16;

type Shard = Mutex<Slots<Arc<Socket>>>;

/// The node's sockets. Clones share them.
#[derive(Clone)]
pub(crate) struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    count: AtomicUsize,
    sockets_max: usize,
    next_shard: AtomicUsize,
    shards: [Shard; SHARDS],
}

/// The right to one socket. Dropping it gives the right back.
pub(crate) struct Admission {
    inner: Arc<Inner>,
}

/// Held while the socket is open and found by those who look at all sockets.
pub(crate) struct Registered {
    admission: Admission,
    shard: usize,
    slot: Slot,
}

impl Registry {
    pub(crate) fn new(sockets_max: usize) -> Self {
        let inner = Inner {
            count: AtomicUsize::new(0),
            sockets_max,
            next_shard: AtomicUsize::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The right to one more socket, unless the node is full.
    pub(crate) fn admit(&self) -> Option<Admission> {
        // From here on the right is given back even if it is refused.
        let admission = Admission { inner: Arc::clone(&self.inner) };
        let before = self.inner.count.fetch_add(1, Ordering::Relaxed);
        metrics::socket_opened();
        (before < self.inner.sockets_max).then_some(admission)
    }

    /// Lets the socket be found.
    pub(crate) fn register(&self, admission: Admission, socket: Arc<Socket>) -> Registered {
        let shard = self.inner.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let slot = self.inner.shards[shard].lock().insert(socket);
        Registered { admission, shard, slot }
    }

    /// How many rights are given away.
    pub(crate) fn count(&self) -> usize {
        self.inner.count.load(Ordering::Relaxed)
    }

    /// All sockets that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<Socket>> {
        let mut all = Vec::with_capacity(self.count());
        for shard in &self.inner.shards {
            all.extend(
                shard.lock().piece(0, usize::MAX).into_iter().flatten().map(|socket| Arc::clone(socket)),
            );
        }
        all
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.inner.count.fetch_sub(1, Ordering::Relaxed);
        metrics::socket_closed();
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.admission.inner.shards[self.shard].lock().remove(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn each_socket_moves_the_gauge_by_one_whoever_else_does() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = || recorder.handle().render();
        ::metrics::with_local_recorder(&recorder, || {
            // Two services of one process count apart and are shown together.
            let (one, two) = (Registry::new(9), Registry::new(9));
            let held = [one.admit(), one.admit(), two.admit()];
            assert!(shown().contains("nimaora_realtime_sockets_count 3"), "{}", shown());
            drop(held);
            assert!(shown().contains("nimaora_realtime_sockets_count 0"), "{}", shown());
        });
    }
}

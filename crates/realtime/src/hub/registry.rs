//! All open sockets of the node, and the bounds on their connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    open: AtomicUsize,
    admissions: Budget,
    refusals: Budget,
    next_shard: AtomicUsize,
    shards: [Shard; SHARDS],
}

/// Connections of one kind, and how many there may be.
struct Budget {
    free: Arc<Semaphore>,
    max: usize,
}

/// The right to one connection, from the answer to its upgrade to its very end. Dropping it gives the right back.
pub(crate) struct Admission {
    _permit: OwnedSemaphorePermit,
}

/// Held while the socket is open and found by those who look at all sockets.
pub(crate) struct Registered {
    inner: Arc<Inner>,
    shard: usize,
    slot: Slot,
}

impl Budget {
    fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(max)), max }
    }

    fn take(&self) -> Option<Admission> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Admission { _permit: permit })
    }

    fn taken(&self) -> usize {
        self.max - self.free.available_permits()
    }
}

impl Registry {
    /// For so many sockets, and so many more that are only told why they are refused.
    pub(crate) fn new(sockets_max: usize, refused_max: usize) -> Self {
        let inner = Inner {
            open: AtomicUsize::new(0),
            admissions: Budget::new(sockets_max),
            refusals: Budget::new(refused_max),
            next_shard: AtomicUsize::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The right to one more socket, unless the node is full.
    pub(crate) fn admit(&self) -> Option<Admission> {
        self.inner.admissions.take()
    }

    /// The right to tell one more client why it is refused, unless too many are being told.
    pub(crate) fn admit_refused(&self) -> Option<Admission> {
        self.inner.refusals.take()
    }

    /// Lets the socket be found.
    pub(crate) fn register(&self, socket: Arc<Socket>) -> Registered {
        let inner = Arc::clone(&self.inner);
        let shard = inner.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let slot = inner.shards[shard].lock().insert(socket);
        inner.open.fetch_add(1, Ordering::Relaxed);
        metrics::socket_opened();
        Registered { inner, shard, slot }
    }

    /// How many sockets are open.
    pub(crate) fn count(&self) -> usize {
        self.inner.open.load(Ordering::Relaxed)
    }

    /// How many connections there are: open sockets, those that are being closed, and those that were refused.
    pub(crate) fn connections(&self) -> usize {
        self.inner.admissions.taken() + self.inner.refusals.taken()
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

impl Drop for Registered {
    fn drop(&mut self) {
        self.inner.shards[self.shard].lock().remove(self.slot);
        self.inner.open.fetch_sub(1, Ordering::Relaxed);
        metrics::socket_closed();
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::socket::tests::socket;

    #[tokio::test]
    async fn each_socket_moves_the_gauge_by_one_whoever_else_does() {
        let (socket, _client) = socket().await;
        let socket = Arc::new(socket);
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = || recorder.handle().render();
        ::metrics::with_local_recorder(&recorder, || {
            // Two services of one process count apart and are shown together.
            let (one, two) = (Registry::new(9, 9), Registry::new(9, 9));
            let held = [&one, &one, &two].map(|registry| registry.register(Arc::clone(&socket)));
            assert!(shown().contains("nimaora_realtime_sockets_count 3"), "{}", shown());
            drop(held);
            assert!(shown().contains("nimaora_realtime_sockets_count 0"), "{}", shown());
        });
    }
}

//! Those who have something to send to many sockets, each at most once, served in turn by a thread that gives way to everything else.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::os;

/// By how much the threads that send to many give way to those that serve commands and alerts.
const NICE: i32 = 5;

/// Has something to send now and then.
pub(crate) trait Turn: Send + Sync + 'static {
    /// Whether it stands in the queue.
    fn is_queued(&self) -> &AtomicBool;

    /// Sends what there is, or a part of it whose size is bounded; answers whether there is more, for which it gets another turn behind
    /// those that wait.
    fn send(&self) -> bool;
}

/// Clones share it.
pub(crate) struct Queue<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    waiting: Mutex<Waiting<T>>,
    came: Condvar,
}

struct Waiting<T> {
    turns: VecDeque<Arc<T>>,
    is_stopped: bool,
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let waiting = Waiting { turns: VecDeque::new(), is_stopped: false };
        Self { inner: Arc::new(Inner { waiting: Mutex::new(waiting), came: Condvar::new() }) }
    }
}

impl<T: Turn> Queue<T> {
    /// Starts the thread that sends. It ends after [`Queue::stop`].
    pub(crate) fn start(&self, name: &str) -> io::Result<std::thread::JoinHandle<()>> {
        let queue = self.clone();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = os::lower_thread_priority(NICE) {
                tracing::debug!(%error, "many are served with ordinary priority");
            }
            while let Some(turn) = queue.pop() {
                if turn.send() {
                    queue.push(&turn);
                }
            }
        })
    }

    /// Ends the thread after what it sends.
    pub(crate) fn stop(&self) {
        self.inner.waiting.lock().is_stopped = true;
        self.inner.came.notify_one();
    }

    /// Lets it send soon.
    pub(crate) fn push(&self, turn: &Arc<T>) {
        if !turn.is_queued().swap(true, Ordering::AcqRel) {
            self.inner.waiting.lock().turns.push_back(Arc::clone(turn));
            self.inner.came.notify_one();
        }
    }

    fn pop(&self) -> Option<Arc<T>> {
        let mut waiting = self.inner.waiting.lock();
        loop {
            if waiting.is_stopped {
                return None;
            }
            if let Some(turn) = waiting.turns.pop_front() {
                // From here on something newer queues it again.
                turn.is_queued().store(false, Ordering::Release);
                return Some(turn);
            }
            self.inner.came.wait(&mut waiting);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Never done, or done at once.
    struct Talker {
        is_queued: AtomicBool,
        is_endless: bool,
        turns: AtomicUsize,
    }

    impl Talker {
        fn new(is_endless: bool) -> Arc<Self> {
            Arc::new(Self { is_queued: AtomicBool::new(false), is_endless, turns: AtomicUsize::new(0) })
        }
    }

    impl Turn for Talker {
        fn is_queued(&self) -> &AtomicBool {
            &self.is_queued
        }

        fn send(&self) -> bool {
            self.turns.fetch_add(1, Ordering::Relaxed);
            self.is_endless
        }
    }

    #[test]
    fn who_always_has_more_keeps_nobody_waiting() {
        let queue = Queue::default();
        let (endless, short) = (Talker::new(true), Talker::new(false));
        queue.push(&endless);
        let thread = queue.start("test-queue").unwrap();
        while endless.turns.load(Ordering::Relaxed) < 10 {
            std::thread::yield_now();
        }
        queue.push(&short);
        while short.turns.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        queue.stop();
        thread.join().unwrap();
        assert_eq!(short.turns.load(Ordering::Relaxed), 1);
    }
}

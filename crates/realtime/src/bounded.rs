//! Queues that are bounded in number and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// Knows about how much memory it takes.
pub(crate) trait Weighed {
    fn bytes(&self) -> usize;
}

impl<T: Weighed> Weighed for Arc<T> {
    fn bytes(&self) -> usize {
        T::bytes(self)
    }
}

/// Puts things in.
pub(crate) struct Sender<T> {
    queue: mpsc::Sender<T>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// Takes them out.
pub(crate) struct Receiver<T> {
    queue: mpsc::Receiver<T>,
    bytes: Arc<AtomicUsize>,
}

/// There is no room, or nobody who takes anything out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// A queue of so many things at most, and of so many bytes.
pub(crate) fn queue<T: Weighed>(things_max: usize, bytes_max: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(things_max);
    let bytes = Arc::new(AtomicUsize::new(0));
    (Sender { queue: sender, bytes: Arc::clone(&bytes), bytes_max }, Receiver { queue: receiver, bytes })
}

impl<T: Weighed> Sender<T> {
    /// Puts something in, if there is room. Never waits.
    pub(crate) fn try_send(&self, thing: T) -> Result<(), Refused> {
        let more = thing.bytes();
        let is_full = self.bytes.fetch_add(more, Ordering::Relaxed) + more > self.bytes_max;
        if is_full || self.queue.try_send(thing).is_err() {
            self.bytes.fetch_sub(more, Ordering::Relaxed);
            return Err(Refused);
        }
        Ok(())
    }
}

impl<T: Weighed> Receiver<T> {
    /// The next thing; `None` when there will be none. Cancel safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        self.queue.recv().await.map(|thing| self.taken(thing))
    }

    /// The next thing, if there is one now.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        self.queue.try_recv().ok().map(|thing| self.taken(thing))
    }

    /// Nothing more is put in.
    pub(crate) fn close(&mut self) {
        self.queue.close();
    }

    /// How many things are in it.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    fn taken(&self, thing: T) -> T {
        self.bytes.fetch_sub(thing.bytes(), Ordering::Relaxed);
        thing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_in_bytes() {
        let (sender, mut receiver) = queue(3, 100);
        assert_eq!(sender.try_send(101), Err(Refused));
        assert_eq!(sender.try_send(60), Ok(()));
        assert_eq!(sender.try_send(41), Err(Refused));
        assert_eq!(sender.try_send(40), Ok(()));
        assert_eq!(
            (receiver.recv().await, receiver.try_recv(), receiver.try_recv()),
            (Some(60), Some(40), None)
        );
        for expected in [Ok(()), Ok(()), Ok(()), Err(Refused)] {
            assert_eq!(sender.try_send(1), expected);
        }
        drop(receiver);
        assert_eq!(sender.try_send(1), Err(Refused));
        assert_eq!(sender.bytes.load(Ordering::Relaxed), 3, "what was refused is not counted");
    }
}

//! Bytes of events that are on their way into the log, of all clients together: while a message arrives, and until the log has answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Status;

use crate::metrics;

/// Bytes of all appends that are on their way. When it is reached, large messages wait unread for a while, and what would be gathered
/// is refused.
const BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes are counted off in units of so many.
const UNIT_BYTES: usize = 1_024;
/// A message up to this size is read without asking; there are as many as there are calls that send.
const SMALL_MESSAGE_BYTES: usize = 64 * 1024;
/// How long a large message waits for its room, and how long it may take to arrive then. After that the call is refused.
const MESSAGE_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// What stands before each message of a call: whether it is compressed, and its length.
const HEAD_BYTES: usize = 5;

/// What is left of the bytes.
#[derive(Clone)]
pub(crate) struct Budget {
    units: Arc<Semaphore>,
    message_bytes_max: usize,
}

/// Bytes that are held by one append.
#[derive(Debug, Default)]
pub(crate) struct Share {
    units: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Budget {
    /// Messages larger than `message_bytes_max` are refused by who reads them.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self::of(BYTES_MAX, message_bytes_max)
    }

    fn of(bytes: usize, message_bytes_max: usize) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes / UNIT_BYTES)), message_bytes_max }
    }

    /// Lets an append hold so many bytes more.
    ///
    /// # Errors
    /// All clients together hold too many already.
    pub(crate) fn add(&self, share: &mut Share, bytes: usize) -> Result<(), Status> {
        let held = share.bytes.div_ceil(UNIT_BYTES);
        share.bytes += bytes;
        let wanted = share.bytes.div_ceil(UNIT_BYTES) - held;
        if wanted == 0 {
            return Ok(());
        }
        let units = u32::try_from(wanted).unwrap_or(u32::MAX);
        let Ok(units) = Arc::clone(&self.units).try_acquire_many_owned(units) else {
            metrics::shed();
            return Err(full());
        };
        match &mut share.units {
            Some(held) => held.merge(units),
            None => share.units = Some(units),
        }
        Ok(())
    }

    /// The body of a call that sends events, read only as fast as there is room for its messages.
    pub(crate) fn metered(&self, body: Body) -> Body {
        let meter = Meter {
            data: Box::pin(body.into_data_stream()),
            budget: self.clone(),
            head: Vec::with_capacity(HEAD_BYTES),
            left: 0,
            large: None,
        };
        Body::from_stream(stream::unfold(Some(meter), |meter| async {
            let mut meter = meter?;
            match meter.next().await? {
                Ok(chunk) => Some((Ok(chunk), Some(meter))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Status> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let acquired = timeout(MESSAGE_TIMEOUTS.0, Arc::clone(&self.units).acquire_many_owned(units)).await;
        acquired.ok().and_then(Result::ok).ok_or_else(|| {
            metrics::shed();
            full()
        })
    }
}

fn full() -> Status {
    Status::resource_exhausted(
        "the appends of all clients together are too large now; try again after a while",
    )
}

type Data = Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>;

/// Follows the messages in a body.
struct Meter {
    data: Data,
    budget: Budget,
    /// What has come of the next message's head.
    head: Vec<u8>,
    /// What is to come of the message.
    left: usize,
    /// The room of a large message, and until when it must have come.
    large: Option<(OwnedSemaphorePermit, Instant)>,
}

impl Meter {
    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        let chunk = match &self.large {
            None => self.data.next().await,
            Some((_, until)) => match timeout_at(*until, self.data.next()).await {
                Ok(chunk) => chunk,
                Err(_) => return Some(Err(axum::Error::new(late()))),
            },
        };
        let chunk = match chunk? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        Some(self.follow(chunk.clone()).await.map(|()| chunk).map_err(axum::Error::new))
    }

    async fn follow(&mut self, mut chunk: Bytes) -> Result<(), Status> {
        while chunk.has_remaining() {
            if self.left > 0 {
                let passed = self.left.min(chunk.len());
                chunk.advance(passed);
                self.left -= passed;
                if self.left == 0 {
                    self.large = None;
                }
                continue;
            }
            let missing = HEAD_BYTES - self.head.len();
            self.head.extend_from_slice(&chunk.split_to(missing.min(chunk.len())));
            if let [_, length @ ..] = &self.head[..]
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.head.clear();
                self.left = u32::from_be_bytes(length) as usize;
                if self.left > SMALL_MESSAGE_BYTES && self.left <= self.budget.message_bytes_max {
                    let room = self.budget.room(self.left).await?;
                    self.large = Some((room, Instant::now() + MESSAGE_TIMEOUTS.1));
                }
            }
        }
        Ok(())
    }
}

fn late() -> Status {
    Status::deadline_exceeded("a large message did not come in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1_024;

    #[tokio::test]
    async fn appends_hold_no_more_than_there_is() {
        let budget = Budget::of(10 * KIB, 100 * KIB);
        let mut one = Share::default();
        budget.add(&mut one, 100).unwrap();
        budget.add(&mut one, 8 * KIB).unwrap();
        let mut two = Share::default();
        budget.add(&mut two, KIB).unwrap();
        assert_eq!(budget.add(&mut two, 1).unwrap_err().code(), tonic::Code::ResourceExhausted);
        drop(one);
        budget.add(&mut two, 8 * KIB).unwrap();
    }

    /// A message as it stands in a body.
    fn message(bytes: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend_from_slice(&u32::try_from(bytes).unwrap().to_be_bytes());
        message.resize(HEAD_BYTES + bytes, 7);
        message
    }

    /// The body in chunks of this size.
    fn body(bytes: &[u8], chunk: usize) -> Body {
        let chunks: Vec<_> = bytes.chunks(chunk).map(|chunk| Ok::<_, axum::Error>(chunk.to_vec())).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_passes_unchanged_and_holds_room_for_one_message_at_a_time() {
        let budget = Budget::of(100 * KIB, 100 * KIB);
        let sent = [message(90 * KIB), message(3), message(0), message(90 * KIB)].concat();
        for chunk in [3, 1_000, usize::MAX] {
            let mut data = budget.metered(body(&sent, chunk.min(sent.len()))).into_data_stream();
            let mut heard = Vec::new();
            while let Some(chunk) = data.next().await {
                heard.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(heard, sent);
        }
        assert_eq!(budget.units.available_permits(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_waits_for_room_and_gives_up() {
        let budget = Budget::of(100 * KIB, 100 * KIB);
        let mut others = Share::default();
        budget.add(&mut others, 50 * KIB).unwrap();
        let mut small = budget.metered(body(&message(KIB), KIB)).into_data_stream();
        assert!(small.next().await.unwrap().is_ok());
        let mut large = budget.metered(body(&message(90 * KIB), KIB)).into_data_stream();
        assert!(large.next().await.unwrap().is_err());
        assert!(large.next().await.is_none());
        drop(others);
        // What is larger than any message is passed on to be refused.
        let mut huge = budget.metered(body(&message(200 * KIB), KIB)).into_data_stream();
        assert!(huge.next().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_within_a_large_message_is_not_waited_for() {
        let budget = Budget::of(100 * KIB, 100 * KIB);
        let head = Body::from_stream(
            stream::iter([Ok::<_, axum::Error>(message(90 * KIB)[..KIB].to_vec())]).chain(stream::pending()),
        );
        let mut stuck = budget.metered(head).into_data_stream();
        assert!(stuck.next().await.unwrap().is_ok());
        assert!(stuck.next().await.unwrap().is_err());
        drop(stuck);
        assert_eq!(budget.units.available_permits(), 100);
    }
}

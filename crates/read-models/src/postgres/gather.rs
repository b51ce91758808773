//! Reads that many ask for in one moment are done together: when a realtime node dies, thousands of players come back to another one, and each
//! asks for its own row and for what it missed. One transaction costs the server and PgBouncer more than the rows in it.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::StoreError;

/// Rows that are asked for in one read. Further ones are in the next.
const READ_KEYS_MAX: usize = 256;
/// Reads at a time; so that a crowd leaves connections to the other queries.
const READS_MAX: usize = 2;
/// Who may wait for reads to come. When it is reached, the answer is `Unavailable`.
const WAITING_MAX: usize = 50_000;

/// Reads of one kind. A read begins after it was asked for, at once when there are not as many under way as there may be; else
/// it is done with all others that wait by then.
pub(super) struct Gather<K, V>(Arc<Mutex<State<K, V>>>);

struct State<K, V> {
    waiting: VecDeque<(K, Answer<V>)>,
    /// Tasks that read what waits.
    readers: usize,
}

type Answer<V> = oneshot::Sender<Found<V>>;

/// What a read came to for one key.
pub(super) type Found<V> = Result<V, StoreError>;

impl<K, V> Default for Gather<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { waiting: VecDeque::new(), readers: 0 })))
    }
}

impl<K, V> fmt::Debug for Gather<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

impl<K: Send + 'static, V: Send + 'static> Gather<K, V> {
    /// What `read` finds for the key. It is given several at a time, and answers one for each in their order; what cannot be read of one
    /// is no other's error.
    pub(super) async fn get<F>(
        &self,
        key: K,
        read: impl Fn(Vec<K>) -> F + Send + 'static,
    ) -> Result<V, StoreError>
    where
        F: Future<Output = Result<Vec<Found<V>>, StoreError>> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut state = self.0.lock();
            if state.waiting.len() >= WAITING_MAX {
                return Err(unavailable("too many wait for a read"));
            }
            state.waiting.push_back((key, answer));
            let begins = state.readers < READS_MAX;
            state.readers += usize::from(begins);
            begins
        };
        if begins {
            // Whoever asked may stop waiting; the others that are read with it do not.
            let reader = Reader { state: Arc::clone(&self.0), is_counted: true };
            tokio::spawn(async move { reader.run(read).await });
        }
        answered.await.unwrap_or_else(|_| Err(unavailable("the read was given up")))
    }
}

/// Reads what waits until nothing does.
struct Reader<K, V> {
    state: Arc<Mutex<State<K, V>>>,
    /// Whether it is one of those that are counted.
    is_counted: bool,
}

impl<K, V> Reader<K, V> {
    async fn run<F>(mut self, read: impl Fn(Vec<K>) -> F)
    where
        F: Future<Output = Result<Vec<Found<V>>, StoreError>>,
    {
        while let Some((keys, answers)) = self.next() {
            match read(keys).await {
                // Who is gone needs no answer.
                Ok(found) => {
                    answers.into_iter().zip(found).for_each(|(answer, found)| drop(answer.send(found)))
                }
                Err(error) => answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone())))),
            }
        }
    }

    /// What waits, without those who do not any more. When there is nothing, whoever asks next begins with a new reader.
    fn next(&mut self) -> Option<(Vec<K>, Vec<Answer<V>>)> {
        let mut state = self.state.lock();
        state.waiting.retain(|(_, answer)| !answer.is_closed());
        let count = state.waiting.len().min(READ_KEYS_MAX);
        if count == 0 {
            state.readers -= 1;
            self.is_counted = false;
            return None;
        }
        Some(state.waiting.drain(..count).unzip())
    }
}

impl<K, V> Drop for Reader<K, V> {
    fn drop(&mut self) {
        if self.is_counted {
            self.state.lock().readers -= 1;
        }
    }
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable { reason: reason.to_owned() }
}

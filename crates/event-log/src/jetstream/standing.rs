//! Whether what the server says can be believed: that it still leads the stream, and that the stream is the one that was opened.
//!
//! A server that was cut off from the others goes on answering gets with what it has, for up to ten seconds, while the others
//! elect another leader behind its back. So the leader is asked, at most once for each [`COVERS`], how long ago it heard from the
//! others. Followers elect nobody before they have missed their leader for [`ELECTION_MIN`]; a leader that heard from a majority
//! within [`CONTACT_MAX`] is therefore the only one for a while, and what it answers meanwhile is fresh.
//!
//! The same answer says when the stream was made and where it ends. One that was made anew, that is not there, or that ends before
//! what was seen of it, is not the log that this process has read: nothing is appended to it and nothing is believed of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Info, PeerInfo};
use async_nats::jetstream::{ErrorCode, stream};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::config::TRY_TIMEOUT;
use super::store::{Store, pause};
use crate::error::ReadError;
use crate::metrics::{self, Disbelieved, Retried};

/// After how much silence of their leader followers elect another one, at the soonest; fixed in NATS.
const ELECTION_MIN: Duration = Duration::from_secs(4);
/// How long ago the leader may have heard from a majority; without traffic they answer it once a second.
const CONTACT_MAX: Duration = Duration::from_secs(2);
/// For how long such an answer is relied on.
const COVERS: Duration = Duration::from_secs(1);
/// For how long the servers must say that there is no such stream before that is believed: one that starts may not know yet.
const MISSING_FOR: Duration = Duration::from_secs(2);
// The rest is for messages that were under way.
const _: () = assert!(CONTACT_MAX.as_secs() + COVERS.as_secs() < ELECTION_MIN.as_secs());

/// What is known of the stream.
pub(super) struct Standing {
    /// When it was made; the server's own time, which tells one stream from the next.
    made: i128,
    /// How often a connection was made or lost: behind another one another server may stand, or the same with other data.
    connections: Arc<AtomicU64>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When the last question was sent whose answer was as it has to be, and on which connection.
    asked: Option<(Instant, u64)>,
    /// The last sequence that this process has seen, in an answer or by its own appends.
    last_sequence: u64,
    /// Whether a message was given a sequence that another one had: the stream is of the past, whatever it says.
    is_of_the_past: bool,
    /// Since when the servers say that there is no such stream.
    missing_since: Option<Instant>,
}

/// Why an answer is not relied on.
enum Doubt {
    /// Another answer may be as it has to be.
    Passing(String),
    /// The log is not the one that was opened.
    Lost(String),
}

impl Standing {
    /// Of a stream as it was found.
    pub(super) fn of(found: &Info, connections: Arc<AtomicU64>) -> Self {
        let seen = Seen { last_sequence: found.state.last_sequence, ..Seen::default() };
        Self { made: made(found), connections, seen: Mutex::new(seen) }
    }

    /// Whether an answer that came just now is fresh.
    pub(super) fn covers_now(&self) -> bool {
        let asked = self.seen.lock().asked;
        asked.is_some_and(|(at, connection)| at.elapsed() < COVERS && connection == self.connection())
    }

    fn connection(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The last sequence that was seen.
    pub(super) fn last_sequence(&self) -> u64 {
        self.seen.lock().last_sequence
    }

    /// An append went there. False where that cannot be: then nothing of the stream is believed any more.
    pub(super) fn appended(&self, sequence: u64, seen_before: u64) -> bool {
        let mut seen = self.seen.lock();
        if sequence <= seen_before {
            (seen.is_of_the_past, seen.asked) = (true, None);
            return false;
        }
        seen.last_sequence = seen.last_sequence.max(sequence);
        true
    }

    /// The servers say that there is no such stream.
    fn missing(&self) -> Doubt {
        let reason = "it is not there any more".to_owned();
        let since = *self.seen.lock().missing_since.get_or_insert_with(Instant::now);
        if since.elapsed() < MISSING_FOR { Doubt::Passing(reason) } else { Doubt::Lost(reason) }
    }

    fn judge(&self, info: &Info, asked: (Instant, u64), seen_before: u64) -> Result<(), Doubt> {
        let (last, mut seen) = (info.state.last_sequence, self.seen.lock());
        seen.missing_since = None;
        if made(info) != self.made {
            return Err(Doubt::Lost(format!("it was made anew at {}", info.created)));
        }
        let replicas = info.cluster.as_ref().map_or(&[][..], |cluster| &cluster.replicas);
        if !hears_a_majority(replicas) {
            metrics::disbelieved(Disbelieved::NoMajority);
            let reason = "the server that leads the log does not hear from a majority of its copies";
            return Err(Doubt::Passing(reason.to_owned()));
        }
        if seen.is_of_the_past {
            return Err(Doubt::Lost("messages that were there are not there any more".into()));
        }
        if last < seen_before {
            return Err(Doubt::Lost(format!(
                "it ends at message {last}, and message {seen_before} was there"
            )));
        }
        seen.asked = seen.asked.max(Some(asked));
        seen.last_sequence = seen.last_sequence.max(last);
        Ok(())
    }
}

impl Store {
    /// Sees to it that what the server answers next can be believed, and asks it if that was not done just now.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] where no leader that hears the others answers in time, [`ReadError::Damaged`] where the stream is not
    /// the one that was opened.
    pub(super) async fn confirm(&self, deadline: Instant) -> Result<(), ReadError> {
        if self.standing.covers_now() { Ok(()) } else { self.ask(deadline).await.map(drop) }
    }

    /// Asks the leader about the stream. The answer is from a leader that hears a majority, and about the stream that was opened.
    pub(super) async fn ask(&self, deadline: Instant) -> Result<Info, ReadError> {
        let mut tries = 0;
        loop {
            let asked = (Instant::now(), self.standing.connection());
            let seen_before = self.standing.last_sequence();
            let answer = match tokio::time::timeout_at(deadline, self.info()).await {
                Ok(Ok(info)) => self.standing.judge(&info, asked, seen_before).map(|()| info),
                Ok(Err(Unanswered::NotThere)) => Err(self.standing.missing()),
                Ok(Err(Unanswered::Other(reason))) => Err(Doubt::Passing(reason)),
                Err(_) => Err(Doubt::Passing("no answer in time".to_owned())),
            };
            let reason = match answer {
                Ok(info) => return Ok(info),
                Err(Doubt::Lost(reason)) => return Err(self.lost(&reason)),
                Err(Doubt::Passing(reason)) => reason,
            };
            if !pause(tries, deadline).await {
                return Err(ReadError::Unavailable { reason });
            }
            metrics::retried(Retried::Standing);
            tries += 1;
        }
    }

    async fn info(&self) -> Result<Info, Unanswered> {
        let other = |error: &dyn std::fmt::Display| Unanswered::Other(error.to_string());
        let subject = format!("$JS.API.STREAM.INFO.{}", self.config.stream);
        let request = async_nats::client::Request::new().timeout(Some(TRY_TIMEOUT));
        let answer = self.client.send_request(subject, request).await.map_err(|error| other(&error))?;
        match serde_json::from_slice::<Response<Info>>(&answer.payload) {
            Ok(Response::Ok(info)) => Ok(info),
            Ok(Response::Err { error }) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Err(Unanswered::NotThere)
            }
            Ok(Response::Err { error }) => Err(other(&error)),
            Err(error) => Err(other(&error)),
        }
    }

    fn lost(&self, reason: &str) -> ReadError {
        self.standing.seen.lock().asked = None;
        metrics::disbelieved(Disbelieved::NotTheLog);
        ReadError::Damaged {
            place: format!("the JetStream stream {}", self.config.stream),
            reason: format!(
                "{reason}, so it is not the log that this process has read. No command is taken. Stop all processes that use it, \
                 and restore the stream from a copy; or, if its loss is meant, give them an empty database and an empty Redis. Then \
                 start them again"
            ),
        }
    }
}

enum Unanswered {
    NotThere,
    Other(String),
}

fn made(info: &stream::Info) -> i128 {
    info.created.unix_timestamp_nanos()
}

/// The leader is one of the copies and not in the list.
fn hears_a_majority(others: &[PeerInfo]) -> bool {
    // One that was never heard of has no time either.
    let heard = |peer: &&PeerInfo| peer.active <= CONTACT_MAX && (peer.current || !peer.active.is_zero());
    2 * (1 + others.iter().filter(heard).count()) > 1 + others.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(active_ms: u64, current: bool) -> PeerInfo {
        PeerInfo { active: Duration::from_millis(active_ms), current, ..PeerInfo::default() }
    }

    #[test]
    fn a_leader_needs_to_hear_from_a_majority() {
        assert!(hears_a_majority(&[]));
        assert!(hears_a_majority(&[peer(900, true), peer(9_000, false)]));
        assert!(hears_a_majority(&[peer(0, true), peer(9_000, false)]));
        assert!(!hears_a_majority(&[peer(2_001, true), peer(9_000, false)]));
        assert!(!hears_a_majority(&[peer(0, false), peer(0, false)]));
        assert!(!hears_a_majority(&[peer(5, true), peer(9_000, true), peer(9_000, true), peer(9_000, true)]));
    }
}

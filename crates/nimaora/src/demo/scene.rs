//! What has happened so far, for the screen and the summary.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

/// Attacks that the screen can show; older ones scroll away.
const FEED_MAX: usize = 20;
/// The longest latency that is told apart, in microseconds; a longer one counts as this one.
const LATENCY_US_MAX: u64 = 60_000_000;

/// A board as it comes over a socket.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Board {
    pub(super) as_of: u64,
    pub(super) entries: Vec<Line>,
}

/// A line of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    pub(super) rank: u32,
    pub(super) participant_id: String,
    pub(super) username: String,
    pub(super) points: u32,
}

/// An alert as it comes over the target's socket.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Alert {
    pub(super) attacker: String,
    pub(super) blocked: bool,
    pub(super) points_lost: u32,
    pub(super) position: u64,
}

/// An attack as the screen shows it.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) target: String,
    pub(super) alert: Alert,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Commands that were carried out.
    pub(super) commands: u64,
    pub(super) answers: u64,
    pub(super) right: u64,
    pub(super) attacks: u64,
    pub(super) blocked: u64,
    /// Alerts that reached their target's socket.
    pub(super) alerts: u64,
    /// Commands that the rules refused.
    pub(super) refused: u64,
    /// Commands and sockets that failed.
    pub(super) failed: u64,
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) board: Board,
    /// The newest first.
    pub(super) feed: Vec<Hit>,
    pub(super) counts: Counts,
    pub(super) alert_p50: Duration,
    pub(super) alert_p99: Duration,
}

/// What all bots write to.
pub(super) struct Scene(Mutex<State>);

struct State {
    board: Board,
    feed: VecDeque<Hit>,
    counts: Counts,
    /// Attacks whose alert has not come yet, and alerts whose attack was not answered yet, by the attack's position.
    sent: HashMap<u64, Instant>,
    received: HashMap<u64, Instant>,
    latencies_us: Histogram<u64>,
}

impl Scene {
    pub(super) fn new() -> Self {
        #[allow(clippy::expect_used, reason = "the bounds are constants that the histogram accepts")]
        let latencies_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("constant bounds");
        Self(Mutex::new(State {
            board: Board::default(),
            feed: VecDeque::with_capacity(FEED_MAX),
            counts: Counts::default(),
            sent: HashMap::new(),
            received: HashMap::new(),
            latencies_us,
        }))
    }

    /// A board came. An older one than is shown changes nothing.
    pub(super) fn board(&self, board: Board) {
        let mut state = self.0.lock();
        if board.as_of >= state.board.as_of {
            state.board = board;
        }
    }

    /// An attack was sent at `sent` and answered with its position.
    pub(super) fn attacked(&self, position: u64, blocked: bool, sent: Instant) {
        let mut state = self.0.lock();
        state.counts.attacks += 1;
        state.counts.blocked += u64::from(blocked);
        match state.received.remove(&position) {
            Some(received) => state.record(sent, received),
            None => drop(state.sent.insert(position, sent)),
        }
    }

    /// The target's socket was told of an attack.
    pub(super) fn alerted(&self, target: &str, alert: Alert) {
        let received = Instant::now();
        let mut state = self.0.lock();
        state.counts.alerts += 1;
        match state.sent.remove(&alert.position) {
            Some(sent) => state.record(sent, received),
            None => drop(state.received.insert(alert.position, received)),
        }
        state.feed.truncate(FEED_MAX - 1);
        state.feed.push_front(Hit { target: target.to_owned(), alert });
    }

    /// Counts whatever else happened.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().counts);
    }

    /// The best participants that a bot knows of.
    pub(super) fn leaders(&self) -> Vec<String> {
        self.0.lock().board.entries.iter().map(|line| line.participant_id.clone()).collect()
    }

    /// Whether the alert of each answered attack has come.
    pub(super) fn is_settled(&self) -> bool {
        self.0.lock().sent.is_empty()
    }

    pub(super) fn view(&self) -> View {
        let state = self.0.lock();
        let at = |quantile| Duration::from_micros(state.latencies_us.value_at_quantile(quantile));
        View {
            board: state.board.clone(),
            feed: state.feed.iter().cloned().collect(),
            counts: state.counts,
            alert_p50: at(0.50),
            alert_p99: at(0.99),
        }
    }
}

impl State {
    fn record(&mut self, sent: Instant, received: Instant) {
        let latency = received.saturating_duration_since(sent).as_micros();
        let latency_us = u64::try_from(latency).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX);
        self.latencies_us.saturating_record(latency_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(position: u64) -> Alert {
        Alert { attacker: "ada".to_owned(), blocked: false, points_lost: 5, position }
    }

    #[tokio::test(start_paused = true)]
    async fn an_alert_may_come_before_or_after_the_answer() {
        let scene = Scene::new();
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        scene.alerted("bob", alert(1));
        scene.attacked(1, false, sent);
        scene.attacked(2, true, sent);
        assert!(!scene.is_settled());
        tokio::time::advance(Duration::from_millis(10)).await;
        scene.alerted("bob", alert(2));
        assert!(scene.is_settled());
        let view = scene.view();
        assert_eq!((view.counts.attacks, view.counts.blocked, view.counts.alerts), (2, 1, 2));
        assert_eq!(view.alert_p50.as_millis(), 10);
        assert_eq!(view.alert_p99.as_millis(), 20);
    }

    #[test]
    fn an_older_board_changes_nothing_and_the_feed_stays_short() {
        let scene = Scene::new();
        scene.board(Board { as_of: 5, entries: Vec::new() });
        scene.board(Board { as_of: 4, entries: Vec::new() });
        assert_eq!(scene.view().board.as_of, 5);
        (0..100).for_each(|position| scene.alerted("bob", alert(position)));
        let feed = scene.view().feed;
        assert_eq!((feed.len(), feed[0].alert.position), (FEED_MAX, 99));
    }
}

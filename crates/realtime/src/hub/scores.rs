//! What participants hold and where they stand, told on their own channels: of each the newest only, and after everything that is
//! more urgent.

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::Board;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Hub;
use super::follower::Follower;
use crate::Position;
use crate::error::Refusal;
use crate::metrics;
use crate::pusher::events::{self, News, ScoreChanged};

/// So many ranks that could not be read in a row, and the rest of a round is told without.
const FAILURES_MAX: usize = 3;
/// Scores that are told before others get their turn.
const SLICE_SCORES: usize = 64;

/// What a participant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Score {
    pub(super) points: u32,
    pub(super) shields: u32,
    pub(super) arrows: u32,
    pub(super) position: Position,
}

/// Scores that are to be told: at most one for each participant that listens here.
#[derive(Debug, Default)]
pub(super) struct Scores {
    newest: Mutex<AHashMap<ParticipantId, Score>>,
    came: Notify,
}

impl Follower {
    /// The participant holds this now. It is told soon, with where it stands.
    pub(super) fn score(&self, id: ParticipantId, score: Score) {
        if !self.room.inboxes.lock().awaits_score(id, score.position) {
            return;
        }
        let mut newest = self.room.scores.newest.lock();
        let kept = newest.entry(id).or_insert(score);
        if kept.position < score.position {
            *kept = score;
        }
        drop(newest);
        self.room.scores.came.notify_one();
    }

    /// Tells scores whenever some have changed. Never ends.
    pub(super) async fn tell_scores(&self) {
        loop {
            self.room.scores.came.notified().await;
            let newest = std::mem::take(&mut *self.room.scores.newest.lock());
            let mut failures = 0;
            for (nth, (id, score)) in newest.into_iter().enumerate() {
                if nth % SLICE_SCORES == SLICE_SCORES - 1 {
                    tokio::task::yield_now().await;
                }
                let rank = match failures < FAILURES_MAX {
                    true => self.hub.rank(self.room.battle_id, id, score.position).await,
                    false => Err(Refusal::Unavailable),
                };
                failures = if rank.is_ok() { 0 } else { failures + 1 };
                self.tell_score(id, score, rank.ok());
            }
        }
    }

    fn tell_score(&self, id: ParticipantId, score: Score, board: Option<Board>) {
        // Who was removed stands on no board.
        let rank = board.as_ref().and_then(|board| board.entries.first()).map(|entry| entry.rank);
        let changed = ScoreChanged {
            points: score.points,
            shields: score.shields,
            arrows: score.arrows,
            rank,
            total: board.map(|board| board.total),
            position: score.position,
        };
        let mut frame_bytes = 0;
        let sockets = self.room.inboxes.lock().score(id, score.position, || {
            let frame = events::of_participant(self.room.battle_id, id, &News::Score(changed));
            frame_bytes = frame.len();
            frame
        });
        if sockets > 0 {
            metrics::sent("score", sockets, sockets * frame_bytes);
        }
    }
}

impl Hub {
    /// Where a participant stands, from the tables when the leaderboard cannot tell, or has not reached `at_least`.
    async fn rank(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
        at_least: Position,
    ) -> Result<Board, Refusal> {
        match self.ask(self.leaderboard.rank(battle_id, id)).await {
            Ok(board) if board.as_of >= at_least => Ok(board),
            _ => self.ask(self.read_models.around(battle_id, id, 0)).await,
        }
    }
}

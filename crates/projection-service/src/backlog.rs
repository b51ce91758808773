//! What was written to the tables and is on its way to the leaderboard.
//!
//! The leaderboard may be down, or slow, and the tables wait for nobody: when too much is on its way, all of it is dropped, and what
//! is kept is which battles it was about. Their boards are made anew from the log.

use std::collections::VecDeque;

use ahash::AHashSet;
use nimaora_domain::BattleId;
use nimaora_read_models::{BoardBatch, Position};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::{UNHEALED_BATTLES_MAX, UNWRITTEN_CHANGES_MAX};

/// What one batch of events does to boards.
#[derive(Debug)]
pub(crate) struct BoardJob {
    pub(crate) batches: Vec<BoardBatch>,
    /// Events that were parked in it.
    pub(crate) parked: Vec<Position>,
    /// The position up to which the whole log was looked at.
    pub(crate) upto: Position,
}

/// What the task that writes boards has to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Write(BoardJob),
    /// Too much was on its way: the batches of these battles were dropped.
    Dropped(Dropped),
}

/// What is left of jobs that were dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    pub(crate) battles: AHashSet<BattleId>,
    pub(crate) parked: Vec<Position>,
    pub(crate) upto: Position,
}

/// The queue between the task that writes tables and the one that writes boards. It never blocks who puts something in.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Before all jobs that wait.
    dropped: Option<Dropped>,
    jobs: VecDeque<BoardJob>,
    /// The changes in all jobs; an empty batch counts as one.
    changes: usize,
    is_closed: bool,
}

impl Backlog {
    /// The next job. The first one is taken however large it is.
    pub(crate) fn push(&self, job: BoardJob) {
        let mut waiting = self.waiting.lock();
        waiting.changes += size(&job);
        waiting.jobs.push_back(job);
        if waiting.changes > UNWRITTEN_CHANGES_MAX && waiting.jobs.len() > 1 {
            waiting.drop_jobs();
        }
        drop(waiting);
        self.came.notify_one();
    }

    /// No more jobs come.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.came.notify_one();
    }

    /// Waits for work; `None` when there is none and no more comes. Cancel safe. For one task only.
    pub(crate) async fn next(&self) -> Option<Work> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(work) = waiting.take() {
                    return Some(work);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            self.came.notified().await;
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Work> {
        if let Some(dropped) = self.dropped.take() {
            return Some(Work::Dropped(dropped));
        }
        let job = self.jobs.pop_front()?;
        self.changes -= size(&job);
        Some(Work::Write(job))
    }

    fn drop_jobs(&mut self) {
        let dropped = self.dropped.get_or_insert_default();
        for job in self.jobs.drain(..) {
            dropped.upto = job.upto;
            dropped.parked.extend(job.parked);
            for batch in job.batches {
                // The sweep finds those that are not remembered.
                if dropped.battles.len() < UNHEALED_BATTLES_MAX {
                    dropped.battles.insert(batch.battle_id);
                }
            }
        }
        self.changes = 0;
    }
}

fn size(job: &BoardJob) -> usize {
    job.batches.iter().map(|batch| batch.changes.len().max(1)).sum()
}

#[cfg(test)]
mod tests {
    use nimaora_domain::ParticipantId;
    use nimaora_read_models::BoardChange;
    use uuid::Uuid;

    use super::*;

    fn job(battle: u128, changes: usize, upto: Position) -> BoardJob {
        let gone = BoardChange::Removed { participant_id: ParticipantId(Uuid::nil()) };
        let batch = BoardBatch {
            battle_id: BattleId(Uuid::from_u128(battle)),
            changes: vec![gone; changes],
            first_revision: 0,
            last_revision: 0,
            position: upto,
            ended: false,
        };
        BoardJob { batches: vec![batch], parked: vec![upto], upto }
    }

    #[tokio::test]
    async fn jobs_come_in_order_and_end_when_it_is_closed() {
        let backlog = Backlog::default();
        backlog.push(job(1, UNWRITTEN_CHANGES_MAX + 1, 1));
        assert!(matches!(backlog.next().await, Some(Work::Write(job)) if job.upto == 1));
        backlog.push(job(1, 5, 2));
        backlog.push(job(2, 0, 3));
        backlog.close();
        for upto in 2..4 {
            assert!(matches!(backlog.next().await, Some(Work::Write(job)) if job.upto == upto));
        }
        assert!(backlog.next().await.is_none());
    }

    #[tokio::test]
    async fn of_too_much_only_the_battles_are_kept() {
        let backlog = Backlog::default();
        for upto in 1..4 {
            backlog.push(job(u128::from(upto), UNWRITTEN_CHANGES_MAX / 2, upto));
        }
        backlog.push(job(9, 1, 4));
        let Some(Work::Dropped(dropped)) = backlog.next().await else { panic!("nothing was dropped") };
        assert_eq!((dropped.battles.len(), dropped.upto, dropped.parked), (3, 3, vec![1, 2, 3]));
        assert!(matches!(backlog.next().await, Some(Work::Write(job)) if job.upto == 4));
    }
}

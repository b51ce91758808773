//! Removes from the bucket what nobody needs any more: entries of nodes that crashed and were not started again, their leases, and
//! what deleted entries leave behind. One node does it, a bounded number at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Shared;
use super::config::{ABANDONED_AFTER, SWEPT_AFTER, TIDIED_MAX, TIDY_EVERY, TRACES_MAX};

/// Revisions in which entries were deleted, the oldest first. Every node remembers them, so that each can be the one that tidies up.
#[derive(Default)]
pub(super) struct Traces(VecDeque<(Instant, u64)>);

impl Traces {
    /// An entry was seen to be deleted in this revision.
    pub(super) fn note(&mut self, revision: u64) {
        if self.0.len() < TRACES_MAX {
            self.0.push_back((Instant::now(), revision));
        }
    }

    /// The bucket is another one, with other revisions.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is to be removed now.
    fn due(&mut self) -> Vec<u64> {
        let due = self.0.iter().take(TIDIED_MAX).take_while(|(at, _)| at.elapsed() >= SWEPT_AFTER).count();
        self.0.drain(..due).map(|(_, revision)| revision).collect()
    }

    /// Forgets what another node has removed by now.
    fn forget_old(&mut self) {
        while self.0.front().is_some_and(|(at, _)| at.elapsed() >= 2 * SWEPT_AFTER) {
            self.0.pop_front();
        }
    }
}

/// Tidies up for as long as this node is the one to do it.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut every = interval(TIDY_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.tasks.requested() => return,
            _ = every.tick() => {}
        }
        let keeper = shared.view.read().is_keeper();
        if !keeper {
            shared.traces.lock().forget_old();
        } else if let Err(reason) = tidy(&shared).await {
            tracing::debug!(%reason, "what crashed nodes left in the bucket stays for now");
        }
    }
}

/// Ends at the first call that fails: either NATS is away, or somebody was faster, and the watch will tell.
async fn tidy(shared: &Shared) -> Result<(), String> {
    let (silent, abandoned) = {
        let view = shared.view.read();
        (view.silent_for(ABANDONED_AFTER), view.abandoned(ABANDONED_AFTER, TIDIED_MAX))
    };
    for (node, revision) in silent {
        shared.bucket.forget_silent(&node, revision).await?;
    }
    for (battle_id, revision) in abandoned {
        shared.bucket.release(battle_id, revision).await?;
    }
    let due = shared.traces.lock().due();
    for revision in due {
        // It fails where the entry was written anew: then there is nothing to remove.
        if let Err(reason) = shared.bucket.sweep(revision).await {
            tracing::debug!(revision, %reason, "what a deleted entry left behind is not there");
        }
    }
    Ok(())
}

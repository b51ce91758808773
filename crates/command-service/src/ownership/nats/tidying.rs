//! Removes from the bucket what nobody needs any more: entries of nodes that crashed and were not started again, their leases, and
//! what deleted entries leave behind. One node does it, a bounded number at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Shared;
use super::bucket::Identity;
use super::config::{ABANDONED_AFTER, SWEPT_AFTER, TIDIED_MAX, TIDY_EVERY, TRACES_MAX};

/// Revisions in which entries were deleted, the oldest first. Every node remembers them, so that each can be the one that tidies up.
#[derive(Default)]
pub(super) struct Traces {
    /// Of which bucket; none before one is followed.
    of: Option<Identity>,
    deleted: VecDeque<(Instant, u64)>,
}

impl Traces {
    /// An entry was seen to be deleted in this revision.
    pub(super) fn note(&mut self, revision: u64) {
        if self.deleted.len() < TRACES_MAX {
            self.deleted.push_back((Instant::now(), revision));
        }
    }

    /// This bucket is followed now. What was noted of another one, with other revisions, is forgotten.
    pub(super) fn begin(&mut self, of: Identity) {
        if self.of.replace(of) != Some(of) {
            self.deleted.clear();
        }
    }

    /// What is to be removed now, and from which bucket.
    fn due(&mut self) -> Option<(Identity, Vec<u64>)> {
        let due =
            self.deleted.iter().take(TIDIED_MAX).take_while(|(at, _)| at.elapsed() >= SWEPT_AFTER).count();
        let due = self.deleted.drain(..due).map(|(_, revision)| revision).collect();
        self.of.map(|of| (of, due))
    }

    /// Forgets what another node has removed by now.
    fn forget_old(&mut self) {
        while self.deleted.front().is_some_and(|(at, _)| at.elapsed() >= 2 * SWEPT_AFTER) {
            self.deleted.pop_front();
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
    let Some((of, due)) = due else { return Ok(()) };
    for revision in due {
        // It fails where the entry was written anew: then there is nothing to remove.
        if let Err(reason) = shared.bucket.sweep(of, revision).await {
            tracing::debug!(revision, %reason, "what a deleted entry left behind is not there");
        }
    }
    Ok(())
}

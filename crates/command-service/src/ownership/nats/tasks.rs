//! What goes on in the background: the heartbeat, the watch, and giving battles up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use nimaora_domain::BattleId;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::bucket::{self, News};
use super::config::{BEAT_EVERY, BLIND_AFTER, RECONNECT_EVERY};
use super::{RELEASES_MAX, Shared};

/// After how long the trace of an entry that was deleted is removed: everybody has seen it by then.
const SWEEP_AFTER: Duration = Duration::from_secs(30);

/// Tells the others that this node lives, until it leaves.
pub(super) async fn beat(shared: Arc<Shared>) {
    let mut every = interval(BEAT_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.tasks.requested() => return,
            () = shared.beat.notified() => {}
            _ = every.tick() => {}
        }
        // What is known of the others is still followed: requests that arrive late are sent on to them.
        if shared.view.read().has_left() {
            return;
        }
        let record = shared.view.read().record(&shared.config.advertised_url);
        let sent_at = Instant::now();
        match shared.bucket.beat(&shared.config.node, &record).await {
            Ok(()) => shared.view.write().renewed(sent_at),
            Err(reason) => {
                tracing::debug!(%reason, "a heartbeat was not taken");
                shared.bucket.reopen();
            }
        }
    }
}

/// Follows the bucket, and begins anew whenever that fails or this node's own heartbeat does not come back.
pub(super) async fn watch(shared: Arc<Shared>) {
    loop {
        let followed = async {
            let reason = follow(&shared).await;
            tracing::debug!(%reason, "the leases are followed anew");
            sleep(RECONNECT_EVERY).await;
        };
        tokio::select! {
            () = shared.tasks.requested() => return,
            () = followed => {}
        }
    }
}

async fn follow(shared: &Shared) -> String {
    let mut watch = match shared.bucket.watch().await {
        Ok(watch) => watch,
        Err(reason) => return reason,
    };
    shared.view.write().begin();
    loop {
        // This node's own heartbeats are among the news.
        match timeout(BLIND_AFTER, watch.next()).await {
            Ok(Some(Ok(entry))) => take(shared, bucket::news(&entry)),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(None) => return "the watch ended".to_owned(),
            Err(_) => return "there is no news".to_owned(),
        }
    }
}

fn take(shared: &Shared, news: Option<News>) {
    match news {
        Some(News::Node(name, record)) => shared.view.write().hear(&name, record),
        Some(News::Owned(battle_id, revision, lease)) => shared.learn(battle_id, Some((revision, lease))),
        Some(News::Free(battle_id, revision)) => shared.view.write().forget(battle_id, revision),
        None => {}
    }
}

/// Deletes the entries of battles that were given up, and later what the deletions left behind.
pub(super) async fn release(shared: Arc<Shared>, mut releases: mpsc::Receiver<(BattleId, u64)>) {
    let mut deleted: VecDeque<(Instant, BattleId)> = VecDeque::new();
    let mut every = interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            permit = releases.recv() => {
                let Some((battle_id, revision)) = permit else { return };
                match shared.bucket.release(battle_id, revision).await {
                    Ok(()) if deleted.len() < RELEASES_MAX => deleted.push_back((Instant::now(), battle_id)),
                    Ok(()) => {}
                    Err(reason) => tracing::debug!(%battle_id, %reason, "a battle was not given up in the bucket"),
                }
            }
            () = shared.tasks.requested() => return,
            _ = every.tick() => {
                while deleted.front().is_some_and(|(at, _)| at.elapsed() > SWEEP_AFTER)
                    && let Some((_, battle_id)) = deleted.pop_front()
                {
                    if let Err(reason) = shared.bucket.sweep(battle_id).await {
                        tracing::debug!(%battle_id, %reason, "what a deleted entry left behind was not removed");
                    }
                }
            }
        }
    }
}

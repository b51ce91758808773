//! What goes on in the background: the heartbeat, the watch, and giving battles up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use nimaora_domain::BattleId;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::Shared;
use super::bucket::{self, News};
use super::config::{BEAT_EVERY, BLIND_AFTER, RECONNECT_EVERY, RELEASES_AT_ONCE};

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
    // What was known of the bucket may be of one that was wiped.
    shared.bucket.reopen();
    let (mut watch, identity) = match shared.bucket.watch().await {
        Ok(watch) => watch,
        Err(reason) => return reason,
    };
    if !shared.view.write().begin(identity) {
        tracing::warn!("the bucket of the leases was made anew; all nodes claim their battles again");
    }
    shared.traces.lock().begin(identity);
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
        Some(News::Node(name, revision, record)) => {
            if record.is_none() {
                shared.traces.lock().note(revision);
            }
            shared.view.write().hear(&name, revision, record);
        }
        Some(News::Owned(battle_id, revision, lease)) => shared.learn(battle_id, Some((revision, lease))),
        Some(News::Free(battle_id, revision)) => {
            shared.traces.lock().note(revision);
            shared.view.write().forget(battle_id, revision);
        }
        None => {}
    }
}

/// Deletes the entries of battles that were given up. A node that stops gives up all that it has: the last one must not wait for all others.
pub(super) async fn release(shared: Arc<Shared>, mut releases: mpsc::Receiver<(BattleId, u64)>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = under_way.next() => {}
            released = releases.recv(), if under_way.len() < RELEASES_AT_ONCE => {
                let Some((battle_id, revision)) = released else { return };
                under_way.push(give_up(&shared, battle_id, revision));
            }
            () = shared.tasks.requested() => return,
        }
    }
}

async fn give_up(shared: &Shared, battle_id: BattleId, revision: u64) {
    if let Err(reason) = shared.bucket.release(battle_id, revision).await {
        tracing::debug!(%battle_id, %reason, "a battle was not given up in the bucket");
    }
    shared.given_up.fetch_sub(1, Ordering::Relaxed);
}

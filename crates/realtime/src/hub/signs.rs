//! A participant that listens lives: its sockets are signs of life, so that nobody who is connected lapses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nimaora_sessions::Presence;
use tokio::time::{MissedTickBehavior, timeout};

use super::Hub;
use super::room::Room;
use crate::metrics;

/// How long the signs of life of one battle may take, which are told in one go. Then they wait for the next round.
const TOUCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Records signs of life until the server stops.
pub(crate) async fn run(hub: Arc<Hub>) {
    let Some(presence) = &hub.presence else { return };
    let mut rounds = tokio::time::interval(Duration::from_millis(hub.config.sign_of_life_ms.max(1)));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hub.shutdown.requested() => return,
            _ = rounds.tick() => {}
        }
        for room in hub.rooms.all() {
            tokio::select! {
                () = hub.shutdown.requested() => return,
                () = record(&hub, &**presence, &room) => {}
            }
        }
    }
}

/// Nobody waits for the participants of a battle that is over.
async fn record(hub: &Hub, presence: &dyn Presence, room: &Room) {
    if room.is_over.load(Ordering::Relaxed) {
        return;
    }
    let listening = room.inboxes.lock().listening();
    let touched = presence.touch_all(room.battle_id, &listening, hub.clock.now_ms());
    if !matches!(timeout(TOUCH_TIMEOUT, touched).await, Ok(Ok(()))) {
        metrics::sign_of_life_failed();
    }
}

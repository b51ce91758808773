//! A participant that listens lives: its sockets are signs of life, so that nobody who is connected lapses.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nimaora_sessions::Presence;
use tokio::time::{MissedTickBehavior, timeout};

use super::Hub;
use super::room::Room;
use crate::metrics;

/// How long a sign of life may take. Then the rest of a battle's waits for the next round.
const TOUCH_TIMEOUT: Duration = Duration::from_secs(1);

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
    let listening = room.inboxes.lock().listening();
    for id in listening {
        if room.is_over.load(Ordering::Relaxed) {
            return;
        }
        let touched = presence.touch(room.battle_id, id, hub.clock.now_ms());
        if !matches!(timeout(TOUCH_TIMEOUT, touched).await, Ok(Ok(()))) {
            metrics::sign_of_life_failed();
            return;
        }
    }
}

//! One look at all sockets a second, instead of a timer for each; and the end of all of them when the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Hub;
use crate::error::CloseReason;
use crate::socket::Silence;

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// In how many parts the sockets are closed.
const DRAIN_WAVES: u32 = 20;

/// Pings sockets that are silent and closes those that stay so, until the server stops; then closes all.
pub(crate) async fn run(hub: Arc<Hub>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hub.shutdown.requested() => break,
            _ = interval.tick() => sweep(&hub),
        }
    }
    drain(&hub).await;
}

fn sweep(hub: &Hub) {
    let now_s = hub.now_s();
    for socket in hub.sockets.all() {
        match socket.silence(now_s, &hub.config) {
            Silence::Short => {}
            Silence::Long => socket.ping(),
            Silence::Dead => socket.close(CloseReason::NoPong),
        }
    }
}

/// Clients come back the moment they are closed, so they are not all closed in one moment.
async fn drain(hub: &Hub) {
    let sockets = hub.sockets.all();
    let wave = sockets.len().div_ceil(DRAIN_WAVES as usize).max(1);
    let pause = Duration::from_millis(hub.config.drain_ms) / DRAIN_WAVES;
    for (nth, sockets) in sockets.chunks(wave).enumerate() {
        if nth > 0 {
            tokio::time::sleep(pause).await;
        }
        for socket in sockets {
            socket.close(CloseReason::Draining);
        }
    }
}

//! A look at the channels in which something is due, instead of a timer for each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::hub::Hub;
use crate::hub::users::News;
use crate::webhooks::{Occurred, WebhookEvent};

/// How often the channels in which something is due are looked at. Counts go out at most as often.
const TICK: Duration = Duration::from_millis(250);
/// How often nodes compare who they know to be where.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// The shortest time between two times when another node asks for it.
const COMPARE_PAUSE: Duration = Duration::from_secs(1);

/// Until the node has closed its sockets.
pub(crate) async fn run(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut compare_at = Instant::now() + COMPARE_EVERY;
    let mut asked_at = Instant::now();
    loop {
        tokio::select! {
            () = hub.link.ended() => return,
            _ = ticks.tick() => {}
        }
        let halls = std::mem::take(&mut *hub.halls.tended.lock());
        for hall in halls {
            // From here on it can be put among those of the next look.
            hall.is_tended.store(false, Ordering::Release);
            let again = hall.tend(&hub.link, hub.now_ms(), hub.config.presence_grace_ms);
            for occurred in hall.take_occurred() {
                hub.webhooks.tell(|| occurred);
            }
            if hall.is_waiting() {
                hub.halls.sending.push(&hall);
            }
            if again {
                hub.halls.tend(&hall);
            }
            hub.halls.remove_if_unused(&hub, &mut hub.halls.shard(hall.name.text()).lock(), &hall);
        }
        hub.users.change(|online| News { offline: online.take_gone(hub.now_ms()), ..News::default() });
        tell_vacated(&hub);
        let now = Instant::now();
        let is_asked = now >= asked_at && hub.halls.is_compared.swap(false, Ordering::Relaxed);
        if now >= compare_at || is_asked {
            compare_at = now + COMPARE_EVERY;
            asked_at = now + COMPARE_PAUSE;
            hub.halls.compare(&hub);
        }
    }
}

/// Tells of the channels that have been empty for a while.
fn tell_vacated(hub: &Hub) {
    let _in_order = hub.halls.telling.lock();
    let vacated = hub.halls.occupied.take_gone(hub.now_ms());
    for channel in vacated.into_iter().filter(|_| hub.link.speaks_for_others()) {
        hub.webhooks.tell(|| Occurred::new(WebhookEvent::ChannelVacated, &channel));
    }
}

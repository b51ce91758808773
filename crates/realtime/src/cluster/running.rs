//! The tasks that carry what nodes say, and notice who is gone.

use std::sync::Arc;
use std::time::Duration;

use nimaora_change_bus::{BusError, RelayMessage, Relayed};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::message::{self, NodeId, Say};
use super::outgoing::{Outgoing, Words};
use crate::hub::Hub;
use crate::metrics;

/// How often a node says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// How long others may take to answer a greeting.
const SETTLE_TIME: Duration = Duration::from_millis(200);
/// How long to wait before the relay is tried again; up to as much again is added by chance.
const RETRY_PAUSE_MS: u64 = 250;
/// How long a stopping node may take to say what it has accepted; what is left then is lost, and counted.
const REST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the last word of a stopping node may take.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves the node's side of the relay until its sockets are gone: until then they hear the others, and the others hear them.
pub(crate) async fn run(hub: Arc<Hub>, mut outgoing: Outgoing) {
    let listening = Notify::new();
    tokio::select! {
        () = send_all(&hub, &mut outgoing) => {}
        () = hear_all(&hub, &listening) => {}
        () = settle(&hub, &listening) => {}
        () = live(&hub) => {}
    }
    // The others would notice by themselves, later.
    let last_word = async {
        hub.relay.send(message::encode(hub.link.id, &Say::Stopping)).await?;
        hub.relay.flush().await
    };
    let _ = tokio::time::timeout(LAST_WORD_TIMEOUT, last_word).await;
}

/// Until the node has ended and all is said that was accepted before.
async fn send_all(hub: &Hub, outgoing: &mut Outgoing) {
    loop {
        tokio::select! {
            biased;
            () = hub.link.ended() => break,
            words = outgoing.recv() => match words {
                Some(words) => send(hub, words).await,
                None => return,
            },
        }
    }
    outgoing.close();
    let rest = async {
        while let Some(words) = outgoing.recv().await {
            send(hub, words).await;
        }
    };
    if tokio::time::timeout(REST_TIMEOUT, rest).await.is_err() {
        tracing::warn!(
            left = outgoing.len(),
            "the node stops, and the others were not told all that it has accepted"
        );
        (0..=outgoing.len()).for_each(|_| metrics::relay_dropped());
    }
}

async fn send(hub: &Hub, words: Words) {
    match words {
        Words::Of(say) => drop(send_one(hub, &say).await),
        // It was given up: whoever waited has said so.
        Words::Told(_, told) if told.is_closed() => {}
        Words::Told(says, told) => {
            for say in &says {
                if send_one(hub, say).await.is_err() {
                    return;
                }
            }
            // Who has just stopped waiting tries again, and is heard twice.
            let _ = told.send(());
        }
    }
}

async fn send_one(hub: &Hub, say: &Say) -> Result<(), BusError> {
    hub.relay.send(message::encode(hub.link.id, say)).await.inspect_err(|error| {
        tracing::debug!(%error, "other nodes could not be told");
        metrics::relay_dropped();
    })
}

async fn hear_all(hub: &Arc<Hub>, listening: &Notify) {
    let mut is_first = true;
    loop {
        match hub.relay.listen().await {
            Ok(mut listener) => {
                hub.link.say(Say::Alive { greets: true });
                if !std::mem::take(&mut is_first) {
                    hub.halls.ask_all(hub);
                }
                listening.notify_one();
                hear(hub, &mut *listener).await;
            }
            Err(error) => {
                tracing::warn!(%error, "other nodes cannot be heard; it is tried again");
                // Who is here need not wait for whoever is elsewhere.
                hub.link.settle();
            }
        }
        tokio::time::sleep(Duration::from_millis(RETRY_PAUSE_MS + fastrand::u64(..RETRY_PAUSE_MS))).await;
    }
}

/// Never ends.
async fn settle(hub: &Hub, listening: &Notify) {
    listening.notified().await;
    tokio::time::sleep(SETTLE_TIME).await;
    hub.link.settle();
    std::future::pending().await
}

/// Until the relay fails.
async fn hear(hub: &Arc<Hub>, listener: &mut dyn Relayed) {
    loop {
        match listener.next().await {
            Ok(RelayMessage::Said(bytes)) => take(hub, &bytes),
            Ok(RelayMessage::Lagged) => {
                metrics::relay_lagged();
                hub.halls.ask_all(hub);
            }
            Err(error) => {
                tracing::warn!(%error, "other nodes are heard no more; it is tried again");
                return;
            }
        }
    }
}

fn take(hub: &Arc<Hub>, bytes: &[u8]) {
    let Some(from) = message::sender(bytes) else { return };
    if from == hub.link.id {
        hub.link.heard_itself();
        return;
    }
    let is_new = hub.link.heard(from);
    match message::decode(bytes) {
        Some(Say::Stopping) => {
            hub.link.forget(from);
            forget(hub, from);
        }
        Some(Say::Alive { greets }) if greets || is_new => {
            hub.link.say(Say::Alive { greets: false });
            hub.say_still();
        }
        Some(Say::Event(event)) => hub.halls.tell(hub, &Arc::new(event)),
        Some(Say::Terminate { user_id }) => hub.users.terminate(&user_id),
        Some(Say::Ask { id, query }) => hub.answer(from, id, &query),
        Some(Say::Tell { to, id, is_last, channels }) if to == hub.link.id => {
            hub.questions.answered(from, id, is_last, channels);
        }
        Some(Say::Done { signature }) => hub.replays.heard(&signature, hub.clock.now_ms()),
        Some(say) => hub.halls.hear(hub, from, say),
        None => {}
    }
}

/// Another node is gone.
fn forget(hub: &Arc<Hub>, node: NodeId) {
    hub.halls.forget_node(hub, node);
    hub.questions.forget(node);
}

async fn live(hub: &Arc<Hub>) {
    let mut ticks = tokio::time::interval(ALIVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        hub.link.say(Say::Alive { greets: false });
        for gone in hub.link.take_silent() {
            tracing::warn!(node = %gone, "a node is silent; its members are gone");
            forget(hub, gone);
        }
    }
}

//! The suite that every relay passes. Each function is one promise; [`relay_contract!`](macro@crate::relay_contract) makes a test of
//! each for one adapter.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

use std::time::Duration;

use bytes::Bytes;

use crate::relay::{RELAY_BYTES_MAX, Relay, RelayMessage, Relayed};

/// Long enough for any healthy relay; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes one test of each promise. `$relay` is an expression that makes a fresh relay.
#[macro_export]
macro_rules! relay_contract {
    ($relay:expr) => {
        $crate::relay_contract!(@each $relay;
            reaches_all_listeners_in_the_order_of_sending,
            carries_what_is_as_large_as_allowed,
            takes_what_nobody_listens_to,
            confirms_what_it_has_taken,
            says_when_a_listener_lagged
        );
    };
    (@each $relay:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::relay_contract::$promise(&$relay).await;
            }
        )+
    };
}

fn number(n: u64) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

async fn next(listener: &mut dyn Relayed) -> RelayMessage {
    tokio::time::timeout(PATIENCE, listener.next()).await.unwrap().unwrap()
}

/// Each listener gets everything, the sender's own included.
pub async fn reaches_all_listeners_in_the_order_of_sending(relay: &dyn Relay) {
    let mut one = relay.listen().await.unwrap();
    let mut two = relay.listen().await.unwrap();
    for n in 0..100 {
        relay.send(number(n)).await.unwrap();
    }
    for listener in [&mut one, &mut two] {
        for n in 0..100 {
            assert_eq!(next(&mut **listener).await, RelayMessage::Said(number(n)));
        }
    }
}

/// A message of the largest size arrives whole.
pub async fn carries_what_is_as_large_as_allowed(relay: &dyn Relay) {
    let mut listener = relay.listen().await.unwrap();
    let message = Bytes::from(vec![7; RELAY_BYTES_MAX]);
    relay.send(message.clone()).await.unwrap();
    assert_eq!(next(&mut *listener).await, RelayMessage::Said(message));
}

/// Messages without a listener are dropped without an error.
pub async fn takes_what_nobody_listens_to(relay: &dyn Relay) {
    relay.send(number(1)).await.unwrap();
    let mut listener = relay.listen().await.unwrap();
    relay.send(number(2)).await.unwrap();
    assert_eq!(next(&mut *listener).await, RelayMessage::Said(number(2)));
}

/// What was sent is confirmed for as long as the connection is the same.
pub async fn confirms_what_it_has_taken(relay: &dyn Relay) {
    let connection = relay.connection();
    for n in 0..100 {
        relay.send(number(n)).await.unwrap();
    }
    relay.confirm(connection).await.unwrap();
    assert_eq!(relay.connection(), connection);
}

/// Sending does not wait for a slow listener, which learns that it has missed something.
pub async fn says_when_a_listener_lagged(relay: &dyn Relay) {
    const MANY: u64 = 100_000;
    let mut slow = relay.listen().await.unwrap();
    for n in 0..MANY {
        relay.send(number(n)).await.unwrap();
    }
    let mut seen = 0;
    loop {
        match next(&mut *slow).await {
            RelayMessage::Lagged => break,
            RelayMessage::Said(_) => seen += 1,
        }
        assert!(seen < MANY, "a queue of {MANY} messages has no bound");
    }
}

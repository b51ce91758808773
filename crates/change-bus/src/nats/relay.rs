//! What the nodes of the realtime service tell each other, on one subject of core NATS.

use std::time::Duration;

use async_nats::Subscriber;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;

use super::NatsBus;
use super::publisher::{ask_server, connected, connects, taken, unavailable};
use super::wire::RELAY;
use crate::bus::BusError;
use crate::relay::{RELAY_BYTES_MAX, Relay, RelayMessage, Relayed};

/// The client must have taken a message within this time.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// The server must have taken what was sent within this time.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

struct Listener {
    subscriber: Subscriber,
    /// Counts what may have cost messages.
    troubles: watch::Receiver<u64>,
}

#[async_trait]
impl Relay for NatsBus {
    async fn send(&self, message: Bytes) -> Result<(), BusError> {
        let client = &self.inner.client;
        connected(client)?;
        if message.len() > RELAY_BYTES_MAX.min(client.max_payload()) {
            return Err(unavailable("the message is larger than NATS allows"));
        }
        match timeout(SEND_TIMEOUT, client.publish(RELAY, message)).await {
            Ok(sent) => sent.map_err(unavailable),
            Err(_) => Err(unavailable("the connection takes nothing")),
        }
    }

    fn connection(&self) -> u64 {
        connects(&self.inner.client)
    }

    async fn confirm(&self, connection: u64) -> Result<(), BusError> {
        let client = &self.inner.client;
        connected(client)?;
        match timeout(CONFIRM_TIMEOUT, taken(client, connection)).await {
            Ok(confirmed) => confirmed,
            Err(_) => Err(unavailable("the server does not answer")),
        }
    }

    async fn flush(&self) -> Result<(), BusError> {
        let client = &self.inner.client;
        connected(client)?;
        match timeout(SEND_TIMEOUT, client.flush()).await {
            Ok(flushed) => flushed.map_err(unavailable),
            Err(_) => Err(unavailable("the connection takes nothing")),
        }
    }

    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError> {
        let client = &self.inner.client;
        connected(client)?;
        let mut troubles = self.inner.troubles.clone();
        troubles.mark_unchanged();
        let subscribing = async {
            let subscriber = client.subscribe(RELAY).await.map_err(unavailable)?;
            // Behind the subscription: what is sent from now on arrives.
            ask_server(client).await?;
            Ok(subscriber)
        };
        match timeout(self.inner.follow_timeout, subscribing).await {
            Ok(Ok(subscriber)) => Ok(Box::new(Listener { subscriber, troubles })),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(unavailable("NATS did not take the subscription in time")),
        }
    }
}

#[async_trait]
impl Relayed for Listener {
    async fn next(&mut self) -> Result<RelayMessage, BusError> {
        tokio::select! {
            biased;
            Ok(()) = self.troubles.changed() => Ok(RelayMessage::Lagged),
            message = self.subscriber.next() => match message {
                Some(message) => Ok(RelayMessage::Said(message.payload)),
                None => Err(unavailable("the subscription has ended")),
            },
        }
    }
}

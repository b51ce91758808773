//! The port: how the nodes of the realtime service talk to each other.
//!
//! What they say is of the moment: who is there, and what clients and applications send through them. Nothing is kept, and a
//! loss is no loss of truth; nodes compare what they know and ask again.

use async_trait::async_trait;
use bytes::Bytes;

use crate::bus::BusError;

/// The largest message, in bytes. Half of what NATS takes unless it is told otherwise.
pub const RELAY_BYTES_MAX: usize = 512 * 1024;

/// What a listener gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayMessage {
    /// What some node has sent.
    Said(Bytes),
    /// Something may have been lost here.
    Lagged,
}

/// Carries messages of any node to all nodes.
///
/// - A listener gets the messages of one node in the order in which that node sent them.
/// - What is sent after [`Relay::listen`] answered reaches the listener or is lost; it is told that it lagged where that can be known.
/// - Sending never waits for a slow listener.
#[async_trait]
pub trait Relay: Send + Sync + 'static {
    /// Sends a message to all that listen, the sender's own node included.
    async fn send(&self, message: Bytes) -> Result<(), BusError>;

    /// The connection that carries what is sent now; another number after each time that it was lost. For [`Relay::confirm`].
    fn connection(&self) -> u64;

    /// Waits until all that was sent so far is out of this process's hands and on its way to all that listen. An error when that takes too
    /// long, or when the connection is not this one any more: then some of it may be lost, and some may have been heard.
    async fn confirm(&self, connection: u64) -> Result<(), BusError>;

    /// Waits until what was sent has left this process: before it ends.
    async fn flush(&self) -> Result<(), BusError>;

    /// Listens to all messages.
    async fn listen(&self) -> Result<Box<dyn Relayed>, BusError>;
}

/// The messages of all nodes. Dropping it ends it.
#[async_trait]
pub trait Relayed: Send {
    /// Waits for the next message. Cancel safe. After an error, listen again.
    async fn next(&mut self) -> Result<RelayMessage, BusError>;
}

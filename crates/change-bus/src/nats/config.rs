//! Where NATS is, how long each thing may take, and how a connection is made of it.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;

use crate::metrics;

/// How often the server must answer a ping. It is given up after three, so a server that hangs is left within 4 s.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Messages of one subscription that wait to be sorted. When more come, they are dropped, and the followers are told.
const SUBSCRIPTION_MESSAGES_MAX: usize = 4_096;
/// The first pause before a server is tried again; it doubles with each try. As much again is added by chance.
const RECONNECT_PAUSE_MS: u64 = 50;
/// The longest pause before a server is tried again, before what chance adds.
const RECONNECT_PAUSE_MS_MAX: u64 = 1_000;

/// How the bus reaches NATS.
#[derive(Clone)]
pub struct NatsBusConfig {
    /// `nats://host:port` or `tls://host:port`, with a user and a password if need be; several with commas.
    pub url: String,
    /// The server must have taken a publication within this time.
    pub publish_timeout_ms: u64,
    /// Following a battle must succeed within this time.
    pub follow_timeout_ms: u64,
    /// A connection must be there within this time.
    pub connect_timeout_ms: u64,
}

impl NatsBusConfig {
    /// The usual times, for the servers at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            publish_timeout_ms: 2_000,
            follow_timeout_ms: 3_000,
            connect_timeout_ms: 3_000,
        }
    }

    fn servers(&self) -> Result<Vec<ServerAddr>, NatsBusError> {
        self.url.split(',').map(|url| server(url.trim())).collect()
    }

    /// Connects, and counts what may have cost messages in `troubles`.
    pub(super) async fn connect(&self, troubles: watch::Sender<u64>) -> Result<Client, NatsBusError> {
        let servers = self.servers()?;
        let connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        let connecting = ConnectOptions::new()
            .name("nimaora change bus")
            .connection_timeout(connect_timeout)
            .ping_interval(PING_EVERY)
            .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
            .max_reconnects(None)
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                use async_nats::Event::{Connected, SlowConsumer};
                match event {
                    // The first connection is no other's successor.
                    Connected if *troubles.borrow() > 0 => metrics::reconnected(),
                    SlowConsumer(_) => metrics::slow(),
                    _ => {}
                }
                if matches!(event, Connected | SlowConsumer(_)) {
                    troubles.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            })
            .connect(servers);
        match tokio::time::timeout(connect_timeout, connecting).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(NatsBusError::Unavailable { reason: error.kind().to_string() }),
            Err(_) => {
                Err(NatsBusError::Unavailable { reason: format!("no answer within {connect_timeout:?}") })
            }
        }
    }
}

impl std::fmt::Debug for NatsBusConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("NatsBusConfig").finish_non_exhaustive()
    }
}

/// Why there is no connection to NATS.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NatsBusError {
    /// The URL is not one. It is not shown, because it may hold a password.
    #[error(
        "the URL of the change bus is not understood: {reason}; allowed is nats://[USER:PASSWORD@]HOST[:PORT] or tls://..., several with commas"
    )]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// NATS cannot be reached now.
    #[error("NATS cannot be reached for the change bus: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
}

fn server(text: &str) -> Result<ServerAddr, NatsBusError> {
    let refused = |reason| NatsBusError::Url { reason };
    if !(text.starts_with("nats://") || text.starts_with("tls://")) {
        return Err(refused("a server's URL begins neither with nats:// nor with tls://"));
    }
    let server: ServerAddr = text.parse().map_err(|_| refused("a server's URL cannot be read"))?;
    let url = server.clone().into_inner();
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("something follows the port"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused("a server has no host"));
    }
    Ok(server)
}

fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
    let pause_ms = (RECONNECT_PAUSE_MS << doublings).min(RECONNECT_PAUSE_MS_MAX);
    Duration::from_millis(pause_ms + fastrand::u64(..=pause_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_servers_with_commas() {
        let config = NatsBusConfig::new("nats://one:4222, tls://me:secret@two:4222");
        assert_eq!(config.servers().unwrap().len(), 2);
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn refuses_what_it_does_not_know_without_showing_a_password() {
        for url in
            ["redis://me:secret@one", "nats://me:secret@one/x", "nats://me:secret@one?x=1", "", "one:1"]
        {
            let refusal = NatsBusConfig::new(url).servers().unwrap_err().to_string();
            assert!(refusal.contains("allowed is nats://") && !refusal.contains("secret"), "{refusal}");
        }
    }
}

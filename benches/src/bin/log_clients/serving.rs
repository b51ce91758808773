//! The log of a folder, served as `nimaora serve` does, without the rest of it.

use std::path::Path;

use kurrentdb::Client;
use nimaora_benches::{BenchError, Child};
use nimaora_domain::Timestamp;
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log_server::{ConnectionBounds, Deps, EventStore};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Claims, Role, TokenSigner, TokenVerifier};
use tokio::net::TcpListener;

use crate::failed;

/// Both sides know it.
const SEED: [u8; 32] = [7; 32];
/// How long a token is good for, in milliseconds.
const TOKEN_MS: i64 = 24 * 3_600_000;

pub(crate) async fn serve(folder: &Path) -> Result<(), BenchError> {
    let clock = Clock::system();
    let log = EmbeddedLog::open(folder, EmbeddedConfig::new(clock.clone())).map_err(failed)?;
    let verifier = TokenVerifier::new([TokenSigner::from_seed(SEED).verifier_key()]);
    let (advertised_host, tls, bounds) = (None, None, ConnectionBounds::default());
    let deps = Deps { log, verifier, node_password: None, clock, advertised_host, tls, bounds };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let shutdown = Shutdown::new();
    let address = EventStore::start(deps, listener, &shutdown)?;
    println!("listens on http://{address}");
    std::future::pending().await
}

/// A server of the log in this folder.
pub(crate) fn start(folder: &Path) -> Result<Child, BenchError> {
    Child::this_program_with(&["--serve".to_owned(), folder.display().to_string()])
}

/// The official client of a server.
pub(crate) fn client(server: &Child) -> Result<Client, BenchError> {
    let expires_at = Timestamp::from_millis(Clock::system().now_ms() + TOKEN_MS);
    let token = TokenSigner::from_seed(SEED).issue(&Claims { role: Role::Admin, expires_at });
    let address = server.url.trim_start_matches("http://");
    let url = format!("kurrentdb://admin:{token}@{address}?tls=false");
    Client::new(url.parse().map_err(failed)?).map_err(failed)
}

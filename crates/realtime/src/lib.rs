//! Tells players what happens, the moment it happens, over WebSockets that speak the Pusher protocol, version 7.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | [`Config`]: every bound and delay |
//! | [`error`] | [`StartError`], [`CloseReason`] and [`Refusal`]: what a client is told when something is not as it should be |
//! | [`metrics`] | what is counted and measured, and [`metrics::describe`] |
//! | `http` | the upgrade, the signing of private channels, and the HTTP API |
//! | `socket` | one socket: its outbox, its requests, its life |
//! | `hub` | the node's sockets and the battles they follow; boards, alerts, who is present, sweeps |
//! | `cluster` | what the nodes tell each other |
//! | `pusher` | the protocol's requests and events |
//! | `websocket` | RFC 6455 frames |
//! | `webhooks` | telling the application's own server what happens |
//! | `channel`, `grant`, `signature` | names of channels and who may listen to them |
//! | `bounded` | queues that are bounded in bytes |
//!
//! It is fed by the change bus alone and reads boards and rows where it must; it never reads the log, never writes a
//! store, and never waits for a client.

pub mod config;
pub mod error;
pub mod metrics;

mod bounded;
mod channel;
mod cluster;
mod grant;
mod http;
mod hub;
mod os;
mod pusher;
mod signature;
mod socket;
mod webhooks;
mod websocket;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nimaora_change_bus::{ChangeBus, Relay};
use nimaora_read_models::{Leaderboard, ReadModels, Wholeness};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Presence, TokenVerifier};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use config::{AppSecret, Config};
pub use error::{CloseReason, Refusal, StartError};
pub use hub::sent::SentBoard;
pub use webhooks::{Webhook, WebhookEvent};

use crate::cluster::{Link, Questions};
use crate::http::Replays;
use crate::hub::halls::{Halls, tending};
use crate::hub::pace::Pace;
use crate::hub::queue::Queue;
use crate::hub::registry::Registry;
use crate::hub::rooms::Rooms;
use crate::hub::users::Users;
use crate::hub::{Hub, catch_up, signs, sweep};
use crate::signature::Application;
use crate::webhooks::Webhooks;

/// A place in the log; see the event log's own words. 0 is before the first event.
pub type Position = u64;

/// What the realtime service stands on.
pub struct Deps {
    /// Where boards are read.
    pub leaderboard: Arc<dyn Leaderboard>,
    /// Where battles, participants and missed attacks are read, and boards when the leaderboard cannot tell.
    pub read_models: Arc<dyn ReadModels>,
    /// What tells it that something has changed.
    pub bus: Arc<dyn ChangeBus>,
    /// What carries to the other nodes who is where.
    pub relay: Arc<dyn Relay>,
    /// Where signs of life are recorded; none where another process cannot be told that way.
    pub presence: Option<Arc<dyn Presence>>,
    /// Checks players' tokens.
    pub verifier: TokenVerifier,
    /// The time of day.
    pub clock: Clock,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// The realtime service of one node. Clones are handles to the same service.
#[derive(Clone)]
pub struct Realtime {
    hub: Arc<Hub>,
}

impl fmt::Debug for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realtime").field("sockets", &self.sockets()).finish_non_exhaustive()
    }
}

impl Realtime {
    /// Starts the service within the current tokio runtime. When `shutdown` is requested, all sockets are told to connect elsewhere.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing runs then.
    pub fn new(deps: Deps, config: Config, shutdown: &Shutdown) -> Result<Self, StartError> {
        if config.app_secret.expose().is_empty() {
            return Err(StartError::SecretMissing);
        }
        let (link, outgoing) = Link::new();
        let (webhooks, receivers) = Webhooks::new(&config);
        let pace =
            Pace::new(config.handshakes_per_second_max, Duration::from_millis(config.handshake_delay_max_ms));
        let hub = Arc::new(Hub {
            application: Application::new(config.app_key.clone(), config.app_secret.expose().to_owned()),
            leaderboard: deps.leaderboard,
            read_models: deps.read_models,
            wholeness: Wholeness::default(),
            bus: deps.bus,
            relay: deps.relay,
            link,
            presence: deps.presence,
            verifier: deps.verifier,
            clock: deps.clock,
            shutdown: shutdown.clone(),
            sockets: Registry::new(config.sockets_max, config.refused_sockets_max),
            rooms: Rooms::new(),
            boards: Queue::default(),
            halls: Halls::new(),
            users: Users::default(),
            questions: Questions::default(),
            replays: Replays::default(),
            webhooks,
            pace,
            catching_up: Semaphore::new(catch_up::QUESTIONS_OF_NODE),
            started: Instant::now(),
            config,
        });
        let boards = hub.boards.start("nimaora-boards").map_err(StartError::Thread)?;
        let halls = hub.halls.sending.start("nimaora-channels").map_err(StartError::Thread);
        let halls = halls.inspect_err(|_| hub.boards.stop())?;
        shutdown.spawn(cluster::run(Arc::clone(&hub), outgoing));
        shutdown.spawn(tending::run(Arc::clone(&hub)));
        shutdown.spawn(signs::run(Arc::clone(&hub)));
        for (webhook, waiting) in receivers {
            shutdown.spawn(webhooks::run(Arc::clone(&hub), webhook, waiting));
        }
        let swept = Arc::clone(&hub);
        shutdown.spawn(async move {
            sweep::run(Arc::clone(&swept)).await;
            // What the sockets said until now still goes to the other nodes.
            swept.link.end();
            swept.boards.stop();
            swept.halls.sending.stop();
            let _ = tokio::task::spawn_blocking(move || (boards.join(), halls.join())).await;
        });
        Ok(Self { hub })
    }

    /// The paths of the service: `/app/{key}` and `/app/websocket-health` for sockets, `/broadcasting/auth`, `/pusher/auth` and
    /// `/pusher/user-auth` for signatures, `/apps/{id}/` for the application's own servers. The server must serve connections with upgrades.
    pub fn routes(&self) -> Router {
        http::routes(Arc::clone(&self.hub))
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        self.hub.sockets.count()
    }

    /// What this node last sent of each battle's board (`leaderboard.updated`): of those that are followed, and of some that were.
    pub fn sent_boards(&self) -> Vec<SentBoard> {
        self.hub.rooms.sent()
    }

    /// How many connections the service holds: open sockets, those that are being closed, and those that are told why they were
    /// not let in.
    pub fn connections(&self) -> usize {
        self.hub.sockets.connections()
    }
}

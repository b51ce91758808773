//! Which of several projections is at work. The others stand by and take over when it is gone.
//!
//! It saves work and spares the stores; nothing rests on it. Two that both take themselves for the leader find out at the tables,
//! which take a batch only where it goes on from.

pub mod nats;

use std::sync::Arc;

use async_trait::async_trait;
use nimaora_runtime::{Health, Shutdown};
use tokio::time::sleep;

use crate::config::{Config, FAILED_PAUSE, STOP_TIMEOUT};
use crate::metrics;
use crate::projection::{Deps, PART, Projection};

/// Among several projections, one leads.
#[async_trait]
pub trait Leadership: Send + Sync + 'static {
    /// Waits until this process leads. Cancel safe.
    async fn lead(&self) -> Box<dyn Term>;
}

/// The time for which this process leads. Dropping it without [`Term::resign`] lets the others wait until it has run out.
#[async_trait]
pub trait Term: Send {
    /// Waits until this process does not lead any more, or cannot be sure that it does. Cancel safe.
    async fn over(&mut self);

    /// Lets another one lead at once.
    async fn resign(self: Box<Self>);
}

/// Projects while this process leads, until the server stops. It counts as ready while it stands by.
pub fn start(
    deps: Deps,
    config: Config,
    leadership: Arc<dyn Leadership>,
    shutdown: &Shutdown,
    health: &Health,
) {
    health.register(PART);
    shutdown.spawn(run(deps, config, leadership, shutdown.clone(), health.clone()));
}

async fn run(
    deps: Deps,
    config: Config,
    leadership: Arc<dyn Leadership>,
    shutdown: Shutdown,
    health: Health,
) {
    health.ready(PART);
    loop {
        metrics::leads(false);
        let mut term = tokio::select! {
            term = leadership.lead() => term,
            () = shutdown.requested() => return,
        };
        tracing::info!("this process leads the projection");
        metrics::leads(true);
        let working = Shutdown::new();
        let handle = Projection::start(deps.clone(), config.clone(), &working, &health);
        let failed = tokio::select! {
            () = term.over() => {
                tracing::warn!("this process does not lead the projection any more");
                None
            }
            reason = handle.stopped() => Some(reason),
            () = shutdown.requested() => None,
        };
        let ended = working.finish(STOP_TIMEOUT).await;
        term.resign().await;
        if !ended {
            tracing::warn!("the projection does not end in time; this process stands by when it has ended");
            wait_for_the_end(&working, &shutdown).await;
        }
        if shutdown.is_requested() {
            return;
        }
        match failed {
            None => health.ready(PART),
            // Another process may do better; should all of them fail, each goes on trying.
            Some(reason) => {
                health.not_ready(PART, reason);
                tokio::select! {
                    () = sleep(FAILED_PAUSE.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
                    () = shutdown.requested() => return,
                }
            }
        }
    }
}

/// Waits for a projection that ends late. Until then it may still say that this process is not ready, and nobody would take that
/// back; and a second one beside it would write to the same stores.
async fn wait_for_the_end(working: &Shutdown, shutdown: &Shutdown) {
    let ended = async { while !working.finish(STOP_TIMEOUT).await {} };
    tokio::select! {
        () = ended => {}
        () = shutdown.requested() => {}
    }
}

//! Killing something now and then, to see what the cluster bears.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::node::Order;
use super::services::Services;

/// Who is killed when.
pub(super) struct Chaos {
    pub(super) every: Duration,
    pub(super) services_too: bool,
    pub(super) random: fastrand::Rng,
}

impl Chaos {
    /// Kills with `kill -9` one process in each interval, for ever; whatever was killed is started again.
    pub(super) async fn run(mut self, nodes: &[(String, mpsc::Sender<Order>)], services: &mut Services) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let victims = nodes.len() + if self.services_too { SERVICES } else { 0 };
            let victim = self.random.usize(..victims);
            match nodes.get(victim) {
                Some((name, orders)) => {
                    super::cluster::say(&format!("kill -9 {name}\n"));
                    // A process that is not there any more cannot be killed.
                    let _ = orders.send(Order::Kill).await;
                }
                None => kill_service(services, victim - nodes.len()).await,
            }
        }
    }
}

/// PostgreSQL, PgBouncer, Redis and three NATS servers.
const SERVICES: usize = 6;

async fn kill_service(services: &mut Services, which: usize) {
    let name = ["PostgreSQL", "PgBouncer", "Redis", "NATS 0", "NATS 1", "NATS 2"][which];
    super::cluster::say(&format!("kill -9 {name}\n"));
    let started = match which {
        0 => {
            services.postgres.process.kill().await;
            services.postgres.start_again().await
        }
        1 => {
            services.pgbouncer.process.kill().await;
            services.pgbouncer.start_again().await
        }
        2 => {
            services.redis.process.kill().await;
            services.redis.start_again().await
        }
        nats => {
            let node = &mut services.nats.nodes[nats - 3];
            node.process.kill().await;
            node.start_again().await
        }
    };
    if let Err(error) = started {
        tracing::error!(%error, "a server that was killed did not start again");
    }
}

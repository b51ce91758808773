//! The stores of a cluster, as real servers on this machine.

use std::path::Path;

use nimaora_local_servers::{
    LocalServerError, Nats, NatsCluster, NatsOptions, PgBouncer, Postgres, Program, Redis,
};

/// The programs that a cluster is made of.
const PROGRAMS: [Program; 6] =
    [Program::Setpriv, Program::Initdb, Program::Postgres, Program::PgBouncer, Program::Redis, Program::Nats];

/// The database that is used; it is there from the beginning.
const DATABASE: &str = "postgres";
/// Connections that PgBouncer keeps to PostgreSQL, for the whole cluster.
const POOL_CONNECTIONS: u32 = 18;
/// Copies of the log: each of the three NATS servers has one.
const REPLICAS: usize = 3;

/// The servers.
pub(super) struct Services {
    pub(super) postgres: Postgres,
    pub(super) pgbouncer: PgBouncer,
    pub(super) redis: Redis,
    pub(super) nats: NatsCluster,
}

/// Which of the programs are not installed.
pub(super) fn missing() -> Vec<Program> {
    PROGRAMS.into_iter().filter(|program| program.find().is_err()).collect()
}

impl Services {
    pub(super) async fn start(dir: &Path) -> Result<Self, LocalServerError> {
        let nats_dir = dir.join("nats");
        let (redis_dir, postgres_dir) = (dir.join("redis"), dir.join("postgres"));
        let (nats, redis, postgres) = tokio::try_join!(
            NatsCluster::start(&nats_dir, NatsOptions::default()),
            Redis::start(&redis_dir, &[]),
            Postgres::start(&postgres_dir, &[]),
        )?;
        let pgbouncer = PgBouncer::start(&dir.join("pgbouncer"), &postgres, POOL_CONNECTIONS, &[]).await?;
        Ok(Self { postgres, pgbouncer, redis, nats })
    }

    /// The settings that name them.
    pub(super) fn settings(&self) -> String {
        let nats = self.nats.url();
        let monitors = self.nats.nodes.iter().map(Nats::monitor_url).collect::<Vec<_>>().join(",");
        format!(
            "[stores]\n\
             log = \"{nats}\"\n\
             tables = \"{tables}\"\n\
             leaderboard = \"{redis}\"\n\
             change_bus = \"{nats}\"\n\
             presence = \"{redis}\"\n\
             ownership = \"{nats}\"\n\
             nats_monitors = \"{monitors}\"\n\
             nats_replicas = {REPLICAS}\n",
            tables = self.pgbouncer.url(DATABASE),
            redis = self.redis.url(),
        )
    }

    /// Where they are, for people.
    pub(super) fn introduce(&self) -> String {
        format!(
            "  PostgreSQL   {}\n  PgBouncer    {}\n  Redis        {}\n  NATS         {}\n",
            self.postgres.url(DATABASE),
            self.pgbouncer.url(DATABASE),
            self.redis.url(),
            self.nats.url(),
        )
    }

    /// Stops them, those that lean on others first.
    pub(super) async fn stop(&mut self) {
        self.pgbouncer.process.stop().await;
        self.postgres.stop().await;
        self.redis.process.stop().await;
        for node in &mut self.nats.nodes {
            node.process.stop().await;
        }
    }
}

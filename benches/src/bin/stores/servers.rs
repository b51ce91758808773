//! The stores, as real servers on this machine.

use std::path::Path;
use std::sync::Arc;

use nimaora_benches::BenchError;
use nimaora_local_servers::{PgBouncer, Postgres, Redis};
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::redis::{RedisConfig, RedisLeaderboard};

/// The database that is used; it is there from the beginning.
const DATABASE: &str = "postgres";
/// Connections that PgBouncer keeps to PostgreSQL, as in `nimaora dev cluster`.
const POOL_CONNECTIONS: u32 = 18;

pub(crate) struct Servers {
    postgres: Postgres,
    pgbouncer: PgBouncer,
    redis: Redis,
}

impl Servers {
    pub(crate) async fn start(dir: &Path) -> Result<Self, BenchError> {
        let postgres = Postgres::start(&dir.join("postgres"), &[]).await?;
        let redis = Redis::start(&dir.join("redis"), &[]).await?;
        let pgbouncer = PgBouncer::start(&dir.join("pgbouncer"), &postgres, POOL_CONNECTIONS, &[]).await?;
        Ok(Self { postgres, pgbouncer, redis })
    }

    /// The settings of a server that uses them.
    pub(crate) fn settings(&self) -> Vec<String> {
        vec![
            format!("stores.tables={}", self.pgbouncer.url(DATABASE)),
            format!("stores.leaderboard={}", self.redis.url()),
            format!("stores.presence={}", self.redis.url()),
        ]
    }

    pub(crate) async fn tables(&self) -> Result<Arc<PostgresReadModels>, BenchError> {
        let config = PostgresConfig::new(&self.pgbouncer.url(DATABASE))?;
        Ok(Arc::new(PostgresReadModels::connect(config).await?))
    }

    pub(crate) fn leaderboard(&self) -> Result<Arc<RedisLeaderboard>, BenchError> {
        let connected = RedisLeaderboard::connect(RedisConfig::new(self.redis.url()));
        Ok(Arc::new(connected.map_err(|error| BenchError::Invalid(error.to_string()))?))
    }

    pub(crate) async fn stop(&mut self) {
        self.pgbouncer.process.stop().await;
        self.postgres.stop().await;
        self.redis.process.stop().await;
    }
}

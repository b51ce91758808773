use nimaora_local_servers::{PgBouncer, Postgres, scratch};
use tempfile::TempDir;

use super::*;

/// The server's own folder goes last.
type Home = (Postgres, TempDir);

async fn server(settings: &[&str]) -> Home {
    let dir = scratch().unwrap();
    (Postgres::start(&dir.path().join("postgres"), settings).await.unwrap(), dir)
}

async fn connected(url: &str) -> PostgresReadModels {
    PostgresReadModels::connect(PostgresConfig::new(url).unwrap()).await.unwrap()
}

/// Tables in a server, spoken to straight.
async fn straight() -> (PostgresReadModels, Home) {
    let home = server(&[]).await;
    (connected(&home.0.url("postgres")).await, home)
}

mod contract_straight {
    crate::read_models_contract!(super::straight().await);
}

/// Tables behind a PgBouncer with two connections to the server.
async fn pooled() -> (PostgresReadModels, (PgBouncer, Home)) {
    let home = server(&[]).await;
    let pool = PgBouncer::start(&home.1.path().join("pgbouncer"), &home.0, 2, &[]).await.unwrap();
    (connected(&pool.url("postgres")).await, (pool, home))
}

mod contract_pooled {
    crate::read_models_contract!(super::pooled().await);
}

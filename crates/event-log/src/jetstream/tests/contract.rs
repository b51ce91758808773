//! The contract suite on NATS of today.

use nimaora_local_servers::{Nats, NatsOptions, scratch};

use super::*;
use crate::log::SharedLog;

async fn fresh() -> (SharedLog, (Nats, tempfile::TempDir)) {
    open(NatsOptions::default()).await
}

async fn open(options: NatsOptions) -> (SharedLog, (Nats, tempfile::TempDir)) {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), options).await.unwrap();
    let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.unwrap();
    (log, (nats, dir))
}

crate::event_log_contract!(fresh);

/// The same on the NATS that Debian 12 has.
mod of_debian {
    use nimaora_local_servers::Program;

    use super::*;

    async fn fresh() -> (SharedLog, (Nats, tempfile::TempDir)) {
        open(NatsOptions { program: Program::NatsOfDebian, sync_always: false }).await
    }

    crate::event_log_contract!(fresh);
}

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

/// What depends on the size of an append, on a server that takes messages of 1 MiB, as NATS does unless it is told otherwise.
mod of_small_messages {
    use super::*;

    async fn fresh() -> (SharedLog, (Nats, tempfile::TempDir)) {
        let dir = scratch().unwrap();
        let lines = "max_payload: 1048576";
        let nats = Nats::start_with(dir.path(), NatsOptions::default(), lines).await.unwrap();
        let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.unwrap();
        assert!(log.append_bytes_max() < 1024 * 1024);
        (log, (nats, dir))
    }

    crate::event_log_contract! { fresh =>
        an_append_as_large_as_the_log_says_is_taken
        a_slow_subscriber_misses_nothing
    }
}

/// The same on the NATS that Debian 12 has.
mod of_debian {
    use nimaora_local_servers::Program;

    use super::*;

    async fn fresh() -> (SharedLog, (Nats, tempfile::TempDir)) {
        open(NatsOptions { program: Program::NatsOfDebian, sync_always: false }).await
    }

    crate::event_log_contract!(fresh);
}

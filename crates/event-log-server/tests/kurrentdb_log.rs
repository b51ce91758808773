//! The log in KurrentDB, as nodes of ours use it, against this server on a real port.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite of assertions")]

mod kurrentdb {
    mod bad_days;
    mod cluster;
    mod secure;
    pub(crate) mod stage;
}

use kurrentdb::stage::{Server, anywhere};
use nimaora_event_log::kurrentdb::KurrentDbLog;
use nimaora_event_log::log::SharedLog;

async fn fresh() -> (SharedLog, (Server, tempfile::TempDir)) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), anywhere()).await;
    let log = KurrentDbLog::connect(server.config()).await.unwrap();
    (log, (server, dir))
}

nimaora_event_log::event_log_contract!(fresh);

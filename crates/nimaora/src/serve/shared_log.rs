//! A log that other processes use too, opened as its URL names it.

use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamError, JetStreamLog};
use nimaora_event_log::kurrentdb::{KurrentDbConfig, KurrentDbError, KurrentDbLog};
use nimaora_event_log::log::SharedLog;
use nimaora_runtime::Clock;

use crate::config::StoresConfig;

/// Why it could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum SharedLogError {
    JetStream(#[from] JetStreamError),
    KurrentDb(#[from] KurrentDbError),
}

/// Connects to the log that `stores.log` names, which is none of this process's own.
///
/// # Errors
/// [`SharedLogError`].
pub(crate) async fn connect(stores: &StoresConfig, clock: &Clock) -> Result<SharedLog, SharedLogError> {
    let url = &stores.log;
    if url.scheme() == "nats" {
        let monitors = stores.nats_monitors.iter().flat_map(|urls| urls.split(','));
        let settings = JetStreamConfig {
            replicas: stores.nats_replicas,
            monitors: monitors.map(|url| url.trim().to_owned()).collect(),
            ..JetStreamConfig::new(url.expose(), clock.clone())
        };
        return Ok(JetStreamLog::connect(settings).await?);
    }
    Ok(KurrentDbLog::connect(KurrentDbConfig::new(url.expose())).await?)
}

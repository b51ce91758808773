//! Whether the stream on the server keeps what a log promises.

use async_nats::ServerInfo;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{Context, ErrorCode};

use super::config::JetStreamConfig;
use super::error::JetStreamError;
use crate::types::APPEND_BYTES_MAX;

/// What a message may have besides the bytes of its events.
const OVERHEAD_BYTES: usize = 256 * 1024;

/// Finds the stream and checks it, or makes it.
pub(super) async fn find_or_make(
    jetstream: &Context,
    config: &JetStreamConfig,
) -> Result<Info, JetStreamError> {
    let unavailable = |reason: String| JetStreamError::Unavailable { reason };
    let found = match jetstream.get_stream(&config.stream).await {
        Ok(stream) => stream.cached_info().clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                let made = jetstream.create_stream(wanted(config)).await;
                made.map_err(|error| unavailable(error.to_string()))?.cached_info().clone()
            }
            _ => return Err(unavailable(error.to_string())),
        },
    };
    if let Some(reason) = unfit(&found.config, config) {
        return Err(JetStreamError::Unfit { stream: config.stream.clone(), reason });
    }
    Ok(found)
}

/// Warns of a server that takes small messages.
pub(super) fn warn_of_server(server: &ServerInfo) {
    if server.max_payload < APPEND_BYTES_MAX + OVERHEAD_BYTES {
        tracing::warn!(
            max_payload = server.max_payload,
            wanted = APPEND_BYTES_MAX + OVERHEAD_BYTES,
            "the server takes smaller messages than the largest append: hot battles commit in smaller groups, and a single command \
             that is larger is refused; raise max_payload"
        );
    }
}

fn wanted(config: &JetStreamConfig) -> Config {
    Config {
        name: config.stream.clone(),
        description: Some("Nimaora's event log".to_owned()),
        subjects: vec![format!("{}.>", config.subject_prefix)],
        storage: StorageType::File,
        num_replicas: config.replicas,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: -1,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// What about the stream would lose events, in words.
fn unfit(found: &Config, config: &JetStreamConfig) -> Option<String> {
    let subject = format!("{}.>", config.subject_prefix);
    let checks = [
        (found.subjects == [subject.clone()], format!("its subjects must be {subject} alone")),
        (found.storage == StorageType::File, "its storage must be file".to_owned()),
        (found.retention == RetentionPolicy::Limits, "its retention must be limits".to_owned()),
        (found.max_age.is_zero(), "max_age must be 0".to_owned()),
        (found.max_messages <= 0, "max_msgs must be unlimited".to_owned()),
        (found.max_messages_per_subject <= 0, "max_msgs_per_subject must be unlimited".to_owned()),
        (
            found.max_bytes <= 0 || found.discard == DiscardPolicy::New,
            "with max_bytes its discard policy must be new".to_owned(),
        ),
        (found.deny_delete && found.deny_purge, "deny_delete and deny_purge must be set".to_owned()),
        (!found.allow_rollup, "allow_rollup_hdrs must not be set".to_owned()),
        (!found.no_ack && !found.sealed, "no_ack and sealed must not be set".to_owned()),
        (!found.allow_message_ttl, "allow_msg_ttl must not be set".to_owned()),
        (
            found.mirror.is_none() && found.sources.is_none(),
            "it must not be a mirror nor have sources".to_owned(),
        ),
        (found.subject_transform.is_none(), "it must not transform subjects".to_owned()),
        (
            !matches!(found.persist_mode, Some(PersistenceMode::Async)),
            "persist_mode async acknowledges before it writes; it must be default".to_owned(),
        ),
    ];
    checks.into_iter().find(|(fits, _)| !fits).map(|(_, reason)| reason)
}

//! The keys of names in a NATS key-value bucket, for all processes that use the log in JetStream. Each entry has one version only, the
//! newest: what was written over is not kept.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::{Context, ErrorCode, stream};
use async_trait::async_trait;
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{KeyTree, NameKeys, NamesError};

/// How long one call may take; then the bucket counts as unavailable.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a change is tried again because somebody else changed the entry meanwhile.
const TRIES_MAX: usize = 16;
/// For how long the servers must say that there is no bucket before that is believed: one that starts may not know yet.
const MISSING_FOR: Duration = Duration::from_secs(2);

/// Keys in a bucket, which is made when it is first needed.
pub struct NatsKeys {
    context: Context,
    bucket: String,
    replicas: usize,
    store: Mutex<Option<Arc<Store>>>,
    /// Since when the servers say that there is no bucket.
    missing_since: Mutex<Option<Instant>>,
}

impl NatsKeys {
    /// Keys in the bucket of this name.
    pub fn new(context: Context, bucket: String, replicas: usize) -> Self {
        Self { context, bucket, replicas, store: Mutex::default(), missing_since: Mutex::default() }
    }

    /// The bucket; `None` where nobody has made it yet. Who only reads makes none.
    async fn store_if_there(&self) -> Result<Option<Arc<Store>>, NamesError> {
        if let Some(store) = self.store.lock().clone() {
            return Ok(Some(store));
        }
        let found = async {
            match self.context.get_stream(format!("KV_{}", self.bucket)).await {
                Ok(_) => Ok(true),
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(error)
                        if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(false)
                    }
                    _ => Err(error),
                },
            }
        };
        match call(found).await? {
            true => self.store().await.map(Some),
            false => {
                self.missing_since.lock().get_or_insert_with(Instant::now);
                Ok(None)
            }
        }
    }

    async fn store(&self) -> Result<Arc<Store>, NamesError> {
        if let Some(store) = self.store.lock().clone() {
            return Ok(store);
        }
        let config = stream::Config {
            name: format!("KV_{}", self.bucket),
            description: Some("The keys that the names of participants are sealed under".to_owned()),
            subjects: vec![format!("$KV.{}.>", self.bucket)],
            max_messages_per_subject: 1,
            discard: stream::DiscardPolicy::New,
            storage: stream::StorageType::File,
            num_replicas: self.replicas,
            allow_rollup: true,
            // Reads are answered by the leader, which has seen every change.
            allow_direct: false,
            ..Default::default()
        };
        let found = call(self.context.get_or_create_stream(config.clone())).await?;
        let found = &found.cached_info().config;
        if let Some(reason) = unfit(found, &config) {
            let bucket = &self.bucket;
            return Err(unavailable(&format!("the bucket {bucket} is not fit to keep them: {reason}")));
        }
        if found.num_replicas < self.replicas {
            let (bucket, replicas, wanted) = (&self.bucket, found.num_replicas, self.replicas);
            tracing::warn!(%bucket, replicas, wanted, "the keys of names have fewer copies than the log; raise them with 'nats stream edit'");
        }
        *self.missing_since.lock() = None;
        let store = Arc::new(call(self.context.get_key_value(&self.bucket)).await?);
        *self.store.lock() = Some(Arc::clone(&store));
        Ok(store)
    }

    /// The entry and its revision.
    async fn entry(&self, battle_id: BattleId) -> Result<Option<(u64, KeyTree)>, NamesError> {
        let Some(store) = self.store_if_there().await? else { return Ok(None) };
        let entry = call(store.entry(battle_id.to_string())).await?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else { return Ok(None) };
        let damaged = |reason: String| NamesError::Damaged { battle_id, reason };
        let text = std::str::from_utf8(&entry.value).map_err(|error| damaged(error.to_string()))?;
        let tree = text.parse().map_err(|error: super::tree::NoTree| damaged(error.to_string()))?;
        Ok(Some((entry.revision, tree)))
    }
}

#[async_trait]
impl NameKeys for NatsKeys {
    async fn load(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        Ok(self.entry(battle_id).await?.map(|(_, tree)| tree))
    }

    async fn load_made(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        let found = self.load(battle_id).await?;
        let since = *self.missing_since.lock();
        match since.filter(|since| since.elapsed() < MISSING_FOR) {
            Some(_) if found.is_none() => Err(unavailable(&"the servers say that their bucket is not there")),
            Some(_) | None => Ok(found),
        }
    }

    async fn load_or_make(&self, battle_id: BattleId) -> Result<KeyTree, NamesError> {
        let store = self.store().await?;
        for _ in 0..TRIES_MAX {
            if let Some((_, tree)) = self.entry(battle_id).await? {
                return Ok(tree);
            }
            let tree = KeyTree::random().map_err(|error| unavailable(&error))?;
            let create = async {
                match store.create(battle_id.to_string(), tree.to_string().into()).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(error),
                }
            };
            if call(create).await? {
                return Ok(tree);
            }
        }
        Err(unavailable(&"others changed the keys all the while"))
    }

    async fn forget(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError> {
        for _ in 0..TRIES_MAX {
            let Some((revision, mut tree)) = self.entry(battle_id).await? else { return Ok(()) };
            let store = self.store().await?;
            if !tree.holds(number) {
                return Ok(());
            }
            tree.forget(number);
            let update = async {
                match store.update(battle_id.to_string(), tree.to_string().into(), revision).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                    Err(error) => Err(error),
                }
            };
            if call(update).await? {
                return Ok(());
            }
        }
        Err(unavailable(&"others changed the keys all the while"))
    }
}

/// What about the bucket would lose keys, or keep those that were forgotten, in words.
fn unfit(found: &stream::Config, wanted: &stream::Config) -> Option<String> {
    let checks = [
        (
            found.subjects == wanted.subjects,
            format!("its subjects must be {} alone", wanted.subjects.join(" ")),
        ),
        (found.storage == wanted.storage, "its storage must be file".to_owned()),
        (found.retention == wanted.retention, "its retention must be limits".to_owned()),
        (
            found.max_age.is_zero() && !found.allow_message_ttl,
            "nothing in it may expire (max_age, allow_msg_ttl)".to_owned(),
        ),
        (
            found.max_messages <= 0 && found.max_bytes <= 0,
            "max_msgs and max_bytes must be unlimited".to_owned(),
        ),
        (
            found.max_messages_per_subject == 1,
            "its history must be 1, or keys that were forgotten stay".to_owned(),
        ),
        (
            !found.allow_direct,
            "allow_direct must not be set: only the leader has seen every change".to_owned(),
        ),
        (!found.no_ack && !found.sealed, "no_ack and sealed must not be set".to_owned()),
        (
            found.mirror.is_none() && found.sources.is_none(),
            "it must not be a mirror nor have sources".to_owned(),
        ),
    ];
    checks.into_iter().find(|(fits, _)| !fits).map(|(_, reason)| reason)
}

fn unavailable(error: &dyn Display) -> NamesError {
    NamesError::Unavailable { reason: error.to_string() }
}

async fn call<T, E: Display>(call: impl Future<Output = Result<T, E>>) -> Result<T, NamesError> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(done) => done.map_err(|error| unavailable(&error)),
        Err(_) => Err(unavailable(&"NATS did not answer in time")),
    }
}

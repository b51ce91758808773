//! Reading and writing the bucket. Each call has a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{self, CreateErrorKind, Operation, Store, UpdateErrorKind, Watch};
use async_nats::jetstream::stream;
use nimaora_domain::BattleId;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::view::{Lease, NodeRecord};

/// How long one call may take.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_millis(1_000);
const NODE: &str = "node.";
const BATTLE: &str = "battle.";

/// The bucket, made when it is first needed.
pub(super) struct Bucket {
    context: Context,
    name: String,
    replicas: usize,
    store: Mutex<Option<Arc<Store>>>,
}

/// What a claim came to.
pub(super) enum Claimed {
    /// The entry is this node's, in this revision.
    Mine(u64),
    /// Somebody was faster: what the entry says now.
    Theirs(Option<(u64, Lease)>),
}

/// A change in the bucket, with the revision of the entry.
pub(super) enum News {
    /// A node lives, or has left.
    Node(String, u64, Option<NodeRecord>),
    /// A battle has an owner.
    Owned(BattleId, u64, Lease),
    /// A battle has no owner.
    Free(BattleId, u64),
}

/// Which bucket it is: one that was wiped and made anew is another one, in which revisions begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(i128);

impl Identity {
    fn of(info: &stream::Info) -> Self {
        Self(info.created.unix_timestamp_nanos())
    }
}

impl Bucket {
    pub(super) fn new(context: Context, name: String, replicas: usize) -> Self {
        Self { context, name, replicas, store: Mutex::default() }
    }

    async fn store(&self) -> Result<Arc<Store>, String> {
        if let Some(store) = self.store.lock().clone() {
            return Ok(store);
        }
        // The library's own way to make a bucket asks for what a server of 2.9 answers otherwise, and makes one from which nothing
        // can be swept.
        let config = stream::Config {
            name: format!("KV_{}", self.name),
            description: Some("Which node writes which battle".to_owned()),
            subjects: vec![format!("$KV.{}.>", self.name)],
            max_messages_per_subject: 1,
            discard: stream::DiscardPolicy::New,
            storage: stream::StorageType::File,
            num_replicas: self.replicas,
            allow_rollup: true,
            allow_direct: true,
            ..Default::default()
        };
        call(self.context.get_or_create_stream(config)).await?;
        let store = Arc::new(call(self.context.get_key_value(&self.name)).await?);
        *self.store.lock() = Some(Arc::clone(&store));
        Ok(store)
    }

    /// Looks for the bucket again before the next call, and makes it where it is not there any more.
    pub(super) fn reopen(&self) {
        *self.store.lock() = None;
    }

    pub(super) async fn beat(&self, node: &str, record: &NodeRecord) -> Result<(), String> {
        let store = self.store().await?;
        call(store.put(format!("{NODE}{node}"), to_json(record)?.into())).await.map(drop)
    }

    /// Deletes this node's own entry.
    pub(super) async fn forget_node(&self, node: &str) -> Result<(), String> {
        let store = self.store().await?;
        call(store.delete(format!("{NODE}{node}"))).await
    }

    /// Deletes the entry of a node that is silent, if it still has this revision.
    pub(super) async fn forget_silent(&self, node: &str, revision: u64) -> Result<(), String> {
        let store = self.store().await?;
        call(store.delete_expect_revision(format!("{NODE}{node}"), Some(revision))).await
    }

    /// Writes a lease where there is none, or over one in this revision.
    pub(super) async fn claim(
        &self,
        battle_id: BattleId,
        over: Option<u64>,
        lease: &Lease,
    ) -> Result<Claimed, String> {
        let store = self.store().await?;
        let (key, value) = (key(battle_id), to_json(lease)?.into());
        let write = async {
            match over {
                Some(revision) => match store.update(&key, value, revision).await {
                    Ok(revision) => Ok(Some(revision)),
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
                    Err(error) => Err(error.to_string()),
                },
                None => match store.create(&key, value).await {
                    Ok(revision) => Ok(Some(revision)),
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
                    Err(error) => Err(error.to_string()),
                },
            }
        };
        if let Some(revision) = call(write).await? {
            return Ok(Claimed::Mine(revision));
        }
        let entry = call(store.entry(key.clone())).await?;
        let there = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(Claimed::Theirs(there.and_then(|entry| Some((entry.revision, read(&entry.value)?)))))
    }

    /// Deletes a lease, if it still has this revision.
    pub(super) async fn release(&self, battle_id: BattleId, revision: u64) -> Result<(), String> {
        let store = self.store().await?;
        call(store.delete_expect_revision(key(battle_id), Some(revision))).await
    }

    /// Follows the bucket, and says which one it is: first what is there, then what changes. A bucket that takes the place of another
    /// one between the two answers ends what is followed, because its news do not come.
    pub(super) async fn watch(&self) -> Result<(Watch, Identity), String> {
        let store = self.store().await?;
        let watch = call(store.watch_with_history(">")).await?;
        let info = call(store.stream.get_info()).await?;
        Ok((watch, Identity::of(&info)))
    }

    /// Removes what the entry that was deleted in this revision of this bucket left behind. Where somebody has written another one since,
    /// there is nothing of that revision; in a bucket that was made anew it is of something else, which stays.
    pub(super) async fn sweep(&self, of: Identity, revision: u64) -> Result<(), String> {
        let store = self.store().await?;
        let info = call(store.stream.get_info()).await?;
        if Identity::of(&info) != of {
            return Err("the bucket is another one by now".to_owned());
        }
        call(store.stream.delete_message(revision)).await.map(drop)
    }
}

/// What an entry of the watch tells; `None` for one that is not ours.
pub(super) fn news(entry: &kv::Entry) -> Option<News> {
    let put = entry.operation == Operation::Put;
    if let Some(node) = entry.key.strip_prefix(NODE) {
        let record = if put { Some(read(&entry.value)?) } else { None };
        return Some(News::Node(node.to_owned(), entry.revision, record));
    }
    let battle_id = entry.key.strip_prefix(BATTLE)?.parse().ok()?;
    match put {
        true => Some(News::Owned(battle_id, entry.revision, read(&entry.value)?)),
        false => Some(News::Free(battle_id, entry.revision)),
    }
}

fn key(battle_id: BattleId) -> String {
    format!("{BATTLE}{battle_id}")
}

fn to_json(value: &impl serde::Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

fn read<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

async fn call<T, E: ToString>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(CALL_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("NATS did not answer in time".to_owned()),
    }
}

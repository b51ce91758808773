//! Snapshots of battles: a cache in a folder beside the log, so that no length of battle is too long to be read again.
//!
//! They are of battles that are not over: a battle that ends takes its snapshot along.
//!
//! A snapshot is never the truth. It is used only if it is whole, if this version of the program wrote its like, and if the
//! log still holds the very event that it was taken after; else it is passed over and the stream is read from its beginning.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nimaora_domain::{Battle, BattleId};
use nimaora_event_log::{ChainHead, Direction, EventLog, Revision};
use nimaora_runtime::Shutdown;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::checked_file;
use crate::metrics;
use crate::timers::OpenBattles;
use crate::writer::live::Folded;

/// Changes whenever the state's form or meaning changes; snapshots of another version are passed over.
const VERSION: u32 = 1;

/// How a snapshot's file ends.
const SNAPSHOT: &str = "snapshot";
/// How it ends while it is written.
const BESIDE: &str = "new";
/// How many left-over snapshots are removed at a start; the others are at the next one.
const LEFT_OVERS_MAX: usize = 10_000;

/// Where snapshots are kept.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
}

/// The first line of the file. The state follows it.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    battle_id: BattleId,
    /// The last event that the state holds.
    revision: Revision,
    /// That event's hash.
    chain: ChainHead,
}

impl Snapshots {
    /// Snapshots in this folder, which is made if it is not there.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The battle as of its snapshot, if there is one that fits the log.
    pub(crate) async fn load(&self, log: &dyn EventLog, battle_id: BattleId) -> Option<Folded> {
        let path = self.path(battle_id);
        let read = tokio::task::spawn_blocking(move || read(&path)).await.ok()?;
        let (header, battle) = match read {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%battle_id, %error, "a snapshot cannot be used; the battle is read from its beginning");
                metrics::snapshot_failed();
                return None;
            }
        };
        let fits = header.version == VERSION && header.battle_id == battle_id;
        if !fits || !holds(log, &header).await {
            tracing::warn!(%battle_id, "a snapshot does not fit the log; the battle is read from its beginning");
            metrics::snapshot_failed();
            return None;
        }
        Some(Folded { battle, head: Some(header.revision), chain: header.chain, names: None })
    }

    /// Writes a snapshot. Blocks; a failure costs nothing but time at the next start.
    pub(crate) fn save(&self, battle_id: BattleId, folded: &Folded) {
        let Some(revision) = folded.head else { return };
        if let Err(error) = self.write(battle_id, revision, folded) {
            tracing::warn!(%battle_id, %error, "a snapshot cannot be written; look at its folder");
            metrics::snapshot_failed();
        }
    }

    /// Removes a battle's snapshot, if there is one. Blocks.
    pub(crate) fn remove(&self, battle_id: BattleId) {
        remove(&self.path(battle_id));
    }

    /// Removes the snapshots of battles that are not open, [`LEFT_OVERS_MAX`] at most. Such are left where the server was killed
    /// before the battle's writer left. Should one of them be in use after all, it is missed by nobody. Blocks.
    pub(crate) fn sweep(&self, open: &OpenBattles) -> io::Result<()> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if battle_of(&path).is_some_and(|battle_id| !open.contains_key(&battle_id)) {
                remove(&path);
                removed += 1;
            }
            if removed >= LEFT_OVERS_MAX {
                break;
            }
        }
        Ok(())
    }

    /// It is written as it is made: a large battle's text is larger than the battle.
    fn write(&self, battle_id: BattleId, revision: Revision, folded: &Folded) -> io::Result<()> {
        let header = Header { version: VERSION, battle_id, revision, chain: folded.chain };
        let path = self.path(battle_id);
        checked_file::write(&path, &path.with_extension(BESIDE), |file| {
            serde_json::to_writer(&mut *file, &header)?;
            file.write_all(b"\n")?;
            Ok(serde_json::to_writer(file, &folded.battle)?)
        })
    }

    fn path(&self, battle_id: BattleId) -> PathBuf {
        self.dir.join(format!("{battle_id}.{SNAPSHOT}"))
    }
}

/// The battle that a file in the folder is of; none where the file is not ours.
fn battle_of(path: &Path) -> Option<BattleId> {
    let ours = path.extension().is_some_and(|extension| extension == SNAPSHOT || extension == BESIDE);
    path.file_stem()?.to_str()?.parse().ok().filter(|_| ours)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a snapshot cannot be removed; look at its folder");
            metrics::snapshot_failed();
        }
    }
}

/// Sweeps the folder once, as soon as it is known which battles are open.
pub(crate) async fn sweep_once(
    snapshots: Snapshots,
    mut open: watch::Receiver<Option<OpenBattles>>,
    shutdown: Shutdown,
) {
    let open = tokio::select! {
        biased;
        open = open.wait_for(Option::is_some) => open.ok().and_then(|open| open.clone()),
        () = shutdown.requested() => None,
    };
    let Some(open) = open else { return };
    match tokio::task::spawn_blocking(move || snapshots.sweep(&open)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the folder for snapshots cannot be read"),
        Err(error) => tracing::warn!(%error, "sweeping the snapshots was cut short"),
    }
}

fn read(path: &Path) -> io::Result<(Header, Battle)> {
    let text = checked_file::read(path)?;
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    let end = text.iter().position(|byte| *byte == b'\n').ok_or_else(|| invalid("it has no header"))?;
    let (header, state) = text.split_at(end);
    Ok((serde_json::from_slice(header)?, serde_json::from_slice(state)?))
}

/// Whether the log holds the very event that the snapshot was taken after.
async fn holds(log: &dyn EventLog, header: &Header) -> bool {
    let stream = header.battle_id.stream();
    let events = log.read_stream(&stream, header.revision, Direction::Forwards, 1).await.unwrap_or_default();
    let event = events.first().filter(|event| event.revision == header.revision);
    event.and_then(|event| ChainHead::after(event).ok()) == Some(header.chain)
}

//! Snapshots of battles: a cache in a folder beside the log, so that no length of battle is too long to be read again.
//!
//! A snapshot is never the truth. It is used only if it is whole, if this version of the program wrote its like, and if the
//! log still holds the very event that it was taken after; else it is passed over and the stream is read from its beginning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nimaora_domain::{Battle, BattleId};
use nimaora_event_log::{ChainHead, Direction, EventLog, Revision};
use serde::{Deserialize, Serialize};

use crate::metrics;
use crate::writer::live::Folded;

/// Changes whenever the state's form or meaning changes; snapshots of another version are passed over.
const VERSION: u32 = 1;

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
    /// Of the bytes after the first line.
    crc32c: u32,
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
        Some(Folded { battle, head: Some(header.revision), chain: header.chain })
    }

    /// Writes a snapshot. Blocks; a failure costs nothing but time at the next start.
    pub(crate) fn save(&self, battle_id: BattleId, folded: &Folded) {
        let Some(revision) = folded.head else { return };
        if let Err(error) = self.write(battle_id, revision, folded) {
            tracing::warn!(%battle_id, %error, "a snapshot cannot be written; look at its folder");
            metrics::snapshot_failed();
        }
    }

    /// Written beside its place and moved there, so that a reader finds the old one or the new one. It is not synced: the
    /// checksum finds what a loss of power leaves.
    fn write(&self, battle_id: BattleId, revision: Revision, folded: &Folded) -> io::Result<()> {
        let state = serde_json::to_vec(&folded.battle)?;
        let header = Header {
            version: VERSION,
            battle_id,
            revision,
            chain: folded.chain,
            crc32c: crc32c::crc32c(&state),
        };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&state);
        let path = self.path(battle_id);
        let beside = path.with_extension("new");
        fs::write(&beside, bytes)?;
        fs::rename(&beside, &path)
    }

    fn path(&self, battle_id: BattleId) -> PathBuf {
        self.dir.join(format!("{battle_id}.snapshot"))
    }
}

fn read(path: &Path) -> io::Result<(Header, Battle)> {
    let bytes = fs::read(path)?;
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| invalid("it has no header"))?;
    let (header, state) = (&bytes[..end], &bytes[end + 1..]);
    let header: Header = serde_json::from_slice(header)?;
    if crc32c::crc32c(state) != header.crc32c {
        return Err(invalid("its checksum does not match"));
    }
    Ok((header, serde_json::from_slice(state)?))
}

/// Whether the log holds the very event that the snapshot was taken after.
async fn holds(log: &dyn EventLog, header: &Header) -> bool {
    let stream = header.battle_id.stream();
    let events = log.read_stream(&stream, header.revision, Direction::Forwards, 1).await.unwrap_or_default();
    let event = events.first().filter(|event| event.revision == header.revision);
    event.and_then(|event| ChainHead::after(event).ok()) == Some(header.chain)
}

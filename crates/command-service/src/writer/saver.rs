//! When a battle's snapshot is written, and when it is removed.

use nimaora_domain::{BattleId, Phase};
use nimaora_event_log::Revision;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::snapshot::Snapshots;
use crate::writer::live::Folded;

/// How many events for each participant go by between two snapshots at least. Reading so many takes about as long as reading
/// the snapshot does.
const EVENTS_PER_PARTICIPANT: u64 = 5;

/// The snapshots of one battle. Does nothing where none are kept.
pub(crate) struct Saver {
    battle_id: BattleId,
    snapshots: Option<Snapshots>,
    events_min: u64,
    /// The revision of the newest snapshot, written or being written.
    revision: Option<Revision>,
    /// A copy of the state that is written once it is durable.
    copy: Option<Box<Folded>>,
    /// The snapshot that is being written.
    writing: Option<JoinHandle<()>>,
}

impl Saver {
    /// A saver that writes after `events_min` events at the soonest.
    pub(crate) fn new(battle_id: BattleId, snapshots: Option<Snapshots>, events_min: u64) -> Self {
        Self { battle_id, snapshots, events_min, revision: None, copy: None, writing: None }
    }

    /// Where the snapshots are.
    pub(crate) fn snapshots(&self) -> Option<&Snapshots> {
        self.snapshots.as_ref()
    }

    /// Begins anew with a battle whose snapshot has this revision.
    pub(crate) fn begin(&mut self, revision: Option<Revision>) {
        self.revision = revision;
        self.copy = None;
    }

    /// Takes a copy of the state, when enough has happened since the last snapshot. Called when nothing gathers, so that the copy
    /// holds what the append under way makes durable and nothing more.
    pub(crate) fn copy_when_due(&mut self, folded: &Folded) {
        let Some(head) = folded.head else { return };
        if self.snapshots.is_none() || self.copy.is_some() {
            return;
        }
        let since = head - self.revision.unwrap_or(0);
        // A snapshot costs in proportion to the participants, so a large battle has one more seldom.
        let participants = folded.battle.participants().len() as u64;
        let due = self.events_min.max(participants * EVENTS_PER_PARTICIPANT);
        let busy = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if since >= due && !busy {
            self.copy = Some(Box::new(folded.clone()));
        }
    }

    /// Writes the copy, if all that it holds is durable up to this revision.
    pub(crate) async fn durable(&mut self, revision: Revision) {
        if let Some(copy) = self.copy.take_if(|copy| copy.head <= Some(revision)) {
            self.write(copy).await;
        }
    }

    /// Keeps what was read and decided for the next time, before the battle leaves the memory. A battle that is over is hardly ever
    /// read again, and there are ever more of those: nothing is kept of it.
    pub(crate) async fn leave(&mut self, folded: &Folded) {
        let over = matches!(folded.battle.phase(), Phase::Finished | Phase::Cancelled);
        if !over && folded.head > self.revision {
            self.write(Box::new(folded.clone())).await;
        }
        self.written().await;
        if over && let Some(snapshots) = self.snapshots.clone() {
            let battle_id = self.battle_id;
            self.writing = Some(spawn_blocking(move || snapshots.remove(battle_id)));
            self.written().await;
        }
    }

    /// Writes on a thread that may block.
    async fn write(&mut self, folded: Box<Folded>) {
        self.written().await;
        if let Some(snapshots) = self.snapshots.clone() {
            self.revision = folded.head;
            let battle_id = self.battle_id;
            self.writing = Some(spawn_blocking(move || snapshots.save(battle_id, &folded)));
        }
    }

    /// Waits for what that thread does.
    async fn written(&mut self) {
        if let Some(writing) = self.writing.take()
            && let Err(error) = writing.await
        {
            tracing::warn!(battle_id = %self.battle_id, %error, "writing a snapshot was cut short");
        }
    }
}

//! What happened to one battle's row and board.

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::{BATCH_CHANGES_MAX, BattleUpdate, BoardBatch, BoardChange, Position};

use super::changes::BattleChanges;

/// One battle's part of a run of events.
#[derive(Debug)]
pub(super) struct BattleFold {
    battle_id: BattleId,
    /// `None` while nothing was new for the tables.
    pub(super) update: Option<BattleUpdate>,
    pub(super) board: BoardFold,
    pub(super) changes: BattleChanges,
}

/// The changes of a board, the last one for each participant.
#[derive(Debug)]
pub(super) struct BoardFold {
    /// Those that are full.
    done: Vec<BoardBatch>,
    batch: BoardBatch,
    index: AHashMap<ParticipantId, usize>,
}

impl BattleFold {
    pub(super) fn new(battle_id: BattleId) -> Self {
        Self {
            battle_id,
            update: None,
            board: BoardFold { done: Vec::new(), batch: empty(battle_id), index: AHashMap::new() },
            changes: BattleChanges::new(battle_id),
        }
    }

    /// The update of the battle's row.
    pub(super) fn update(&mut self) -> &mut BattleUpdate {
        self.update.get_or_insert(BattleUpdate {
            id: self.battle_id,
            position: 0,
            phase: None,
            started_at: None,
            ended_at: None,
            participants_delta: 0,
        })
    }
}

fn empty(battle_id: BattleId) -> BoardBatch {
    let changes = Vec::new();
    BoardBatch { battle_id, changes, first_revision: 0, last_revision: 0, position: 0, ended: false }
}

impl BoardFold {
    /// An event that is new for the boards. What happens at its position is folded; before the first one nothing is.
    pub(super) fn moved(&mut self, position: Position, revision: u64) {
        if self.batch.changes.len() >= BATCH_CHANGES_MAX {
            let next = empty(self.batch.battle_id);
            self.done.push(std::mem::replace(&mut self.batch, next));
            self.index.clear();
        }
        if self.batch.position == 0 {
            self.batch.first_revision = revision;
        }
        self.batch.last_revision = revision;
        self.batch.position = position;
    }

    /// The battle is over.
    pub(super) fn ended(&mut self) {
        self.batch.ended = true;
    }

    pub(super) fn joined(
        &mut self,
        at: Position,
        who: ParticipantId,
        name: &str,
        points: u32,
        revision: u64,
    ) {
        let username = name.into();
        self.set(
            at,
            who,
            BoardChange::Joined { participant_id: who, username, points, reached_revision: revision },
        );
    }

    pub(super) fn scored(&mut self, at: Position, who: ParticipantId, points: u32, revision: u64) {
        let held = self.index.get(&who).and_then(|&place| self.batch.changes.get_mut(place));
        match held {
            Some(BoardChange::Joined { points: held, reached_revision, .. }) => {
                (*held, *reached_revision) = (points, revision);
            }
            Some(BoardChange::Removed { .. }) => {}
            Some(BoardChange::Scored { .. } | BoardChange::Renamed { .. }) | None => {
                let scored = BoardChange::Scored { participant_id: who, points, reached_revision: revision };
                self.set(at, who, scored);
            }
        }
    }

    /// Whoever is on the board is called otherwise from now on. A score that is held as well stays held by itself: the one does not
    /// touch what the other says.
    pub(super) fn renamed(&mut self, at: Position, who: ParticipantId, name: &str) {
        if at != self.batch.position {
            return;
        }
        let held = self.index.get(&who).and_then(|&place| self.batch.changes.get_mut(place));
        match held {
            Some(BoardChange::Joined { username, .. }) => *username = name.into(),
            Some(BoardChange::Removed { .. }) => {}
            Some(BoardChange::Scored { .. } | BoardChange::Renamed { .. }) | None => {
                self.batch.changes.push(BoardChange::Renamed { participant_id: who, username: name.into() });
            }
        }
    }

    pub(super) fn removed(&mut self, at: Position, who: ParticipantId) {
        self.set(at, who, BoardChange::Removed { participant_id: who });
    }

    /// None while nothing was new for the boards.
    pub(super) fn into_batches(self) -> impl Iterator<Item = BoardBatch> {
        self.done.into_iter().chain((self.batch.position > 0).then_some(self.batch))
    }

    fn set(&mut self, at: Position, who: ParticipantId, change: BoardChange) {
        if at != self.batch.position {
            return;
        }
        let changes = &mut self.batch.changes;
        let place = *self.index.entry(who).or_insert(changes.len());
        match changes.get_mut(place) {
            Some(held) => *held = change,
            None => changes.push(change),
        }
    }
}

//! What the followers of one battle are told.

use std::sync::Arc;

use ahash::AHashMap;
use nimaora_change_bus::{Change, ChangeBatch, Lane};
use nimaora_domain::event::AttackLanded;
use nimaora_domain::{Balance, BattleId, ParticipantId, SessionId, Timestamp};
use nimaora_read_models::Position;
use uuid::Uuid;

/// The changes of one battle in a run of events.
#[derive(Debug)]
pub(super) struct BattleChanges {
    battle_id: BattleId,
    /// 0 while nothing was new for the followers.
    position: Position,
    board: bool,
    attacks: Vec<Change>,
    broadcast: Vec<Change>,
    /// What somebody holds: the last word on each.
    scores: AHashMap<ParticipantId, (Position, Balance)>,
}

/// An attack and what surrounds it.
#[derive(Debug)]
pub(super) struct Attack<'a> {
    pub(super) position: Position,
    pub(super) event_id: Uuid,
    pub(super) timestamp: Timestamp,
    pub(super) attack: &'a AttackLanded,
    pub(super) attacker: Arc<str>,
    pub(super) target: Arc<str>,
}

impl BattleChanges {
    pub(super) fn new(battle_id: BattleId) -> Self {
        Self {
            battle_id,
            position: 0,
            board: false,
            attacks: Vec::new(),
            broadcast: Vec::new(),
            scores: AHashMap::new(),
        }
    }

    pub(super) fn moved(&mut self, position: Position) {
        self.position = position;
    }

    pub(super) fn board_changed(&mut self) {
        self.board = true;
    }

    pub(super) fn attacked(&mut self, landed: Attack<'_>) {
        self.attacks.push(Change::AttackReceived {
            position: landed.position,
            event_id: landed.event_id,
            target_id: landed.attack.target_id,
            attacker_id: landed.attack.attacker_id,
            attacker: landed.attacker,
            target: landed.target,
            blocked: landed.attack.blocked,
            points_lost: landed.attack.points_deducted,
            timestamp: landed.timestamp,
        });
    }

    pub(super) fn score_changed(&mut self, position: Position, who: ParticipantId, balance: Balance) {
        self.scores.insert(who, (position, balance));
    }

    pub(super) fn session_replaced(&mut self, position: Position, who: ParticipantId, session_id: SessionId) {
        self.broadcast.push(Change::SessionReplaced { position, participant_id: who, session_id });
    }

    pub(super) fn gone(&mut self, position: Position, who: ParticipantId) {
        self.broadcast.push(Change::ParticipantGone { position, participant_id: who });
    }

    pub(super) fn started(&mut self, position: Position, started_at: Timestamp) {
        self.broadcast.push(Change::BattleStarted { position, started_at });
    }

    pub(super) fn finished(&mut self, position: Position, finished_at: Timestamp) {
        self.broadcast.push(Change::BattleFinished { position, finished_at });
    }

    pub(super) fn cancelled(&mut self, position: Position, reason: &str) {
        self.broadcast.push(Change::BattleCancelled { position, reason: reason.to_owned() });
    }

    /// Takes what travels in this lane.
    fn take(&mut self, lane: Lane) -> Vec<Change> {
        match lane {
            Lane::Attacks => std::mem::take(&mut self.attacks),
            Lane::Broadcast => std::mem::take(&mut self.broadcast),
            Lane::Leaderboard => vec![Change::Applied { board: self.board }],
            Lane::Default => self.take_scores(),
            Lane::Notifications => Vec::new(),
        }
    }

    fn take_scores(&mut self) -> Vec<Change> {
        let mut scores: Vec<_> = std::mem::take(&mut self.scores).into_iter().collect();
        // One attack changes two participants at one position.
        scores.sort_unstable_by_key(|&(who, (position, _))| (position, who));
        let change = |(participant_id, (position, balance)): (ParticipantId, (Position, Balance))| {
            let Balance { points, shields, arrows } = balance;
            Change::ScoreChanged { position, participant_id, points, shields, arrows }
        };
        scores.into_iter().map(change).collect()
    }
}

/// One batch for each lane and battle with something in it, the most urgent lanes first.
pub(super) fn into_batches(mut battles: Vec<BattleChanges>) -> Vec<ChangeBatch> {
    battles.retain(|battle| battle.position > 0);
    let mut batches = Vec::new();
    for lane in Lane::ALL {
        for battle in &mut battles {
            let changes = battle.take(lane);
            if !changes.is_empty() {
                let (battle_id, position) = (battle.battle_id, battle.position);
                batches.push(ChangeBatch { battle_id, lane, position, changes });
            }
        }
    }
    batches
}

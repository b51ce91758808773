//! What happens in a battle, told to those whom it concerns, the moment it is known.

use std::sync::Arc;

use nimaora_change_bus::{Change, ChangeBatch};
use nimaora_domain::{ParticipantId, Phase, SessionId, Timestamp};
use nimaora_read_models::{AttackView, BattleView};

use super::Hub;
use super::feed::{Feed, FeedMessage};
use super::inbox::Behind;
use super::room::Room;
use crate::Position;
use crate::error::Refusal;
use crate::metrics;
use crate::pusher::events::{self, AttackReceived, News, ScoreChanged};

/// Carries a battle's changes, boards apart, to its sockets.
pub(super) struct Follower {
    hub: Arc<Hub>,
    room: Arc<Room>,
    /// The phase that the tables showed when the battle was first followed, or that was told since.
    known_phase: Phase,
    /// The position at which a phase was last told; a repeat is not past it.
    phase_told_at: Position,
}

impl Follower {
    pub(super) fn new(hub: Arc<Hub>, room: Arc<Room>, phase: Phase) -> Self {
        Self { hub, room, known_phase: phase, phase_told_at: 0 }
    }

    /// Follows the battle until nobody listens any more or the server stops.
    pub(super) async fn run(mut self, mut feed: Feed) {
        let room = Arc::clone(&self.room);
        loop {
            let message = tokio::select! {
                biased;
                () = room.closed() => return,
                message = feed.next() => message,
            };
            match message {
                FeedMessage::Changes(batch) => self.tell(&batch).await,
                FeedMessage::Missed => {
                    metrics::caught_up();
                    self.catch_up().await;
                }
            }
        }
    }

    async fn tell(&mut self, batch: &ChangeBatch) {
        for change in &batch.changes {
            self.tell_one(change).await;
        }
    }

    async fn tell_one(&mut self, change: &Change) {
        match change {
            Change::AttackReceived {
                position,
                event_id,
                target_id,
                attacker_id: _,
                attacker,
                blocked,
                points_lost,
                timestamp,
            } => {
                let attack = AttackReceived {
                    attacker,
                    blocked: *blocked,
                    points_lost: *points_lost,
                    timestamp: *timestamp,
                    event_id: *event_id,
                    position: *position,
                };
                self.alert(*target_id, attack);
            }
            Change::ScoreChanged { position, participant_id, points, shields, arrows } => {
                let score =
                    ScoreChanged { points: *points, shields: *shields, arrows: *arrows, position: *position };
                self.score(*participant_id, score);
            }
            Change::SessionReplaced { position, participant_id, session_id } => {
                let news = News::SessionReplaced { session_id: *session_id, position: *position };
                self.end_sessions(*participant_id, *position, Some(*session_id), &news);
            }
            Change::ParticipantGone { position, participant_id } => {
                self.end_sessions(*participant_id, *position, None, &News::Gone { position: *position });
            }
            Change::BattleStarted { position, started_at } => {
                let news = News::Started { started_at: Some(*started_at), position: *position };
                self.announce(Phase::Running, *position, &news).await;
            }
            Change::BattleFinished { position, finished_at } => {
                self.finish(*position, Some(*finished_at)).await;
            }
            Change::BattleCancelled { position, reason } => {
                let news = News::Cancelled { reason: Some(reason), position: *position };
                self.announce(Phase::Cancelled, *position, &news).await;
            }
            // Boards have a feed of their own.
            Change::Applied { .. } => {}
        }
    }

    fn alert(&self, target_id: ParticipantId, attack: AttackReceived<'_>) {
        let (position, happened_at) = (attack.position, attack.timestamp);
        let mut frame_bytes = 0;
        let sockets = self.room.inboxes.lock().alert(target_id, position, || {
            let frame = events::of_participant(self.room.battle_id, target_id, &News::Attack(attack));
            frame_bytes = frame.len();
            frame
        });
        if sockets > 0 {
            metrics::sent("alert", sockets, frame_bytes);
            metrics::alerted(self.hub.clock.now_ms().saturating_sub(happened_at.as_millis()));
        }
    }

    fn score(&self, id: ParticipantId, score: ScoreChanged) {
        let mut frame_bytes = 0;
        let sockets = self.room.inboxes.lock().score(id, score.position, || {
            let frame = events::of_participant(self.room.battle_id, id, &News::Score(score));
            frame_bytes = frame.len();
            frame
        });
        if sockets > 0 {
            metrics::sent("score", sockets, frame_bytes);
        }
    }

    fn end_sessions(
        &self,
        id: ParticipantId,
        position: Position,
        newest: Option<SessionId>,
        news: &News<'_>,
    ) {
        let frame = events::of_participant(self.room.battle_id, id, news);
        self.room.inboxes.lock().end_sessions(id, position, newest, &frame);
    }

    async fn announce(&mut self, phase: Phase, position: Position, news: &News<'_>) {
        if position <= self.phase_told_at {
            return;
        }
        self.known_phase = phase;
        self.phase_told_at = position;
        let frame = events::of_battle(self.room.battle_id, news);
        let sockets = self.room.broadcast(&frame).await;
        metrics::sent("broadcast", sockets, frame.len());
    }

    /// The final standings go with the news; without them when they cannot be read, because a board follows anyway.
    async fn finish(&mut self, position: Position, finished_at: Option<Timestamp>) {
        let standings = self.hub.top(self.room.battle_id).await.ok();
        let news = News::Finished { finished_at, position, standings: standings.as_ref() };
        self.announce(Phase::Finished, position, &news).await;
    }

    /// Reads from the tables what the lost changes said. What cannot be read now is not tried again: the next changes come
    /// anyhow, and what a participant has missed is told when it subscribes again.
    async fn catch_up(&mut self) {
        if let Ok(battle) = self.hub.battle(self.room.battle_id).await
            && battle.phase != self.known_phase
        {
            self.catch_up_with_phase(&battle).await;
        }
        let behind = self.room.inboxes.lock().behind();
        for behind in behind {
            if let Err(refusal) = self.catch_up_with_participant(&behind).await {
                tracing::warn!(participant = %behind.participant_id, %refusal, "alerts may be missing");
            }
        }
    }

    async fn catch_up_with_phase(&mut self, battle: &BattleView) {
        let position = battle.as_of;
        match battle.phase {
            Phase::Absent | Phase::Created => {}
            Phase::Running => {
                let news = News::Started { started_at: battle.started_at, position };
                self.announce(battle.phase, position, &news).await;
            }
            Phase::Finished => self.finish(position, battle.ended_at).await,
            Phase::Cancelled => {
                self.announce(battle.phase, position, &News::Cancelled { reason: None, position }).await;
            }
        }
    }

    async fn catch_up_with_participant(&self, behind: &Behind) -> Result<(), Refusal> {
        let (battle_id, id) = (self.room.battle_id, behind.participant_id);
        let limit = self.hub.config.alerts_replayed_max;
        let store = &self.hub.read_models;
        for attack in self.hub.ask(store.attacks_on(battle_id, id, behind.after, limit)).await? {
            self.alert(id, AttackReceived::from(&attack));
        }
        let Some(participant) = self.hub.ask(store.participant(battle_id, id)).await? else { return Ok(()) };
        let position = participant.as_of;
        if participant.has_left || participant.removed {
            self.end_sessions(id, position, None, &News::Gone { position });
            return Ok(());
        }
        let session_id = participant.session_id;
        self.end_sessions(id, position, Some(session_id), &News::SessionReplaced { session_id, position });
        let balance = participant.balance;
        let score = ScoreChanged {
            points: balance.points,
            shields: balance.shields,
            arrows: balance.arrows,
            position,
        };
        self.score(id, score);
        Ok(())
    }
}

impl<'a> From<&'a AttackView> for AttackReceived<'a> {
    fn from(view: &'a AttackView) -> Self {
        Self {
            attacker: &view.attacker,
            blocked: view.attack.blocked,
            points_lost: view.attack.points_deducted,
            timestamp: view.attack.attacked_at,
            event_id: view.attack.event_id,
            position: view.attack.position,
        }
    }
}

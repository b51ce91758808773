//! What happens in a battle, told to those whom it concerns, the moment it is known.
//!
//! Each lane has a feed of its own. They are looked at in the order of their urgency whenever one of them lets go of the
//! processor, which each does every few hundred sockets: an alert waits for no news and no scores, however many of them came
//! before it. What a feed has lost is read from the tables, see [`super::catch_up`].

use std::sync::Arc;

use nimaora_change_bus::{BusError, Change, ChangeBatch, Lane};
use nimaora_domain::{ParticipantId, Phase, SessionId, Timestamp};
use nimaora_read_models::AttackView;
use tokio::sync::Mutex;

use super::Hub;
use super::feed::{Feed, FeedMessage};
use super::room::Room;
use super::scores::Score;
use crate::Position;
use crate::metrics;
use crate::pusher::events::{self, AttackReceived, Landed, News};

/// Changes that are told before others get their turn.
const SLICE_CHANGES: usize = 256;

/// The feeds of a battle, boards apart.
pub(super) struct Feeds {
    attacks: Feed,
    broadcast: Feed,
    rest: Feed,
}

/// Carries a battle's changes, boards apart, to its sockets.
pub(super) struct Follower {
    pub(super) hub: Arc<Hub>,
    pub(super) room: Arc<Room>,
    /// Locked while a phase is being told, so that no socket hears of two in the wrong order.
    told: Mutex<Told>,
}

struct Told {
    /// The phase that the tables showed when the battle was first followed, or that was told since.
    phase: Phase,
    /// The position at which it was told; a repeat is not past it.
    at: Position,
}

/// Where news of a phase comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It has just begun.
    Bus,
    /// It is there, and may have been told before.
    Tables,
}

impl Feeds {
    pub(super) async fn follow(hub: &Arc<Hub>, room: &Room) -> Result<Self, BusError> {
        let follow = async |lanes| Feed::follow(hub, room.battle_id, lanes).await;
        Ok(Self {
            attacks: follow(&[Lane::Attacks]).await?,
            broadcast: follow(&[Lane::Broadcast]).await?,
            rest: follow(&[Lane::Default, Lane::Notifications]).await?,
        })
    }
}

impl Follower {
    pub(super) fn new(hub: Arc<Hub>, room: Arc<Room>, phase: Phase) -> Self {
        Self { hub, room, told: Mutex::new(Told { phase, at: 0 }) }
    }

    /// Follows the battle until nobody listens any more or the server stops.
    pub(super) async fn run(self, feeds: Feeds) {
        tokio::select! {
            biased;
            () = self.room.closed() => {}
            () = self.tell_all(feeds.attacks, || self.owe_alerts()) => {}
            () = self.tell_all(feeds.broadcast, || self.owe_news()) => {}
            () = self.tell_all(feeds.rest, || self.owe_scores()) => {}
            () = self.catch_up() => {}
            () = self.tell_scores() => {}
            () = self.show_attacks() => {}
        }
    }

    /// Tells what a feed says, in its order; `owe` notes what is owed when some of it was lost. Never ends.
    async fn tell_all(&self, mut feed: Feed, owe: impl Fn()) {
        loop {
            match feed.next().await {
                FeedMessage::Changes(batch) => self.tell(&batch).await,
                FeedMessage::Missed => owe(),
            }
        }
    }

    async fn tell(&self, batch: &ChangeBatch) {
        for (nth, slice) in batch.changes.chunks(SLICE_CHANGES).enumerate() {
            if nth > 0 {
                tokio::task::yield_now().await;
            }
            for change in slice {
                self.tell_one(change).await;
            }
        }
    }

    async fn tell_one(&self, change: &Change) {
        match change {
            Change::AttackReceived {
                position,
                event_id,
                target_id,
                attacker_id,
                attacker,
                target,
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
                self.alert(*target_id, attack, false);
                self.gather(Landed {
                    attacker_id: *attacker_id,
                    attacker: Arc::clone(attacker),
                    target_id: *target_id,
                    target: Arc::clone(target),
                    blocked: *blocked,
                    points_lost: *points_lost,
                    timestamp: *timestamp,
                    event_id: *event_id,
                    position: *position,
                });
            }
            Change::ScoreChanged { position, participant_id, points, shields, arrows } => {
                let score =
                    Score { points: *points, shields: *shields, arrows: *arrows, position: *position };
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
                self.announce(Source::Bus, Phase::Running, *position, &news).await;
            }
            Change::BattleFinished { position, finished_at } => {
                self.finish(Source::Bus, *position, Some(*finished_at)).await;
            }
            Change::BattleCancelled { position, reason } => {
                let news = News::Cancelled { reason: Some(reason), position: *position };
                self.announce(Source::Bus, Phase::Cancelled, *position, &news).await;
            }
            // Boards have a feed of their own.
            Change::Applied { .. } => {}
        }
    }

    /// `is_owed` when it was lost before.
    pub(super) fn alert(&self, target_id: ParticipantId, attack: AttackReceived<'_>, is_owed: bool) {
        let (position, happened_at) = (attack.position, attack.timestamp);
        let mut frame_bytes = 0;
        let sockets = self.room.inboxes.lock().alert(target_id, position, is_owed, || {
            let frame = events::of_participant(self.room.battle_id, target_id, &News::Attack(attack));
            frame_bytes = frame.len();
            frame
        });
        if sockets > 0 {
            metrics::sent("alert", sockets, sockets * frame_bytes);
            metrics::alerted(self.hub.clock.now_ms().saturating_sub(happened_at.as_millis()));
        }
    }

    pub(super) fn end_sessions(
        &self,
        id: ParticipantId,
        position: Position,
        newest: Option<SessionId>,
        news: &News<'_>,
    ) {
        let frame = events::of_participant(self.room.battle_id, id, news);
        self.room.inboxes.lock().end_sessions(id, position, newest, &frame);
    }

    pub(super) async fn announce(&self, source: Source, phase: Phase, position: Position, news: &News<'_>) {
        let mut told = self.told.lock().await;
        let is_known = source == Source::Tables && phase == told.phase;
        if is_known || position <= told.at {
            return;
        }
        *told = Told { phase, at: position };
        self.room.entered(phase);
        let frame = events::of_battle(self.room.battle_id, news);
        let sockets = self.room.broadcast(&frame).await;
        metrics::sent("broadcast", sockets, sockets * frame.len());
    }

    /// The final standings go with the news; without them when they cannot be read, because a board follows anyway.
    pub(super) async fn finish(&self, source: Source, position: Position, finished_at: Option<Timestamp>) {
        let standings = self.hub.top(self.room.battle_id, position).await.ok();
        let news = News::Finished { finished_at, position, standings: standings.as_ref() };
        self.announce(source, Phase::Finished, position, &news).await;
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

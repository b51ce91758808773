//! The task that reads one battle's board for all who watch it.

use std::sync::Arc;

use nimaora_change_bus::{BusMessage, Change, ChangeBatch, Changes, Lane};
use nimaora_domain::{BattleId, Phase};
use nimaora_read_models::{BattleView, Position};
use nimaora_runtime::Shutdown;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Scene, Scenes, Sources, is_over};
use crate::config::WATCH_LINES;
use crate::error::QueryError;
use crate::freshness::in_time;
use crate::tables::Ask;

/// Reads the board when its changes say so, at most once in a tick, and now and then in any case.
pub(super) struct Reader {
    battle_id: BattleId,
    sources: Arc<Sources>,
    scenes: Scenes,
    /// None while the bus cannot be used.
    changes: Option<Box<dyn Changes>>,
    /// The battle's course as it was read last.
    course: Option<Course>,
    /// The position of the last change of the board that was heard of.
    heard: Position,
}

/// Where the battle was in its life, at a position.
#[derive(Clone, Copy)]
struct Course {
    phase: Phase,
    as_of: Position,
}

impl Reader {
    pub(super) fn new(battle_id: BattleId, sources: Arc<Sources>, scenes: Scenes) -> Self {
        Self { battle_id, sources, scenes, changes: None, course: None, heard: 0 }
    }

    /// Runs until the final board was shown, nobody watches any more, or the server stops.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown.requested() => self.sources.forget(self.battle_id),
            () = self.read_on() => {}
        }
    }

    async fn read_on(&mut self) {
        loop {
            // Followed before the board is read, so that what changes after that is heard of.
            self.follow().await;
            let began = Instant::now();
            let shown = match self.read().await {
                Ok(Some(scene)) if scene.is_last() => {
                    // Whoever comes to watch from now on gets a reader of its own.
                    self.sources.forget(self.battle_id);
                    self.scenes.send_replace(Some(Arc::new(scene)));
                    return;
                }
                Ok(Some(scene)) => {
                    self.scenes.send_replace(Some(Arc::new(scene)));
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    tracing::debug!(battle_id = %self.battle_id, %error, "a watched board cannot be read now");
                    false
                }
            };
            if shown {
                self.wait_for_reason().await;
            }
            sleep_until(began + self.sources.config.watch_tick()).await;
            if self.sources.forget_unwatched(self.battle_id) {
                return;
            }
        }
    }

    async fn follow(&mut self) {
        if self.changes.is_none() {
            let follow = self.sources.bus.follow(self.battle_id, &[Lane::Leaderboard, Lane::Broadcast]);
            let followed = timeout(self.sources.config.read_timeout(), follow).await;
            self.changes = followed.ok().and_then(Result::ok);
        }
    }

    /// What is to be shown; `None` while the battle is over and its final board is not there yet.
    async fn read(&mut self) -> Result<Option<Scene>, QueryError> {
        // The phase first: of a battle that is over, the board that is read after it is the final one, or is known not to be.
        let course = self.read_course().await?;
        let limit = self.sources.config.read_timeout();
        let at_least = if is_over(course.phase) { course.as_of } else { self.heard };
        let ask = Ask { at_least, newest: false };
        let top = in_time(limit, self.sources.boards.top(self.battle_id, WATCH_LINES.max, ask)).await?;
        let awaits_final_board = is_over(course.phase) && top.as_of < course.as_of;
        Ok((!awaits_final_board).then_some(Scene { top, phase: course.phase }))
    }

    /// The board moves on while the tables cannot be read; the phase stays as it was.
    async fn read_course(&mut self) -> Result<Course, QueryError> {
        let battle = async { Ok(self.sources.tables.any().battle(self.battle_id).await?) };
        let course = match in_time(self.sources.config.read_timeout(), battle).await {
            Ok(Some(BattleView { phase, as_of, .. })) => Course { phase, as_of },
            Ok(None) => return Err(QueryError::BattleUnknown { asked: self.battle_id.to_string() }),
            Err(error) => return self.course.ok_or(error),
        };
        self.course = Some(course);
        Ok(course)
    }

    /// Resolves when the board may have changed, when it was not looked at for a while, or when nobody watches it.
    async fn wait_for_reason(&mut self) {
        let heard = async {
            match &mut self.changes {
                Some(changes) => board_moved(changes.as_mut(), &mut self.heard).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = heard => {
                if !heard {
                    self.changes = None;
                }
            }
            () = self.scenes.closed() => {}
            () = sleep(self.sources.config.watch_poll()) => {}
        }
    }
}

/// Resolves to true when the changes say that the board or the phase is another one now, or that some changes were lost; to
/// false when there will be no more.
async fn board_moved(changes: &mut dyn Changes, heard: &mut Position) -> bool {
    loop {
        match changes.next().await {
            Ok(BusMessage::Changes(batch)) if !moves_board(&batch) => {}
            Ok(BusMessage::Changes(batch)) => {
                *heard = batch.position.max(*heard);
                return true;
            }
            Ok(BusMessage::Lagged { .. }) => return true,
            Err(_) => return false,
        }
    }
}

fn moves_board(batch: &ChangeBatch) -> bool {
    batch.changes.iter().any(|change| match change {
        Change::Applied { board } => *board,
        Change::BattleStarted { .. } | Change::BattleFinished { .. } | Change::BattleCancelled { .. } => true,
        // Their effect on the board is told by `Applied`.
        Change::AttackReceived { .. }
        | Change::ScoreChanged { .. }
        | Change::SessionReplaced { .. }
        | Change::ParticipantGone { .. } => false,
    })
}

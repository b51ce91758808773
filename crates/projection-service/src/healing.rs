//! Finds boards that the leaderboard has lost, and makes them anew from the log, a little at a time.
//!
//! A store that lost a battle says so when the battle's next batch comes. The sweep finds those that rest: it compares the
//! positions of all battles that are not over with those in the tables. Until a board is restored, queries ask the tables, and
//! nobody is told of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use nimaora_domain::{BattleId, ParticipantId, Phase, Timestamp};
use nimaora_event_log::{Direction, ReadError};
use nimaora_read_models::{BattleView, BoardChange, BoardLine, Position, StoreError, WholeBoard};
use tokio::time::Instant;

use crate::applying::Applying;
use crate::config::{
    HEALING_PAGE_EVENTS, SWEEP_INTERVAL, SWEEP_PAGE_BATTLES, SWEEP_PAGE_INTERVAL, UNHEALED_BATTLES_MAX,
};
use crate::fold::{Fold, Marks};
use crate::metrics;
use crate::names::Names;
use crate::source::{Decoded, decode};
use crate::stores::End;

/// What is known to be lost, and what is being made anew.
#[derive(Debug)]
pub(crate) struct Healing {
    waiting: VecDeque<BattleId>,
    /// The same, and the one at work.
    known: AHashSet<BattleId>,
    at_work: Option<Mending>,
    sweep_at: Instant,
    /// The phase that is looked at, and the position below which to go on.
    sweep: (Phase, Option<Position>),
}

/// A board on its way.
#[derive(Debug)]
struct Mending {
    battle_id: BattleId,
    next_revision: u64,
    position: Position,
    ended: bool,
    lines: AHashMap<ParticipantId, BoardLine>,
}

impl Default for Healing {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            known: AHashSet::new(),
            at_work: None,
            sweep_at: Instant::now(),
            sweep: (Phase::Running, None),
        }
    }
}

impl Healing {
    /// These battles lack something.
    pub(crate) fn missing(&mut self, battles: impl IntoIterator<Item = BattleId>) {
        for battle_id in battles {
            if self.known.len() < UNHEALED_BATTLES_MAX && self.known.insert(battle_id) {
                self.waiting.push_back(battle_id);
            }
        }
    }

    /// Whether there is something to do now.
    pub(crate) fn is_due(&self) -> bool {
        self.has_work() || self.sweep_at <= Instant::now()
    }

    /// Waits until there is something to do.
    pub(crate) async fn due(&self) {
        if !self.has_work() {
            tokio::time::sleep_until(self.sweep_at).await;
        }
    }

    fn has_work(&self) -> bool {
        self.at_work.is_some() || !self.waiting.is_empty()
    }

    fn next(&mut self) -> Option<Mending> {
        self.at_work.take().or_else(|| self.waiting.pop_front().map(Mending::new))
    }

    fn swept(&mut self, next: Option<Position>) {
        let (phase, pause) = match (self.sweep.0, next) {
            (phase, Some(_)) => (phase, SWEEP_PAGE_INTERVAL),
            (Phase::Running, None) => (Phase::Created, SWEEP_PAGE_INTERVAL),
            (_, None) => (Phase::Running, SWEEP_INTERVAL),
        };
        self.sweep = (phase, next);
        self.sweep_after(pause);
    }

    fn sweep_after(&mut self, pause: Duration) {
        self.sweep_at = Instant::now() + pause;
    }
}

impl Mending {
    fn new(battle_id: BattleId) -> Self {
        Self { battle_id, next_revision: 0, position: 0, ended: false, lines: AHashMap::new() }
    }

    fn change(&mut self, change: BoardChange) {
        match change {
            BoardChange::Joined { participant_id, username, points, reached_revision } => {
                let line = BoardLine { participant_id, username, points, reached_revision };
                self.lines.insert(participant_id, line);
            }
            BoardChange::Scored { participant_id, points, reached_revision } => {
                if let Some(line) = self.lines.get_mut(&participant_id) {
                    (line.points, line.reached_revision) = (points, reached_revision);
                }
            }
            BoardChange::Removed { participant_id } => {
                self.lines.remove(&participant_id);
            }
        }
    }

    /// `None` for a battle without an event.
    fn into_board(self) -> Option<WholeBoard> {
        Some(WholeBoard {
            battle_id: self.battle_id,
            lines: self.lines.into_values().collect(),
            revision: self.next_revision.checked_sub(1)?,
            position: self.position,
            ended: self.ended,
        })
    }
}

impl Applying {
    /// One page of a board that is being made anew, or of the sweep.
    pub(crate) async fn heal_a_little(&mut self) -> Result<(), End> {
        match self.healing.next() {
            Some(mending) => self.mend(mending).await,
            None => self.sweep().await,
        }
    }

    /// Folds the battle's next events, up to where the boards are. After the last ones its board is put back: nothing comes
    /// between, because this task is also the one that applies what is new.
    async fn mend(&mut self, mut mending: Mending) -> Result<(), End> {
        let events = self.battle_events(&mending).await?;
        if events.is_empty() {
            self.healing.known.remove(&mending.battle_id);
            return self.put_back(mending).await;
        }
        self.fold_board(&mut mending, &events);
        self.healing.at_work = Some(mending);
        Ok(())
    }

    async fn battle_events(&mut self, mending: &Mending) -> Result<Vec<Decoded>, End> {
        let (log, stream) = (Arc::clone(&self.deps.log), mending.battle_id.stream());
        let read = || {
            let page =
                log.read_stream(&stream, mending.next_revision, Direction::Forwards, HEALING_PAGE_EVENTS);
            async move { page.await.map_err(as_store_error) }
        };
        let ready_after = self.status.borrow().caught_up;
        let events = self.stores.call("log", ready_after, read).await??;
        let upto = self.marks.boards;
        Ok(events.iter().take_while(|event| event.position <= upto).map(decode).collect())
    }

    fn fold_board(&self, mending: &mut Mending, events: &[Decoded]) {
        let only_boards = Marks { tables: Position::MAX, boards: 0, changes: Position::MAX };
        let mut nobody = Names::default();
        let now = Timestamp::from_millis(self.config.clock.now_ms());
        let mut fold = Fold::new(only_boards, &mut nobody, now);
        for event in events {
            fold.event(event, self.parked.contains(&event.position).then_some("it is parked"));
        }
        for batch in fold.finish().boards {
            mending.next_revision = batch.last_revision + 1;
            mending.position = batch.position;
            mending.ended |= batch.ended;
            batch.changes.into_iter().for_each(|change| mending.change(change));
        }
    }

    async fn put_back(&mut self, mending: Mending) -> Result<(), End> {
        let Some(board) = mending.into_board() else { return Ok(()) };
        let boards = Arc::clone(&self.deps.leaderboard);
        let ready_after = self.status.borrow().caught_up;
        self.stores.call("leaderboard", ready_after, || boards.restore(&board)).await??;
        metrics::board_restored();
        tracing::info!(battle = %board.battle_id, revision = board.revision, "a board was restored from the log");
        Ok(())
    }

    /// Compares one page of battles that are not over with the tables. A store that cannot answer now is asked again later.
    async fn sweep(&mut self) -> Result<(), End> {
        if self.marks.boards < self.marks.tables {
            // The boards are being replayed: they are behind, and nothing is lost.
            self.healing.sweep_after(SWEEP_INTERVAL);
            return Ok(());
        }
        let (phase, before) = self.healing.sweep;
        let timeout = self.config.store_timeout;
        match tokio::time::timeout(timeout, self.lost(phase, before)).await {
            Ok(Ok((lost, next))) => {
                self.healing.missing(lost);
                self.healing.swept(next);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "boards cannot be compared with the tables now");
                self.healing.sweep_after(SWEEP_INTERVAL);
            }
            Err(_) => {
                tracing::warn!(?timeout, "boards cannot be compared with the tables in time");
                self.healing.sweep_after(SWEEP_INTERVAL);
            }
        }
        Ok(())
    }

    /// The battles of a page whose boards are not where the tables are, and where the next page begins.
    async fn lost(
        &self,
        phase: Phase,
        before: Option<Position>,
    ) -> Result<(Vec<BattleId>, Option<Position>), StoreError> {
        let page = self.deps.read_models.battles(Some(phase), before, SWEEP_PAGE_BATTLES).await?;
        let ids: Vec<_> = page.battles.iter().map(|view| view.battle.id).collect();
        let held = match ids.is_empty() {
            true => Vec::new(),
            false => self.deps.leaderboard.held(&ids).await?,
        };
        let differs = |(view, held): (&BattleView, Option<Position>)| {
            held.is_none_or(|position| position < view.as_of).then_some(view.battle.id)
        };
        Ok((page.battles.iter().zip(held).filter_map(differs).collect(), page.next))
    }
}

/// A log that cannot be read now is waited for like a store.
pub(crate) fn as_store_error(error: ReadError) -> StoreError {
    match error {
        ReadError::Unavailable { reason } => StoreError::Unavailable { reason },
        other => StoreError::Damaged { reason: other.to_string() },
    }
}

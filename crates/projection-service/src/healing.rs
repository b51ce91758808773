//! Boards that the leaderboard has lost are made anew from the log, a little at a time.
//!
//! A store that lost a battle says so when the battle's next batch comes, and one that cannot be used loses whatever comes. The
//! sweep (`sweep`) finds those that rest. A battle that is lost is asked for first, some at once: of a leaderboard that does not answer
//! nothing is read and folded. Until a board is restored, queries ask the tables, and nobody is told of it.

use std::collections::VecDeque;

use ahash::{AHashMap, AHashSet};
use futures::future::join_all;
use nimaora_domain::{BattleId, ParticipantId, Timestamp};
use nimaora_event_log::{Direction, ReadError};
use nimaora_read_models::{BoardChange, BoardLine, Position, StoreError, WholeBoard};
use tokio::time::{Instant, timeout};

use crate::boards::BoardWriter;
use crate::config::{ASKED_BATTLES_MAX, HEALING_PAGE_EVENTS, UNHEALED_BATTLES_MAX};
use crate::fold::{Fold, Marks};
use crate::metrics;
use crate::names::Names;
use crate::source::{Decoded, decode};
use crate::sweep::Sweeps;

/// What is known to be lost, and what is being made anew.
#[derive(Debug)]
pub(crate) struct Healing {
    /// Battles for which the leaderboard was not asked yet, or did not answer.
    waiting: VecDeque<BattleId>,
    /// Those for which it answers.
    ready: VecDeque<BattleId>,
    at_work: Option<Mending>,
    /// All of them.
    known: AHashSet<BattleId>,
    /// Nothing is tried before.
    next_at: Instant,
    /// Whether the leaderboard cannot be used at all. Then there is something in `waiting`, with which that is tried.
    is_down: bool,
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
            ready: VecDeque::new(),
            at_work: None,
            known: AHashSet::new(),
            next_at: Instant::now(),
            is_down: false,
        }
    }
}

impl Healing {
    /// These battles lack something.
    pub(crate) fn lost(&mut self, battles: impl IntoIterator<Item = BattleId>) {
        for battle_id in battles {
            if self.known.len() < UNHEALED_BATTLES_MAX && self.known.insert(battle_id) {
                self.waiting.push_back(battle_id);
            }
        }
    }

    /// Whether the battle is known to be lost.
    pub(crate) fn knows(&self, battle_id: BattleId) -> bool {
        self.known.contains(&battle_id)
    }

    /// How many are.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// Whether the leaderboard cannot be used at all.
    pub(crate) fn is_down(&self) -> bool {
        self.is_down
    }

    /// It turned out that it cannot, or that it can for some battle.
    pub(crate) fn set_down(&mut self, is_down: bool) {
        // Without a battle to ask for nobody would find out that it is up again.
        self.is_down = is_down && !self.known.is_empty();
    }

    /// Whether there is something to do now.
    pub(crate) fn is_due(&self, sweeps: &Sweeps) -> bool {
        self.due_at(sweeps) <= Instant::now()
    }

    /// Waits until there is something to do.
    pub(crate) async fn due(&self, sweeps: &Sweeps) {
        tokio::time::sleep_until(self.due_at(sweeps)).await;
    }

    fn due_at(&self, sweeps: &Sweeps) -> Instant {
        match (self.known.is_empty(), self.is_down) {
            (true, _) => sweeps.due_at(),
            (false, true) => self.next_at,
            (false, false) => self.next_at.min(sweeps.due_at()),
        }
    }

    fn next(&mut self) -> Option<Mending> {
        self.at_work.take().or_else(|| self.ready.pop_front().map(Mending::new))
    }

    fn forget(&mut self, battle_id: BattleId) {
        self.known.remove(&battle_id);
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
            BoardChange::Renamed { participant_id, username } => {
                if let Some(line) = self.lines.get_mut(&participant_id) {
                    line.username = username;
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

impl BoardWriter {
    /// One page of a board that is being made anew, a question for some that are lost, or a page of a sweep.
    pub(crate) async fn heal_a_little(&mut self) {
        if self.healing.known.is_empty() || self.healing.next_at > Instant::now() {
            return self.sweep().await;
        }
        match self.healing.next() {
            Some(mending) => self.mend(mending).await,
            None => self.ask().await,
        }
        self.tell();
    }

    /// Finds out for which of the battles that are lost the leaderboard answers.
    async fn ask(&mut self) {
        let some = self.healing.waiting.len().min(ASKED_BATTLES_MAX);
        let asked: Vec<_> = self.healing.waiting.drain(..some).collect();
        let limit = self.config.store_timeout;
        let answers = asked.iter().map(|battle_id| {
            let held = self.leaderboard.held(std::slice::from_ref(battle_id));
            async move { timeout(limit, held).await.is_ok_and(|answer| answer.is_ok()) }
        });
        let answers = join_all(answers).await;
        let (mut works, mut fails) = (false, false);
        for (battle_id, answered) in asked.into_iter().zip(answers) {
            (works, fails) = (works | answered, fails | !answered);
            match answered {
                true => self.healing.ready.push_back(battle_id),
                false => self.healing.waiting.push_back(battle_id),
            }
        }
        if works {
            self.healing.set_down(false);
        } else if fails {
            metrics::retried("leaderboard");
            self.pause();
        }
    }

    /// Folds the battle's next events, up to where the boards are. After the last ones its board is put back: nothing comes
    /// between, because this task is also the one that applies what is new.
    async fn mend(&mut self, mut mending: Mending) {
        match self.battle_events(&mending).await {
            Ok(events) if events.is_empty() => self.put_back(mending).await,
            Ok(events) => {
                self.fold_board(&mut mending, &events);
                self.healing.at_work = Some(mending);
            }
            Err(StoreError::Unavailable { reason }) => {
                metrics::retried("log");
                tracing::warn!(reason, "the log cannot be read for a board now; trying again");
                self.healing.at_work = Some(mending);
                self.pause();
            }
            Err(error) => self.give_up(mending.battle_id, &error),
        }
    }

    async fn battle_events(&self, mending: &Mending) -> Result<Vec<Decoded>, StoreError> {
        let stream = mending.battle_id.stream();
        let (from, limit) = (mending.next_revision, self.config.store_timeout);
        let page = self.log.read_stream(&stream, from, Direction::Forwards, HEALING_PAGE_EVENTS);
        let events = match timeout(limit, page).await {
            Ok(page) => page.map_err(as_store_error)?,
            Err(_) => {
                let reason = format!("the log did not answer within {limit:?}");
                return Err(StoreError::Unavailable { reason });
            }
        };
        let events = events.iter().take_while(|event| event.position <= self.upto);
        decode(&self.log, events).await.map_err(as_store_error)
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

    async fn put_back(&mut self, mending: Mending) {
        let battle_id = mending.battle_id;
        let Some(board) = mending.into_board() else { return self.healing.forget(battle_id) };
        let restored = timeout(self.config.store_timeout, self.leaderboard.restore(&board)).await;
        match restored {
            Ok(Ok(())) => {
                self.healing.forget(battle_id);
                self.backoff.reset();
                metrics::board_restored();
                tracing::info!(battle = %battle_id, revision = board.revision, "a board was restored from the log");
            }
            Ok(Err(StoreError::Unavailable { .. })) | Err(_) => {
                metrics::retried("leaderboard");
                // Asked for again with the others, and made anew: it may take long, and its lines would be kept for as long.
                self.healing.waiting.push_back(battle_id);
                self.pause();
            }
            Ok(Err(error)) => self.give_up(battle_id, &error),
        }
    }

    /// It is found again by the sweep or by its next batch, so this is tried now and then.
    fn give_up(&mut self, battle_id: BattleId, error: &StoreError) {
        tracing::error!(battle = %battle_id, %error, "a board cannot be made anew; the tables answer for it");
        self.healing.forget(battle_id);
        self.pause();
    }

    fn pause(&mut self) {
        self.healing.next_at = Instant::now() + self.backoff.next_wait();
    }
}

/// A log that cannot be read now is waited for like a store.
pub(crate) fn as_store_error(error: ReadError) -> StoreError {
    match error {
        ReadError::Unavailable { reason } => StoreError::Unavailable { reason },
        other => StoreError::Damaged { reason: other.to_string() },
    }
}

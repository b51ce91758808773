//! Reading boards: the leaderboard first, the tables when it cannot answer, and the top of each board as it was read last.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use nimaora_api::v1;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::{Board, BoardEntry, Leaderboard, Position, StoreError};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::config::{BOARD_LINES, Config};
use crate::error::QueryError;
use crate::metrics::{self, Fallback};
use crate::tables::{Ask, Tables};

/// The top of a board, as the API writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Top {
    /// Best first; perhaps more than were asked for.
    pub(crate) entries: Vec<v1::LeaderboardEntry>,
    /// How many are on the board.
    pub(crate) total: u32,
    pub(crate) as_of: Position,
}

impl Top {
    /// The first lines, at most `limit`.
    pub(crate) fn first(&self, limit: u32) -> &[v1::LeaderboardEntry] {
        self.entries.get(..limit as usize).unwrap_or(&self.entries)
    }

    fn of(board: &Board) -> Self {
        Self { entries: entries(&board.entries), total: board.total, as_of: board.as_of }
    }

    /// Whether it holds the first `limit` lines of the board that `head` is of.
    fn holds(&self, head: &Board, limit: u32) -> bool {
        let enough = self.entries.len() >= limit as usize || self.entries.len() >= head.total as usize;
        self.as_of == head.as_of && self.total == head.total && enough
    }
}

/// The boards of all battles.
pub(crate) struct Boards {
    leaderboard: Arc<dyn Leaderboard>,
    tables: Tables,
    leaderboard_timeout: Duration,
    /// The top of each board as it was read last. A battle's position moves with each of its events, so what is kept is right
    /// as long as the position is the same.
    kept: Mutex<AHashMap<BattleId, Arc<Top>>>,
    kept_max: usize,
}

impl Boards {
    pub(crate) fn new(leaderboard: Arc<dyn Leaderboard>, tables: Tables, config: &Config) -> Self {
        Self {
            leaderboard,
            tables,
            leaderboard_timeout: config.leaderboard_timeout(),
            kept: Mutex::default(),
            kept_max: config.boards_cached_max,
        }
    }

    /// The first lines of the board, at least `limit` if there are so many. Here and below, where the leaderboard has not reached
    /// the position that is asked for the tables are asked: it may have lost what they hold.
    pub(crate) async fn top(
        &self,
        battle_id: BattleId,
        limit: u32,
        ask: Ask,
    ) -> Result<Arc<Top>, QueryError> {
        let kept = self.kept.lock().get(&battle_id).cloned();
        if let Some(kept) = kept {
            // Without lines, a board costs next to nothing to read, and it has the position.
            let head = self.read_top(battle_id, 0, ask).await?;
            if kept.holds(&head, limit) {
                metrics::board_kept(true);
                return Ok(kept);
            }
        }
        metrics::board_kept(false);
        let board = self.read_top(battle_id, limit.max(BOARD_LINES.default), ask).await?;
        let top = Arc::new(Top::of(&board));
        self.keep(battle_id, &top);
        Ok(top)
    }

    /// One participant's line, alone in `entries`; none when it is not on the board.
    pub(crate) async fn rank(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        ask: Ask,
    ) -> Result<Board, QueryError> {
        let tables = self.tables.to_ask(ask).around(battle_id, participant_id, 0);
        self.first_or(self.leaderboard.rank(battle_id, participant_id), tables, ask).await
    }

    /// A participant's line with up to `range` lines on each side; none when it is not on the board.
    pub(crate) async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
        ask: Ask,
    ) -> Result<Board, QueryError> {
        let tables = self.tables.to_ask(ask).around(battle_id, participant_id, range);
        self.first_or(self.leaderboard.around(battle_id, participant_id, range), tables, ask).await
    }

    async fn read_top(&self, battle_id: BattleId, limit: u32, ask: Ask) -> Result<Board, QueryError> {
        let tables = self.tables.to_ask(ask).top(battle_id, limit);
        self.first_or(self.leaderboard.top(battle_id, limit), tables, ask).await
    }

    /// What the leaderboard answers; what the tables answer when it cannot, or is not there yet.
    async fn first_or(
        &self,
        leaderboard: impl Future<Output = Result<Board, StoreError>>,
        tables: impl Future<Output = Result<Board, StoreError>>,
        ask: Ask,
    ) -> Result<Board, QueryError> {
        let error = match timeout(self.leaderboard_timeout, leaderboard).await {
            Ok(Ok(board)) if board.as_of >= ask.at_least => return Ok(board),
            Ok(Ok(board)) => {
                metrics::fell_back(Fallback::Behind);
                return Ok(tables.await.ok().filter(|newer| newer.as_of > board.as_of).unwrap_or(board));
            }
            Ok(Err(error)) => error,
            Err(_) => StoreError::Unavailable { reason: "the leaderboard did not answer in time".to_owned() },
        };
        let why = match error {
            StoreError::NotHeld(_) => Fallback::NotHeld,
            StoreError::Unavailable { .. } | StoreError::Damaged { .. } => Fallback::Unavailable,
            StoreError::Constraint { .. } | StoreError::Overtaken { .. } => return Err(error.into()),
        };
        tracing::debug!(%error, "the tables answer for the leaderboard");
        metrics::fell_back(why);
        Ok(tables.await?)
    }

    fn keep(&self, battle_id: BattleId, top: &Arc<Top>) {
        let mut kept = self.kept.lock();
        if kept.len() >= self.kept_max && !kept.contains_key(&battle_id) {
            kept.clear();
        }
        kept.insert(battle_id, Arc::clone(top));
    }
}

/// Lines as the API writes them.
pub(crate) fn entries(entries: &[BoardEntry]) -> Vec<v1::LeaderboardEntry> {
    let entry = |entry: &BoardEntry| v1::LeaderboardEntry {
        rank: entry.rank,
        participant_id: entry.participant_id.to_string(),
        username: entry.username.to_string(),
        points: entry.points,
    };
    entries.iter().map(entry).collect()
}

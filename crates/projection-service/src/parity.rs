//! Boards after the tables were built anew: compared with them line by line, and let go where they are wrong. Boards that were let go
//! are made anew from the log by whoever projects.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, Phase};
use nimaora_read_models::rebuild::{Comparison, DIFFERENCES_NAMED_MAX, Difference};
use nimaora_read_models::{Board, BoardEntry, Leaderboard, Position, ReadModels, StoreError, TableRows};
use tokio::time::{sleep, timeout};

/// What the boards are called among the tables that are compared.
const LEADERBOARD: &str = "leaderboard";
/// The battles whose boards the leaderboard has to have.
const OPEN: [Phase; 2] = [Phase::Running, Phase::Created];
/// Battles that are asked for at once.
const PAGE_BATTLES: u32 = 100;
/// More lines than any board has.
const LINES_MAX: u32 = 1_000_000;
/// How often a battle that moves on meanwhile is read again. Then its board is let go like one that differs.
const TRIES_MAX: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The boards, and the tables in use.
#[derive(Clone)]
pub struct BoardsBeside {
    /// The boards.
    pub leaderboard: Arc<dyn Leaderboard>,
    /// What they must be equal to.
    pub tables: Arc<dyn ReadModels>,
}

/// What comparing boards came to.
struct Found {
    rows: TableRows,
    differing: u64,
    differences: Vec<Difference>,
    /// The battles whose boards are wrong, or could not be compared.
    wrong: Vec<BattleId>,
}

/// What there is to compare of a battle.
enum Beside {
    /// Board and rows as of the same position.
    Both(Board, Board),
    /// The board is lost already.
    Lost,
    /// It moves on all the time.
    Moving,
}

/// How far letting all boards go came, so that what was done is not done again.
#[derive(Debug, Default)]
pub(crate) struct LettingGo {
    /// The boards of all battles from this position on are gone.
    before: Option<Position>,
    /// No board is left that was there when it began.
    is_over: bool,
}

impl BoardsBeside {
    /// After an exchange: boards that were of other tables are all let go; else those that differ, which are added to the comparison. Each
    /// call of a store must come within the limit.
    ///
    /// # Errors
    /// The leaderboard or the tables cannot be used. It stays noted in the tables that this is to be done.
    pub(crate) async fn follow(
        &self,
        comparison: &mut Comparison,
        exchanged: Position,
        limit: Duration,
    ) -> Result<(), StoreError> {
        match comparison.differing > 0 {
            true => self.let_go(exchanged, &mut LettingGo::default(), limit).await,
            false => {
                self.name_those_that_differ(comparison, limit).await?;
                within(limit, self.tables.boards_compared(exchanged)).await
            }
        }
    }

    /// Lets all boards go that were not let go so far, whatever the tables were before, and takes the note back.
    ///
    /// # Errors
    /// The leaderboard or the tables cannot be used.
    pub(crate) async fn let_go(
        &self,
        exchanged: Position,
        so_far: &mut LettingGo,
        limit: Duration,
    ) -> Result<(), StoreError> {
        if !so_far.is_over && so_far.before.is_none() {
            tracing::warn!("the tables may be others now; all boards are made anew");
        }
        while !so_far.is_over {
            let (battles, next) = self.battles(None, so_far.before, limit).await?;
            within(limit, self.leaderboard.forget(&battles)).await?;
            (so_far.before, so_far.is_over) = (next, next.is_none());
        }
        within(limit, self.tables.boards_compared(exchanged)).await
    }

    async fn name_those_that_differ(
        &self,
        comparison: &mut Comparison,
        limit: Duration,
    ) -> Result<(), StoreError> {
        let found = self.compare(limit).await?;
        if !found.wrong.is_empty() {
            let boards = found.wrong.len();
            tracing::warn!(
                boards,
                "boards that differ from the tables, or moved on all the time, are made anew"
            );
            within(limit, self.leaderboard.forget(&found.wrong)).await?;
        }
        comparison.rows.push(found.rows);
        comparison.differing += found.differing;
        comparison.differences.extend(found.differences);
        comparison.differences.truncate(DIFFERENCES_NAMED_MAX);
        Ok(())
    }

    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
        limit: Duration,
    ) -> Result<(Vec<BattleId>, Option<Position>), StoreError> {
        let page = within(limit, self.tables.battles(phase, before, PAGE_BATTLES)).await?;
        Ok((page.battles.iter().map(|view| view.battle.id).collect(), page.next))
    }

    async fn compare(&self, limit: Duration) -> Result<Found, StoreError> {
        let rows = TableRows { table: LEADERBOARD, in_use: 0, next: 0 };
        let mut found = Found { rows, differing: 0, differences: Vec::new(), wrong: Vec::new() };
        for phase in OPEN {
            let mut before = None;
            loop {
                let (battles, next) = self.battles(Some(phase), before, limit).await?;
                for battle_id in battles {
                    match self.both(battle_id, limit).await? {
                        Beside::Both(board, rows) => found.add(battle_id, &board, &rows),
                        Beside::Lost => {}
                        Beside::Moving => found.wrong.push(battle_id),
                    }
                }
                match next {
                    Some(_) => before = next,
                    None => break,
                }
            }
        }
        Ok(found)
    }

    async fn both(&self, battle_id: BattleId, limit: Duration) -> Result<Beside, StoreError> {
        for _ in 0..TRIES_MAX {
            let board = match within(limit, self.leaderboard.top(battle_id, LINES_MAX)).await {
                Err(StoreError::NotHeld(_)) => return Ok(Beside::Lost),
                board => board?,
            };
            let rows = within(limit, self.tables.top(battle_id, LINES_MAX)).await?;
            if board.as_of == rows.as_of {
                return Ok(Beside::Both(board, rows));
            }
            sleep(PAUSE).await;
        }
        Ok(Beside::Moving)
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, call).await.unwrap_or_else(|_| {
        let reason = format!("it did not answer within {} ms", limit.as_millis());
        Err(StoreError::Unavailable { reason })
    })
}

impl Found {
    fn add(&mut self, battle_id: BattleId, board: &Board, rows: &Board) {
        self.rows.in_use += board.entries.len() as u64;
        self.rows.next += rows.entries.len() as u64;
        if board.entries == rows.entries {
            return;
        }
        self.wrong.push(battle_id);
        let mut left: HashMap<_, &BoardEntry> =
            rows.entries.iter().map(|entry| (entry.participant_id, entry)).collect();
        for entry in &board.entries {
            let row = left.remove(&entry.participant_id);
            if row != Some(entry) {
                self.name(entry, Some(entry), row);
            }
        }
        for row in left.into_values() {
            self.name(row, None, Some(row));
        }
    }

    fn name(&mut self, of: &BoardEntry, on_board: Option<&BoardEntry>, in_tables: Option<&BoardEntry>) {
        self.differing += 1;
        if self.differences.len() >= DIFFERENCES_NAMED_MAX {
            return;
        }
        let column = on_board.zip(in_tables).map(|(board, row)| first_difference(board, row));
        let said = |entry: &BoardEntry| match column {
            Some("points") => entry.points.to_string(),
            Some("reached_revision") => entry.reached_revision.to_string(),
            Some("username") => entry.username.to_string(),
            _ => format!("rank {}", entry.rank),
        };
        let (in_use, next) = (on_board.map(said), in_tables.map(said));
        let key = of.participant_id.to_string();
        self.differences.push(Difference { table: LEADERBOARD, key, column, in_use, next });
    }
}

fn first_difference(board: &BoardEntry, row: &BoardEntry) -> &'static str {
    if board.points != row.points {
        "points"
    } else if board.reached_revision != row.reached_revision {
        "reached_revision"
    } else if board.username != row.username {
        "username"
    } else {
        "rank"
    }
}

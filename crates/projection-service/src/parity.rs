//! Boards after the tables were built anew: compared with them line by line, and let go where they are wrong. Boards that were let go
//! are made anew from the log by whoever projects.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, Phase};
use nimaora_read_models::rebuild::{Comparison, DIFFERENCES_NAMED_MAX, Difference};
use nimaora_read_models::{Board, BoardEntry, Leaderboard, Position, ReadModels, StoreError, TableRows};
use tokio::time::sleep;

/// What the boards are called among the tables that are compared.
const LEADERBOARD: &str = "leaderboard";
/// The battles whose boards the leaderboard has to have.
const OPEN: [Phase; 2] = [Phase::Running, Phase::Created];
/// Battles that are asked for at once.
const PAGE_BATTLES: u32 = 100;
/// More lines than any board has.
const LINES_MAX: u32 = 1_000_000;
/// How often a battle that moves on meanwhile is read again. Then it is not compared.
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
    /// The battles whose boards are wrong.
    wrong: Vec<BattleId>,
}

impl BoardsBeside {
    /// After an exchange: boards that were of other tables are all let go; else those that differ, which are added to the comparison.
    ///
    /// # Errors
    /// The leaderboard or the tables cannot be used. It stays noted in the tables that this is to be done.
    pub(crate) async fn follow(
        &self,
        comparison: &mut Comparison,
        exchanged: Position,
    ) -> Result<(), StoreError> {
        match comparison.differing > 0 {
            true => self.let_go(exchanged).await,
            false => {
                self.name_those_that_differ(comparison).await?;
                self.tables.boards_compared(exchanged).await
            }
        }
    }

    /// Lets all boards go, whatever the tables were before, and takes the note back.
    ///
    /// # Errors
    /// The leaderboard or the tables cannot be used.
    pub(crate) async fn let_go(&self, exchanged: Position) -> Result<(), StoreError> {
        tracing::warn!("the tables may be others now; all boards are made anew");
        self.forget_all().await?;
        self.tables.boards_compared(exchanged).await
    }

    async fn name_those_that_differ(&self, comparison: &mut Comparison) -> Result<(), StoreError> {
        let found = self.compare().await?;
        if !found.wrong.is_empty() {
            tracing::warn!(boards = found.wrong.len(), "boards differ from the tables and are made anew");
            self.leaderboard.forget(&found.wrong).await?;
        }
        comparison.rows.push(found.rows);
        comparison.differing += found.differing;
        comparison.differences.extend(found.differences);
        comparison.differences.truncate(DIFFERENCES_NAMED_MAX);
        Ok(())
    }

    async fn forget_all(&self) -> Result<(), StoreError> {
        let mut before = None;
        loop {
            let (battles, next) = self.battles(None, before).await?;
            self.leaderboard.forget(&battles).await?;
            match next {
                Some(_) => before = next,
                None => return Ok(()),
            }
        }
    }

    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
    ) -> Result<(Vec<BattleId>, Option<Position>), StoreError> {
        let page = self.tables.battles(phase, before, PAGE_BATTLES).await?;
        Ok((page.battles.iter().map(|view| view.battle.id).collect(), page.next))
    }

    async fn compare(&self) -> Result<Found, StoreError> {
        let rows = TableRows { table: LEADERBOARD, in_use: 0, next: 0 };
        let mut found = Found { rows, differing: 0, differences: Vec::new(), wrong: Vec::new() };
        for phase in OPEN {
            let mut before = None;
            loop {
                let (battles, next) = self.battles(Some(phase), before).await?;
                for battle_id in battles {
                    if let Some((board, rows)) = self.both(battle_id).await? {
                        found.add(battle_id, &board, &rows);
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

    /// Board and rows of a battle as of the same position; `None` where the board is lost already, or moves on all the time.
    async fn both(&self, battle_id: BattleId) -> Result<Option<(Board, Board)>, StoreError> {
        for _ in 0..TRIES_MAX {
            let board = match self.leaderboard.top(battle_id, LINES_MAX).await {
                Err(StoreError::NotHeld(_)) => return Ok(None),
                board => board?,
            };
            let rows = self.tables.top(battle_id, LINES_MAX).await?;
            if board.as_of == rows.as_of {
                return Ok(Some((board, rows)));
            }
            sleep(PAUSE).await;
        }
        Ok(None)
    }
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

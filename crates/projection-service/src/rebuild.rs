//! Builds the tables anew beside those in use, compares both, and puts the new ones in their place; then compares the boards with them.
//! It publishes nothing and writes no board.

use std::sync::Arc;
use std::time::Duration;

use nimaora_event_log::ReadError;
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::rebuild::{Comparison, HeldTables, NextTables, Rebuildable};
use nimaora_read_models::{Checkpoints, Position, StoreError};
use nimaora_runtime::{Health, Shutdown};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::Config;
use crate::fold::Marks;
use crate::parity::BoardsBeside;
use crate::reading::Reading;
use crate::source::Decoded;
use crate::status::Status;
use crate::stores::{End, Stores};
use crate::writing::{Delivery, Downstream, TableWriter};

/// The version of what this program makes of the log. It is raised when the same events come to other rows.
pub const PROJECTION_VERSION: u32 = 1;

/// The version of tables that say none: they are of a time when there was only one.
const FIRST_VERSION: u32 = 1;

/// Which version of the projection the tables are of.
pub fn version_of(tables: &Checkpoints) -> u32 {
    tables.version.unwrap_or(FIRST_VERSION)
}

/// How many events may be left when writing to the tables in use is held up for them; a fraction of a second.
const HELD_EVENTS_MAX: u64 = 5_000;
/// How often it is tried to come so near before it is given up: the log grows faster than it can be read.
const APPROACHES_MAX: usize = 1_000;
/// How often the tables are exchanged before that is given up, and the pause in between: queries that take long hold it up.
const EXCHANGES_MAX: usize = 10;
const EXCHANGE_PAUSE: Duration = Duration::from_millis(500);

/// How far a rebuild is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub stage: Stage,
    /// The next tables hold the log up to here.
    pub position: Position,
    /// The tables in use hold the log up to here, as far as is known.
    pub in_use: Position,
    /// How many events were read.
    pub events: u64,
}

/// What a rebuild does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Reads the log and writes the next tables.
    #[default]
    Building,
    /// Compares them with the tables in use.
    Comparing,
    /// Puts them in their place.
    Exchanging,
}

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// What the comparison found.
    pub comparison: Comparison,
    /// Where the tables were when they were exchanged; `None` when they differ and were left as they are.
    pub exchanged_at: Option<Position>,
}

/// Why a rebuild ended without a result. The tables in use are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The server stops.
    #[error("the server stops; begin again on another one")]
    Stopping,
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The tables could not be used.
    #[error(transparent)]
    Tables(#[from] StoreError),
    /// It cannot come to an end.
    #[error("the rebuild was given up: {reason}")]
    GivenUp {
        /// Why.
        reason: String,
    },
}

impl From<End> for RebuildError {
    fn from(end: End) -> Self {
        match end {
            End::Stopping => Self::Stopping,
            End::Overtaken(_) => Self::GivenUp { reason: "another rebuild has begun".to_owned() },
            End::Failed(reason) => Self::GivenUp { reason },
        }
    }
}

/// A rebuild of the tables.
pub struct Rebuild {
    /// The only source.
    pub log: SharedLog,
    /// The tables in use.
    pub tables: Arc<dyn Rebuildable>,
    /// The boards that go with them.
    pub boards: BoardsBeside,
    /// The settings of the projection.
    pub config: Config,
    /// Ends it.
    pub shutdown: Shutdown,
    /// Where it tells how far it is.
    pub progress: watch::Sender<Progress>,
}

impl Rebuild {
    /// Builds, compares, and exchanges the tables where they are the same, or in any case with `accept_differences`. Dropping it leaves the
    /// tables in use as they are; what was built is removed when the next rebuild begins.
    ///
    /// # Errors
    /// [`RebuildError`].
    pub async fn run(self, accept_differences: bool) -> Result<Rebuilt, RebuildError> {
        let next = self.tables.begin_next().await?;
        let rebuilt = Builder::new(&self, &*next).run(accept_differences).await;
        // What is left is removed when the next rebuild begins.
        if let Err(error) = next.discard().await {
            tracing::warn!(%error, "the tables of a rebuild could not be removed");
        }
        rebuilt
    }
}

/// Tables only.
struct Nothing;

impl Downstream for Nothing {
    async fn take(&mut self, _: Delivery, _: &mut Marks) -> Result<(), End> {
        Ok(())
    }
}

struct Builder<'a> {
    rebuild: &'a Rebuild,
    next: &'a dyn NextTables,
    writer: TableWriter,
}

impl<'a> Builder<'a> {
    fn new(rebuild: &'a Rebuild, next: &'a dyn NextTables) -> Self {
        let Rebuild { config, shutdown, .. } = rebuild;
        // That these tables cannot be written makes no process unready.
        let stores = Stores::new(config, shutdown.clone(), Health::default());
        let status = watch::Sender::new(Status::default());
        let mut writer = TableWriter::new(next.tables(), config.clone(), stores, status);
        writer.marks = Marks { tables: 0, boards: Position::MAX, changes: Position::MAX };
        writer.piece_events_max = Some(usize::MAX);
        Self { rebuild, next, writer }
    }

    async fn run(mut self, accept_differences: bool) -> Result<Rebuilt, RebuildError> {
        self.next.tables().save_version(PROJECTION_VERSION).await?;
        let mut rebuilt = self.compare_and_exchange(accept_differences).await?;
        let limit = self.rebuild.config.store_timeout;
        if let Some(at) = rebuilt.exchanged_at
            && let Err(error) = self.rebuild.boards.follow(&mut rebuilt.comparison, at, limit).await
        {
            // It stands in the tables that this is to be done.
            tracing::warn!(%error, "the boards could not be compared with the tables now; the projection does it later");
        }
        Ok(rebuilt)
    }

    async fn compare_and_exchange(&mut self, accept_differences: bool) -> Result<Rebuilt, RebuildError> {
        let held = self.meet().await?;
        self.tell(Stage::Comparing, held.position());
        let comparison = held.compare().await?;
        if comparison.differing > 0 && !accept_differences {
            return Ok(Rebuilt { comparison, exchanged_at: None });
        }
        for _ in 1..EXCHANGES_MAX {
            match self.exchange().await {
                Err(RebuildError::Tables(StoreError::Unavailable { reason })) => {
                    tracing::info!(reason, "the tables cannot be exchanged now; trying again");
                    sleep(EXCHANGE_PAUSE).await;
                }
                other => return other.map(|at| Rebuilt { comparison, exchanged_at: Some(at) }),
            }
        }
        let at = self.exchange().await?;
        Ok(Rebuilt { comparison, exchanged_at: Some(at) })
    }

    async fn exchange(&mut self) -> Result<Position, RebuildError> {
        let held = self.meet().await?;
        let at = held.position();
        self.tell(Stage::Exchanging, at);
        held.replace().await?;
        Ok(at)
    }

    /// Comes so near to the tables in use that nobody notices when they are held, and then to the very same position.
    async fn meet(&mut self) -> Result<Box<dyn HeldTables>, RebuildError> {
        for _ in 0..APPROACHES_MAX {
            let target = self.rebuild.boards.tables.checkpoints().await?.tables;
            if !self.is_near(target) {
                self.build_up_to(target).await?;
                continue;
            }
            let held = self.next.hold().await?;
            let target = held.position();
            if self.is_near(target) {
                self.build_up_to(target).await?;
                return Ok(held);
            }
        }
        Err(RebuildError::GivenUp { reason: "the log grows faster than it can be read".to_owned() })
    }

    fn is_near(&self, target: Position) -> bool {
        target.saturating_sub(self.writer.marks.tables) <= HELD_EVENTS_MAX
    }

    /// Writes what is in the log up to this position. What comes next is read meanwhile.
    async fn build_up_to(&mut self, target: Position) -> Result<(), RebuildError> {
        self.tell(Stage::Building, target);
        let from = self.writer.marks.tables + 1;
        if from > target {
            return Ok(());
        }
        let Rebuild { log, config, .. } = self.rebuild;
        let mut reading = Reading::begin(log, from, target, config.store_timeout);
        while let Some(batch) = reading.next().await? {
            self.write(&batch.events, batch.upto, target).await?;
        }
        Ok(())
    }

    async fn write(
        &mut self,
        events: &[Decoded],
        checkpoint: Position,
        target: Position,
    ) -> Result<(), RebuildError> {
        self.writer.names.make_room();
        self.writer.write_in_pieces(events, checkpoint, &mut Nothing).await?;
        self.rebuild.progress.send_modify(|progress| progress.events += events.len() as u64);
        self.tell(Stage::Building, target);
        Ok(())
    }

    fn tell(&self, stage: Stage, in_use: Position) {
        let position = self.writer.marks.tables;
        self.rebuild.progress.send_modify(|progress| {
            *progress = Progress { stage, position, in_use, events: progress.events };
        });
    }
}

//! The port for building tables anew beside those in use, and putting them in their place.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Position;
use crate::error::StoreError;
use crate::tables::ReadModels;

/// How many differences a comparison names; the others are counted.
pub const DIFFERENCES_NAMED_MAX: usize = 20;

/// Tables that can be built anew.
#[async_trait]
pub trait Rebuildable: Send + Sync + 'static {
    /// Makes empty tables beside those in use. What an earlier attempt left is removed; whoever still writes there is told with the next
    /// batch that it was overtaken.
    async fn begin_next(&self) -> Result<Arc<dyn NextTables>, StoreError>;
}

/// Tables that are built beside those in use.
///
/// - **Apart**: nothing that is written to them shows in the tables in use before [`HeldTables::replace`].
/// - **At once**: from one moment on, every query sees the new tables, with their checkpoint. No query sees some of both.
#[async_trait]
pub trait NextTables: Send + Sync + 'static {
    /// To write them.
    fn tables(&self) -> Arc<dyn ReadModels>;

    /// Makes the next tables fit for queries, which may take long when much was written to them since they were begun, and holds up
    /// nobody. Then keeps everybody from writing to the tables in use until the answer is used or dropped, at most for some seconds.
    async fn hold(&self) -> Result<Box<dyn HeldTables>, StoreError>;

    /// Removes them.
    async fn discard(&self) -> Result<(), StoreError>;
}

/// Tables in use to which nobody writes for now.
#[async_trait]
pub trait HeldTables: Send {
    /// Up to where they hold the log.
    fn position(&self) -> Position;

    /// Compares them, as they are now, with the next tables as they are now. Writing goes on as soon as what is compared is certain.
    async fn compare(self: Box<Self>) -> Result<Comparison, StoreError>;

    /// Puts the next tables in their place. What was discarded of the parked events stays discarded, and what was published stays
    /// published. That the boards are still to be compared is noted in the same step, as [`crate::Checkpoints::exchanged`].
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] when both do not hold the log up to the same position. Then, and after any other error, the tables in use
    /// are as they were.
    async fn replace(self: Box<Self>) -> Result<(), StoreError>;
}

/// What a comparison of two sets of tables came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Each table with the number of its rows, in use and next.
    pub rows: Vec<TableRows>,
    /// How many rows differ or are in one of the two only.
    pub differing: u64,
    /// The first of them, at most [`DIFFERENCES_NAMED_MAX`].
    pub differences: Vec<Difference>,
}

/// How many rows a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// The table's name.
    pub table: &'static str,
    /// In the tables in use.
    pub in_use: u64,
    /// In the next tables.
    pub next: u64,
}

/// A row that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table's name.
    pub table: &'static str,
    /// What names the row: an id, or a position in the log.
    pub key: String,
    /// The first column that differs; `None` when the whole row is in one of the two only.
    pub column: Option<&'static str>,
    /// What the tables in use say; `None` for nothing.
    pub in_use: Option<String>,
    /// What the next tables say; `None` for nothing.
    pub next: Option<String>,
}

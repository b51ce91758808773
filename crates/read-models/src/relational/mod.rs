//! What the adapters on SQL databases share: the integer keys of rows, the words that stand in columns, and what rows say.

pub(crate) mod comparing;
pub(crate) mod decode;
pub(crate) mod keys;
pub(crate) mod words;

use crate::Position;
use crate::error::StoreError;

/// The name of the checkpoint up to which the tables hold the log.
pub(crate) const TABLES: &str = "tables";
/// The name of the checkpoint up to which changes have been published.
pub(crate) const CHANGES: &str = "changes";
/// What stands beside the checkpoints for the version of the projection that makes the tables.
pub(crate) const VERSION: &str = "version";
/// What stands beside the checkpoints after an exchange, until the boards are compared with the tables: where that was.
pub(crate) const BOARDS: &str = "boards";

/// A stored value that does not fit its column.
pub(crate) fn misfit(what: &str, value: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { reason: format!("'{value}' is no {what}") }
}

/// The databases' integers are signed; no log has so many events that it matters.
pub(crate) fn as_i64(position: Position) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// Each of a statement's rows must have found its place.
pub(crate) fn all_found(sql: &str, written: u64, rows: usize) -> Result<(), StoreError> {
    if written == rows as u64 {
        return Ok(());
    }
    let statement = sql.lines().find(|line| !line.starts_with("--")).unwrap_or(sql);
    let reason = format!("'{statement}' found {written} of {rows} rows");
    Err(StoreError::Constraint { reason })
}

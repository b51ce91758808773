//! Whether the tables can be believed when they say that somebody is not there, or which session is the newest.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::StoreError;
use crate::tables::{Checkpoints, ReadModels};

/// Remembers that the tables hold all that was in the log when they were begun.
///
/// Tables that are built anew from an old log are of the past until then: a battle is missing, a session that was replaced
/// is still the newest, and nobody is told when that changes. Each reader has one of these, in whatever process it is.
#[derive(Debug, Default)]
pub struct Wholeness {
    known: AtomicBool,
}

impl Wholeness {
    /// Whether it was seen before that the tables are whole, and so are all that is read from now on.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Asks the tables unless the answer is known. What is read after this was read from whole tables.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the tables are built anew, and whatever they answer instead of their checkpoints.
    pub async fn require(&self, tables: &dyn ReadModels) -> Result<(), StoreError> {
        if self.is_known() {
            return Ok(());
        }
        self.judge(&tables.checkpoints().await?)
    }

    /// The same, from checkpoints that were read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the tables are built anew.
    pub fn judge(&self, found: &Checkpoints) -> Result<(), StoreError> {
        if !found.are_whole() {
            let (tables, changes) = (found.tables, found.changes);
            let reason = format!("the tables are being built anew, up to position {tables} of {changes}");
            return Err(StoreError::Unavailable { reason });
        }
        self.known.store(true, Ordering::Release);
        Ok(())
    }
}

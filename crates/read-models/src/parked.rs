//! All events that are parked, page by page.

use crate::Position;
use crate::error::StoreError;
use crate::rows::ParkedEvent;
use crate::tables::ReadModels;

/// How many parked events are read at once.
const PAGE_EVENTS: u32 = 1_000;

/// The parked events of some tables, oldest first.
pub struct ParkedPages<'a> {
    tables: &'a dyn ReadModels,
    after: Position,
}

impl<'a> ParkedPages<'a> {
    /// From the oldest one on.
    pub fn of(tables: &'a dyn ReadModels) -> Self {
        Self { tables, after: 0 }
    }

    /// The next some of them; `None` when there are no more.
    ///
    /// # Errors
    /// What the tables say.
    pub async fn next(&mut self) -> Result<Option<Vec<ParkedEvent>>, StoreError> {
        let page = self.tables.parked(self.after, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = last.position;
        Ok(Some(page))
    }
}

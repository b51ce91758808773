//! How values are stored in the file.

use nimaora_domain::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use super::fault::store_error;
use crate::error::StoreError;
use crate::relational::decode::StoredRow;
use crate::relational::misfit;

/// A column of a row, as SQLite gives it.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(store_error)
}

impl StoredRow for SqliteRow {
    fn text(&self, name: &str) -> Result<&str, StoreError> {
        column(self, name)
    }

    fn text_or_none(&self, name: &str) -> Result<Option<&str>, StoreError> {
        column(self, name)
    }

    fn flag(&self, name: &str) -> Result<bool, StoreError> {
        column(self, name)
    }

    fn integer(&self, name: &str) -> Result<Option<i64>, StoreError> {
        column(self, name)
    }

    fn uuid(&self, name: &str) -> Result<Uuid, StoreError> {
        self.uuid_of_text(name)
    }

    fn time_or_none(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let text: Option<&str> = column(self, name)?;
        text.map(|text| text.parse().map_err(|_| misfit("time", text))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        serde_json::from_str(self.text(name)?).map_err(|error| misfit(name, error))
    }
}

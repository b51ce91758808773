//! How values are stored in PostgreSQL.

use nimaora_domain::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use uuid::Uuid;

use super::fault::store_error;
use super::values::{Json, Time, Whole};
use crate::error::StoreError;
use crate::relational::decode::StoredRow;
use crate::relational::misfit;

/// A column of a row, as PostgreSQL gives it.
pub(super) fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(name).map_err(store_error)
}

impl StoredRow for PgRow {
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
        let value: Option<Whole> = column(self, name)?;
        Ok(value.map(|Whole(value)| value))
    }

    fn uuid(&self, name: &str) -> Result<Uuid, StoreError> {
        column(self, name)
    }

    fn time_or_none(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let time: Option<Time> = column(self, name)?;
        Ok(time.map(|Time(time)| time))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let Json(text) = column(self, name)?;
        serde_json::from_str(&text).map_err(|error| misfit(name, error))
    }
}

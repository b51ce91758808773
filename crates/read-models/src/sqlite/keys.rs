//! Where the writer finds the keys of rows in the file.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::decode::column;
use super::fault::store_error;
use crate::error::StoreError;
use crate::relational::keys::{KeySource, Last};
use crate::relational::misfit;

/// The keys in the file, as the transaction sees them.
pub(super) struct KeyRows<'c>(pub(super) &'c mut SqliteConnection);

#[async_trait]
impl KeySource for KeyRows<'_> {
    async fn last_keys(&mut self) -> Result<Last, StoreError> {
        let row = sqlx::query(include_str!("sql/last_keys.sql")).fetch_one(&mut *self.0).await;
        let row = row.map_err(store_error)?;
        Ok(Last { battle: column(&row, "battle")?, participant: column(&row, "participant")? })
    }

    async fn battle_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        look_up(self.0, include_str!("sql/battle_keys.sql"), &ids).await
    }

    async fn participant_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        look_up(self.0, include_str!("sql/participant_keys.sql"), &ids).await
    }
}

async fn look_up(
    connection: &mut SqliteConnection,
    sql: &'static str,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = sqlx::query(sql).bind(super::write::json(ids)?).fetch_all(connection).await;
    let mut found = Vec::with_capacity(ids.len());
    for row in rows.map_err(store_error)? {
        let uuid: &str = row.try_get(0).map_err(store_error)?;
        let id = Uuid::parse_str(uuid).map_err(|_| misfit("UUID", uuid))?;
        found.push((id, row.try_get(1).map_err(store_error)?));
    }
    Ok(found)
}

//! Where the writer finds the keys of rows in the tables.

use async_trait::async_trait;
use uuid::Uuid;

use super::session::Session;
use crate::error::StoreError;
use crate::relational::decode::StoredRow;
use crate::relational::keys::{KeySource, Last};

/// The keys in the tables, as the transaction sees them.
pub(super) struct KeyRows<'s>(pub(super) &'s mut Session);

#[async_trait]
impl KeySource for KeyRows<'_> {
    async fn last_keys(&mut self) -> Result<Last, StoreError> {
        let row = self.0.row(sqlx::query(include_str!("sql/last_keys.sql"))).await?;
        let row = row.ok_or_else(|| StoreError::Damaged { reason: "no keys were answered".to_owned() })?;
        Ok(Last { battle: row.number("battle")?, participant: row.number("participant")? })
    }

    async fn battle_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        look_up(self.0, include_str!("sql/battle_keys.sql"), ids).await
    }

    async fn participant_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError> {
        look_up(self.0, include_str!("sql/participant_keys.sql"), ids).await
    }
}

async fn look_up(
    session: &mut Session,
    sql: &'static str,
    ids: Vec<Uuid>,
) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let rows = session.rows(sqlx::query(sql).bind(ids)).await?;
    rows.iter().map(|row| Ok((row.uuid("uuid")?, row.number("id")?))).collect()
}

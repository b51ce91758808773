//! Indexes that tables which are built anew get when most of their rows are there: to make them of all rows at once is many times cheaper.

use super::rebuild::{BESIDE_TIMEOUT, run};
use super::session::Connections;
use super::{Locked, lock_tables};
use crate::error::StoreError;
use crate::relational::decode::StoredRow;

/// What was left out of some tables.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// Which tables these are.
    tables_id: i64,
    /// The statements that make it.
    put_in: Vec<String>,
}

impl LeftOut {
    /// Removes from new tables what they can do without for now. What refuses rows that must not be there stays.
    pub(super) async fn take_out(writer: &Connections) -> Result<Self, StoreError> {
        let mut session = writer.begin().await?;
        let Locked { tables_id, .. } = lock_tables(&mut session).await?;
        let mut put_in = Vec::new();
        for row in session.rows(sqlx::query(include_str!("sql/left_out.sql"))).await? {
            run(&mut session, row.text("take_out")?).await?;
            put_in.push(row.text("put_in")?.to_owned());
        }
        session.commit().await?;
        Ok(Self { tables_id, put_in })
    }

    /// Makes what is still left out.
    pub(super) async fn put_in(&mut self, writer: &Connections) -> Result<(), StoreError> {
        if self.put_in.is_empty() {
            return Ok(());
        }
        let mut session = writer.begin().await?;
        if lock_tables(&mut session).await?.tables_id != self.tables_id {
            let reason = "another rebuild has begun, and these are its tables".to_owned();
            return Err(StoreError::Constraint { reason });
        }
        run(&mut session, &format!("SET LOCAL statement_timeout = {}", BESIDE_TIMEOUT.as_millis())).await?;
        for statement in &self.put_in {
            run(&mut session, statement).await?;
        }
        session.commit().await?;
        self.put_in.clear();
        Ok(())
    }
}

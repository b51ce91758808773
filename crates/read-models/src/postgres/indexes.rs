//! Indexes that tables which are built anew get when most of their rows are there: to make them of all rows at once is many times cheaper.

use std::collections::VecDeque;

use super::rebuild::{BESIDE_TIMEOUT, run};
use super::session::{Connections, within};
use super::{Locked, lock_tables};
use crate::error::StoreError;
use crate::relational::decode::StoredRow;

/// What was left out of some tables.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// Which tables these are.
    tables_id: i64,
    /// The statements that make what is still left out.
    put_in: VecDeque<String>,
}

impl LeftOut {
    /// Removes from new tables what they can do without for now. What refuses rows that must not be there stays.
    pub(super) async fn take_out(writer: &Connections) -> Result<Self, StoreError> {
        writer.in_time(Self::out_of(writer)).await
    }

    async fn out_of(writer: &Connections) -> Result<Self, StoreError> {
        let mut session = writer.begin().await?;
        let Locked { tables_id, .. } = lock_tables(&mut session).await?;
        let mut put_in = VecDeque::new();
        for row in session.rows(sqlx::query(include_str!("sql/left_out.sql"))).await? {
            run(&mut session, row.text("take_out")?).await?;
            put_in.push_back(row.text("put_in")?.to_owned());
        }
        session.commit().await?;
        Ok(Self { tables_id, put_in })
    }

    /// Makes what is still left out, each in a transaction of its own, so that one which fails loses no other.
    pub(super) async fn put_in(&mut self, writer: &Connections) -> Result<(), StoreError> {
        while let Some(statement) = self.put_in.front() {
            within(BESIDE_TIMEOUT, self.make(statement, writer)).await?;
            self.put_in.pop_front();
        }
        Ok(())
    }

    async fn make(&self, statement: &str, writer: &Connections) -> Result<(), StoreError> {
        let mut session = writer.begin().await?;
        if lock_tables(&mut session).await?.tables_id != self.tables_id {
            let reason = "another rebuild has begun, and these are its tables".to_owned();
            return Err(StoreError::Constraint { reason });
        }
        run(&mut session, &format!("SET LOCAL statement_timeout = {}", BESIDE_TIMEOUT.as_millis())).await?;
        run(&mut session, statement).await?;
        session.commit().await
    }
}

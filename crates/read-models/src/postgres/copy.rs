//! Many rows at once, as PostgreSQL's binary `COPY` has them, <https://www.postgresql.org/docs/current/sql-copy.html>.

use nimaora_domain::Timestamp;
use sqlx::postgres::{PgConnection, PgCopyIn};
use uuid::Uuid;

use super::fault::store_error;
use super::values::micros;
use crate::error::StoreError;

/// From so many rows on they are copied, as in a rebuild. Fewer go in as arrays: a live batch of some thousands is written sooner so, by half
/// where 20,000 events a second come.
pub(super) const COPIED_ROWS_MIN: usize = 16_384;
/// Bytes that are sent at once, with the rest of the row that reaches it.
const CHUNK_BYTES: usize = 128 * 1_024;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;
const NULL: i32 = -1;

/// A row on its way. Its values must be of the columns' types, in their order.
pub(super) struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    pub(super) fn bigint(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    /// What the column cannot hold is sent as it is, and the server refuses it.
    pub(super) fn integer(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(value) => self.bytes(&value.to_be_bytes()),
            Err(_) => self.bytes(&value.to_be_bytes()),
        }
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.bytes(&[u8::from(value)]);
    }

    pub(super) fn uuid(&mut self, value: Uuid) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn time(&mut self, value: Timestamp) {
        self.bytes(&micros(value).to_be_bytes());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn text_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.0.extend_from_slice(&NULL.to_be_bytes()),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }
}

/// Rows on their way. Dropped before its end it leaves a broken transaction, and with that nothing.
pub(super) struct Copying<'c> {
    out: PgCopyIn<&'c mut PgConnection>,
    /// What was not sent yet.
    bytes: Vec<u8>,
    columns: i16,
}

impl<'c> Copying<'c> {
    /// Begins to copy to where the statement says rows of so many columns.
    pub(super) async fn begin(
        connection: &'c mut PgConnection,
        statement: &str,
        columns: i16,
    ) -> Result<Self, StoreError> {
        let out = connection.copy_in_raw(statement).await.map_err(store_error)?;
        Ok(Self { out, bytes: HEADER.to_vec(), columns })
    }

    /// The next row.
    pub(super) fn row(&mut self) -> Fields<'_> {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        Fields(&mut self.bytes)
    }

    /// Sends the rows that are here when they are enough. Call it after each.
    pub(super) async fn make_room(&mut self) -> Result<(), StoreError> {
        match self.bytes.len() >= CHUNK_BYTES {
            true => self.send().await,
            false => Ok(()),
        }
    }

    /// Sends the rest. Answers how many rows the server took.
    pub(super) async fn finish(mut self) -> Result<u64, StoreError> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        self.send().await?;
        self.out.finish().await.map_err(store_error)
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        self.out.send(&*self.bytes).await.map_err(store_error)?;
        self.bytes.clear();
        Ok(())
    }
}

//! Many rows at once, as PostgreSQL's binary `COPY` has them, <https://www.postgresql.org/docs/current/sql-copy.html>.

use nimaora_domain::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::fault::store_error;
use super::values::micros;
use crate::error::StoreError;

/// From so many rows on they are copied, as in a rebuild. Fewer go in as arrays: a live batch of some thousands is written sooner so, by half
/// where 20,000 events a second come.
pub(super) const COPIED_ROWS_MIN: usize = 16_384;
/// Bytes that are sent at once.
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

/// Rows as they are sent.
pub(super) struct Copied {
    bytes: Vec<u8>,
    columns: i16,
}

impl Copied {
    /// No rows yet, each of so many columns.
    pub(super) fn of_columns(columns: i16) -> Self {
        Self { bytes: HEADER.to_vec(), columns }
    }

    /// The next row.
    pub(super) fn row(&mut self) -> Fields<'_> {
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        Fields(&mut self.bytes)
    }

    /// Sends them to where the statement says. Answers how many the server took.
    pub(super) async fn send(
        mut self,
        connection: &mut PgConnection,
        statement: &str,
    ) -> Result<u64, StoreError> {
        self.bytes.extend_from_slice(&END.to_be_bytes());
        let mut out = connection.copy_in_raw(statement).await.map_err(store_error)?;
        for chunk in self.bytes.chunks(CHUNK_BYTES) {
            out.send(chunk).await.map_err(store_error)?;
        }
        out.finish().await.map_err(store_error)
    }
}

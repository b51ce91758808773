//! From what SQLite says to what the port says.

use sqlx::migrate::MigrateError;

use crate::error::StoreError;

// Primary result codes, https://www.sqlite.org/rescode.html.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const INTERRUPT: u32 = 9;
const IOERR: u32 = 10;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const PROTOCOL: u32 = 15;
const CONSTRAINT: u32 = 19;

/// What a failed statement means to the caller.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match &error {
        sqlx::Error::Database(database) => match primary_code(database.code().as_deref()) {
            BUSY | LOCKED | NOMEM | READONLY | INTERRUPT | IOERR | FULL | CANTOPEN | PROTOCOL => {
                StoreError::Unavailable { reason }
            }
            CONSTRAINT => StoreError::Constraint { reason },
            _ => StoreError::Damaged { reason },
        },
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StoreError::Unavailable { reason },
        // A column that is not there or cannot be read: these are not our tables.
        _ => StoreError::Damaged { reason },
    }
}

/// What a failed migration means to the caller.
pub(super) fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => store_error(error),
        other => StoreError::Damaged { reason: format!("the tables are of another version: {other}") },
    }
}

/// The low byte of an extended result code.
fn primary_code(code: Option<&str>) -> u32 {
    code.and_then(|code| code.parse::<u32>().ok()).map_or(0, |code| code & 0xff)
}

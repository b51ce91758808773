//! From what PostgreSQL and PgBouncer say to what the port says.

use crate::error::StoreError;

/// What a failed statement means to the caller.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match &error {
        sqlx::Error::Database(database) => match meaning(&database.code().unwrap_or_default()) {
            Meaning::TryAgain => StoreError::Unavailable { reason },
            Meaning::Refused => StoreError::Constraint { reason },
            Meaning::NotOurs => StoreError::Damaged { reason },
        },
        // A connection that broke, or one on which things came in a wrong order, which amounts to the same.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Configuration(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StoreError::Unavailable { reason },
        sqlx::Error::Encode(_) => StoreError::Constraint { reason },
        // A column that is not there or cannot be read: these are not our tables.
        _ => StoreError::Damaged { reason },
    }
}

/// Whether the connection was broken before the statement could reach the server: it was cut while nobody used it.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(database) => {
            matches!(database.code().as_deref(), Some("57P01" | "57P02" | "57P05" | "25P03"))
        }
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Nothing is wrong with the statement.
    TryAgain,
    /// The same rows will be refused again.
    Refused,
    /// These are not the tables of this version, or they are broken.
    NotOurs,
}

/// What an error code stands for, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn meaning(code: &str) -> Meaning {
    match code {
        // Rights are an operator's to give; nothing is wrong with the tables.
        "42501" => return Meaning::TryAgain,
        // A standby begins no transaction that writes; it may be promoted.
        "0A000" => return Meaning::TryAgain,
        // A lock that was not had in time.
        "55P03" => return Meaning::TryAgain,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // A value that its column cannot hold; a constraint; a row too large for an index.
        "22" | "23" | "54" => Meaning::Refused,
        // The connection (and all that PgBouncer says itself); a transaction that may only read, or that waited too long; a
        // login; a database that is not there yet.
        "08" | "25" | "28" | "3D" => Meaning::TryAgain,
        // Serialization and deadlock; out of connections, memory or disk; an object in use.
        "40" | "53" | "55" => Meaning::TryAgain,
        // Stopped by an operator, a timeout or a shutdown; an error of the system below.
        "57" | "58" => Meaning::TryAgain,
        _ => Meaning::NotOurs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_outages_refusals_and_foreign_tables_apart() {
        let outages = [
            "08P01", "08006", "0A000", "25006", "25P03", "28P01", "3D000", "40001", "40P01", "42501",
            "53100", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "58030",
        ];
        for code in outages {
            assert_eq!(meaning(code), Meaning::TryAgain, "{code}");
        }
        for code in ["22001", "22003", "22021", "23502", "23503", "23505", "23514", "54000"] {
            assert_eq!(meaning(code), Meaning::Refused, "{code}");
        }
        for code in ["42P01", "42703", "XX001", "XX000", "", "?"] {
            assert_eq!(meaning(code), Meaning::NotOurs, "{code}");
        }
    }
}

//! Settings of the tables in PostgreSQL, and their fixed limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// What a URL may say after its `?`.
const PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// The URL is not one of PostgreSQL's, or says something that is not known here. It may hold a password, and is not shown.
#[derive(Debug, thiserror::Error)]
#[error(
    "the tables' URL {reason}; allowed is postgres://USER:PASSWORD@HOST:PORT/DATABASE with the parameters {}",
    PARAMETERS.join(", ")
)]
pub struct PostgresUrlError {
    reason: String,
}

/// Settings of the tables in PostgreSQL.
#[derive(Clone)]
pub struct PostgresConfig {
    /// Where the server is, or the PgBouncer before it.
    pub(super) options: PgConnectOptions,
    /// How many queries are answered at the same time, each on a connection. The next one waits for
    /// [`PostgresConfig::acquire_timeout`]. There is one more connection for writing, in a process that writes.
    pub readers_max: u32,
    /// How long is waited for a connection, which may have to be opened; then the answer is `Unavailable`.
    pub acquire_timeout: Duration,
    /// How long a query may take, all in all; then it is answered `Unavailable`.
    pub read_timeout: Duration,
    /// How long a batch may take, all in all; then it is answered `Unavailable`, and may come again.
    pub write_timeout: Duration,
    /// How long making the tables or bringing them to this version may take; other nodes may be doing the same.
    pub migrate_timeout: Duration,
}

impl PostgresConfig {
    /// The usual settings for a URL.
    ///
    /// # Errors
    /// [`PostgresUrlError`], which does not repeat the URL.
    pub fn new(url: &str) -> Result<Self, PostgresUrlError> {
        Ok(Self {
            options: options(url)?,
            readers_max: 4,
            acquire_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(20),
            migrate_timeout: Duration::from_secs(60),
        })
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("host", &self.options.get_host())
            .field("port", &self.options.get_port())
            .field("readers_max", &self.readers_max)
            .finish_non_exhaustive()
    }
}

fn options(url: &str) -> Result<PgConnectOptions, PostgresUrlError> {
    let refused = |reason: String| PostgresUrlError { reason };
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(refused("does not begin with postgres://".to_owned()));
    }
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) {
            return Err(refused(format!("has the unknown parameter '{name}'")));
        }
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| refused("cannot be read".to_owned()))?;
    Ok(options
        .application_name("nimaora")
        // PgBouncer lets nobody in who asks for it; all values travel in binary anyway.
        .extra_float_digits(None)
        // The next transaction may be on another connection of the server, which knows no statement of this one.
        .statement_cache_capacity(0))
}

/// A connection that nobody used for so long is closed, so that a node without work holds none.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A connection is not used for longer, so that all of them follow a server that moved.
pub(super) const LIFETIME_MAX: Duration = Duration::from_secs(30 * 60);
/// Whoever makes or changes the tables holds this advisory lock until the end of the transaction.
pub(super) const MIGRATIONS_LOCK: i64 = 0x6e69_6d61_6f72_6101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_it_does_not_know_and_shows_no_password() {
        for (url, reason) in [
            ("mysql://me:secret@db/nimaora", "does not begin with postgres://"),
            ("postgres://me:secret@db/nimaora?options=-csearch_path", "unknown parameter 'options'"),
            ("postgres://me:secret@db:port/nimaora", "cannot be read"),
        ] {
            let error = PostgresConfig::new(url).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{error}");
        }
        let config = PostgresConfig::new("postgres://me:secret@db:6432/nimaora?sslmode=require").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}

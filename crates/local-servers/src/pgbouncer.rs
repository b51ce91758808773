//! PgBouncer before a PostgreSQL server, in transaction mode: a client keeps a connection of the server for one transaction only.

use std::ffi::OsString;
use std::path::Path;

use crate::error::LocalServerError;
use crate::port::Port;
use crate::postgres::{Postgres, SUPERUSER, serves};
use crate::process::{Process, Recipe, make_dir};
use crate::programs::Program;

/// How long it turns its clients away after the server did not let it in. Its own default is 15 s.
const LOGIN_RETRY_SECONDS: u32 = 1;

/// A PgBouncer in transaction mode.
#[derive(Debug)]
pub struct PgBouncer {
    port: Port,
    /// To make it crash, hang or stop.
    pub process: Process,
}

impl PgBouncer {
    /// Starts one in `dir` before a server. It keeps at most `pool_size` connections to each of its databases, and takes further
    /// settings as `name = value`.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(
        dir: &Path,
        postgres: &Postgres,
        pool_size: u32,
        settings: &[&str],
    ) -> Result<Self, LocalServerError> {
        let program = Program::PgBouncer.find()?;
        make_dir(dir, true).await?;
        let port = Port::free()?;
        let file = dir.join("pgbouncer.ini");
        let text = ini(&port, postgres, pool_size, settings);
        std::fs::write(&file, text).map_err(|source| LocalServerError::io("write", &file, source))?;
        let args: Vec<OsString> = vec![file.into()];
        let recipe =
            Recipe { name: "pgbouncer".to_owned(), program, args, dir: dir.to_owned(), not_as_root: true };
        let mut server = Self { port, process: Process::start(recipe)? };
        server.until_ready().await?;
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of a database behind it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port())
    }

    /// Starts it again after it was stopped or killed.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_again(&mut self) -> Result<(), LocalServerError> {
        self.process.start_again()?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<(), LocalServerError> {
        let port = self.port.number();
        self.process.until_ready(|| serves(port)).await
    }
}

fn ini(port: &Port, postgres: &Postgres, pool_size: u32, settings: &[&str]) -> String {
    let (port, server) = (port.number(), postgres.port());
    let further = settings.join("\n");
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={server} user={SUPERUSER}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         max_client_conn = 1000\n\
         default_pool_size = {pool_size}\n\
         server_login_retry = {LOGIN_RETRY_SECONDS}\n\
         {further}\n"
    )
}

//! PostgreSQL.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::error::LocalServerError;
use crate::port::Port;
use crate::process::{Process, Recipe, make_dir, own_process, succeed};
use crate::programs::Program;

/// Who may do everything. There is no password: the server listens on the loopback address only.
pub const SUPERUSER: &str = "nimaora";
/// The database that is there from the beginning.
pub const DATABASE: &str = "postgres";

/// How often a server that was killed is started before that is an error.
const START_TRIES: usize = 20;
/// How long the rest of a killed server has to go.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A PostgreSQL server that syncs its commits, as it does in production.
#[derive(Debug)]
pub struct Postgres {
    port: Port,
    /// To make it crash, hang or stop.
    pub process: Process,
}

impl Postgres {
    /// Starts a server in `dir`, with further settings as `name=value`. A folder that holds one already is used as it is.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path, settings: &[&str]) -> Result<Self, LocalServerError> {
        let program = Program::Postgres.find()?;
        make_dir(dir, true).await?;
        let data = dir.join("data");
        if !data.join("PG_VERSION").exists() {
            initialise(dir, &data).await?;
        }
        let port = Port::free()?;
        let process = Process::start(recipe(dir, &data, program, &port, settings))?;
        let mut server = Self { port, process };
        server.until_ready().await?;
        Ok(server)
    }

    /// Starts a standby of this server in `dir`: it follows by streaming, answers queries and takes no writes.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_standby(&self, dir: &Path) -> Result<Self, LocalServerError> {
        make_dir(dir, true).await?;
        let mut command = own_process(&Program::PgBasebackup.find()?, true);
        let port = self.port.number().to_string();
        command.args(["--host", "127.0.0.1", "--port", &port, "--username", SUPERUSER, "--pgdata"]);
        // The files are as new as the server, and so is what is in them.
        command.arg(dir.join("data")).args(["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]);
        command.current_dir(dir);
        succeed("pg_basebackup", command).await?;
        Self::start(dir, &[]).await
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of a database in it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/{database}", self.port())
    }

    /// Stops it as an operator would in a hurry: clients are cut off, everything is written.
    pub async fn stop(&mut self) {
        self.process.signal(Signal::INT);
        self.process.stop().await;
    }

    /// Starts it again after it was stopped or killed. As long as processes of the killed server use its memory, a new one
    /// refuses to start, so it is tried some times, as a supervisor would.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_again(&mut self) -> Result<(), LocalServerError> {
        for _ in 1..START_TRIES {
            self.process.start_again()?;
            if self.until_ready().await.is_ok() {
                return Ok(());
            }
            self.process.kill().await;
            sleep(RETRY_DELAY).await;
        }
        self.process.start_again()?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<(), LocalServerError> {
        let port = self.port.number();
        self.process.until_ready(|| serves(port)).await
    }
}

async fn initialise(dir: &Path, data: &Path) -> Result<(), LocalServerError> {
    let mut command = own_process(&Program::Initdb.find()?, true);
    command.arg("--pgdata").arg(data);
    command.args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"]);
    // The files are new, and so is what is in them; a crash now would only mean to begin again.
    command.args(["--no-sync", "--no-instructions"]).current_dir(dir);
    succeed("initdb", command).await
}

fn recipe(dir: &Path, data: &Path, program: PathBuf, port: &Port, settings: &[&str]) -> Recipe {
    let mut args: Vec<OsString> = vec!["-D".into(), data.into()];
    let port = format!("port={}", port.number());
    let ours = ["listen_addresses=127.0.0.1", "unix_socket_directories=", &port, "log_line_prefix=%m [%p] "];
    for setting in ours.iter().chain(settings) {
        args.extend(["-c".into(), (*setting).into()]);
    }
    Recipe { name: "postgres".to_owned(), program, args, dir: dir.to_owned(), not_as_root: true }
}

/// Asks as a client would begin; only a server that takes clients lets it in.
pub(crate) async fn serves(port: u16) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let startup = startup_message();
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&startup).await?;
        stream.read_u8().await
    };
    // 'R' is the answer to a client that may go on; 'E' says that the server starts or stops.
    asked.await.is_ok_and(|first| first == b'R')
}

/// Version 3.0 of the protocol, then the names and values of parameters.
fn startup_message() -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", SUPERUSER, "database", DATABASE] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &body[..]].concat()
}

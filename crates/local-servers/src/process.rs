//! A server's process: started, killed, started again at the same place.

use std::ffi::OsString;
use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getuid, kill_process, waitid};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::error::LocalServerError;

/// How long a server may take until it serves; a busy machine needs some of it.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a server may take to end after SIGTERM. Then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a server that starts is asked whether it serves.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How much of a log is shown when a server does not start.
const LAST_WORDS_BYTES: usize = 2_000;
/// Whom servers run as that refuse to run as the superuser; Debian's PostgreSQL brings this user.
const OTHER_USER: &str = "postgres";

/// How a server is started. Starting it again gives the same server at the same place.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// What it is called in messages, and its log's file.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Its folder, which is there.
    pub(crate) dir: PathBuf,
    /// Whether it refuses to run as the superuser.
    pub(crate) not_as_root: bool,
}

/// A server's process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    child: Option<Child>,
}

impl Process {
    /// Starts it. It may not serve yet.
    pub(crate) fn start(recipe: Recipe) -> Result<Self, LocalServerError> {
        let mut process = Self { recipe, child: None };
        process.child = Some(process.spawn()?);
        Ok(process)
    }

    fn spawn(&self) -> Result<Child, LocalServerError> {
        let Recipe { program, args, dir, not_as_root, .. } = &self.recipe;
        let path = self.log();
        let mut log = std::fs::OpenOptions::new();
        let log = log.create(true).append(true).open(&path);
        let log = log.map_err(|source| LocalServerError::io("write", &path, source))?;
        let copy = log.try_clone().map_err(|source| LocalServerError::io("write", &path, source))?;
        own_process(program, *not_as_root)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| LocalServerError::io("start", program, source))
    }

    /// Its process id; `None` while it does not run.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Where it logs.
    pub fn log(&self) -> PathBuf {
        self.recipe.dir.join(format!("{}.log", self.recipe.name))
    }

    /// Waits until `ready` answers true. `ready` is asked again and again, and may fail as long as the server starts.
    ///
    /// # Errors
    /// [`LocalServerError::NotReady`] when the server ended, or did not get ready in time.
    pub(crate) async fn until_ready<F, R>(&mut self, ready: F) -> Result<(), LocalServerError>
    where
        F: Fn() -> R,
        R: Future<Output = bool>,
    {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if timeout(STOP_TIMEOUT, ready()).await.unwrap_or(false) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(self.not_ready(format!("it ended with {status}")));
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready(format!("it did not serve within {} s", START_TIMEOUT.as_secs())));
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn not_ready(&self, reason: String) -> LocalServerError {
        let log = self.log();
        let text = std::fs::read(&log).unwrap_or_default();
        let end = &text[text.len().saturating_sub(LAST_WORDS_BYTES)..];
        let last_words = String::from_utf8_lossy(end).into_owned();
        LocalServerError::NotReady { name: self.recipe.name.clone(), reason, log, last_words }
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It fails only when the process is gone already.
            let _ = child.kill().await;
        }
    }

    /// SIGTERM, and waits until it is gone; kills it when that takes too long.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        if let Some(child) = &mut self.child
            && timeout(STOP_TIMEOUT, child.wait()).await.is_err()
        {
            self.kill().await;
        }
        self.child = None;
    }

    /// Stops it in the middle of whatever it does, as a machine that hangs, and returns when none of its threads runs any more;
    /// [`Process::resume`] lets it go on.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        if let Some(id) = self.pid() {
            // Its end is left for others to hear of.
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = waitid(WaitId::Pid(id), stopped);
        }
    }

    /// Lets it go on after [`Process::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(id) = self.pid() {
            // It fails only when the process is gone already.
            let _ = kill_process(id, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Starts it again after [`Process::kill`] or [`Process::stop`]. It may not serve yet.
    pub(crate) fn start_again(&mut self) -> Result<(), LocalServerError> {
        self.child = Some(self.spawn()?);
        Ok(())
    }
}

/// A command that ends when this process does, and that runs as another user if it has to.
pub(crate) fn own_process(program: &Path, not_as_root: bool) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if not_as_root && getuid().is_root() {
        command.args(["--reuid", OTHER_USER, "--regid", OTHER_USER, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Makes a folder for a server, which is to be its owner if it runs as another user.
pub(crate) async fn make_dir(dir: &Path, not_as_root: bool) -> Result<(), LocalServerError> {
    std::fs::create_dir_all(dir).map_err(|source| LocalServerError::io("make", dir, source))?;
    if not_as_root && getuid().is_root() {
        let owner = format!("{OTHER_USER}:{OTHER_USER}");
        let mut command = Command::new("chown");
        command.arg(owner).arg(dir);
        succeed("chown", command).await?;
    }
    Ok(())
}

/// Lets other users reach what lies in a folder, by name.
pub(crate) fn let_through(dir: &Path) -> Result<(), LocalServerError> {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711))
        .map_err(|source| LocalServerError::io("set the rights of", dir, source))
}

/// Runs a program to its end.
pub(crate) async fn succeed(program: &'static str, mut command: Command) -> Result<(), LocalServerError> {
    let failed = |output: String| LocalServerError::Failed { program, output };
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match timeout(START_TIMEOUT, running).await {
        Ok(Ok(done)) if done.status.success() => Ok(()),
        Ok(Ok(done)) => {
            let both = [done.stdout, done.stderr].concat();
            Err(failed(String::from_utf8_lossy(&both).into_owned()))
        }
        Ok(Err(source)) => Err(failed(source.to_string())),
        Err(_) => Err(failed(format!("it took longer than {} s", START_TIMEOUT.as_secs()))),
    }
}

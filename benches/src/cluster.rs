//! A `nimaora dev cluster`, its nodes, and what may be done to them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::BenchError;
use crate::process::beside;
use crate::sockets::metrics;

/// How often is asked who owns the battle.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often it is asked before nobody does.
const ASKS_MAX: usize = 600;
/// What the metric is called that tells how many battles a node owns.
const OWNED: &str = "nimaora_commands_battles_owned_count ";

/// What a node is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `kill -9`.
    Kill,
    /// SIGTERM.
    Terminate,
}

/// A running cluster. It is killed when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    process: Child,
    /// Where its command nodes listen.
    pub commands: Vec<String>,
    /// Where its realtime nodes listen.
    pub sockets: Vec<String>,
    admin_token_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start() -> Result<Self, BenchError> {
        let folder =
            nimaora_local_servers::scratch().map_err(|error| BenchError::Invalid(error.to_string()))?;
        let mut process = Command::new(beside("nimaora")?)
            .args(["dev", "cluster", "--data-dir"])
            .arg(folder.path().join("cluster"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| not_started("it has no standard output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let example = loop {
            let line = lines.next_line().await?.ok_or_else(|| not_started("it ended"))?;
            if line.starts_with("  try ") {
                break line;
            }
        };
        // The pipe must not fill up while the cluster goes on talking.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let words: Vec<_> = example.split_whitespace().collect();
        let told = |flag: &str| {
            let at = words.iter().position(|word| *word == flag);
            at.and_then(|at| words.get(at + 1)).ok_or_else(|| not_started("it did not tell where it is"))
        };
        let urls = |flag| Ok::<_, BenchError>(told(flag)?.split(',').map(str::to_owned).collect());
        let (commands, sockets) = (urls("--commands")?, urls("--sockets")?);
        let admin_token_file = PathBuf::from(told("--admin-token-file")?);
        Ok(Self { process, commands, sockets, admin_token_file, _folder: folder })
    }

    /// The token of an admin.
    ///
    /// # Errors
    /// The file is not there.
    pub fn admin_token(&self) -> Result<String, BenchError> {
        Ok(std::fs::read_to_string(&self.admin_token_file)?.trim().to_owned())
    }

    /// Which command node owns the battle.
    ///
    /// # Errors
    /// None does for a minute.
    pub async fn owner(&self) -> Result<usize, BenchError> {
        for _ in 0..ASKS_MAX {
            let mut owners = Vec::new();
            for (number, url) in self.commands.iter().enumerate() {
                // One that is not there owns nothing.
                let metrics = metrics(url).await.unwrap_or_default();
                let owned = metrics.lines().find_map(|line| line.strip_prefix(OWNED));
                if owned.and_then(|count| count.trim().parse().ok()).unwrap_or(0.0) > 0.0 {
                    owners.push(number);
                }
            }
            if let [owner] = owners[..] {
                return Ok(owner);
            }
            sleep(ASK_EVERY).await;
        }
        Err(BenchError::Invalid("nobody owns the battle".to_owned()))
    }

    /// Sends the node of this name, as `command-0`, a signal. The cluster starts it again.
    ///
    /// # Errors
    /// There is no such node.
    pub fn signal(&self, node: &str, signal: Signal) -> Result<(), BenchError> {
        let id = self.process_of(&format!("node.name={node}"))?;
        let flag = if signal == Signal::Kill { "-KILL" } else { "-TERM" };
        std::process::Command::new("kill").args([flag, &id]).status()?;
        Ok(())
    }

    /// The child of the cluster that was started with this word.
    fn process_of(&self, its_word: &str) -> Result<String, BenchError> {
        let id = self.process.id().ok_or_else(|| not_started("it ended"))?;
        for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
            // A thread may end meanwhile.
            let children = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let words = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
                if words.split(|byte| *byte == 0).any(|word| word == its_word.as_bytes()) {
                    return Ok(child.to_owned());
                }
            }
        }
        Err(BenchError::Invalid(format!("no process has {its_word}")))
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It has ended before.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        let id = self.process.id().ok_or_else(|| not_started("it ended"))?;
        std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status()?;
        self.process.wait().await?;
        Ok(())
    }
}

fn not_started(reason: &str) -> BenchError {
    BenchError::NotStarted { program: "nimaora dev cluster".to_owned(), reason: reason.to_owned() }
}

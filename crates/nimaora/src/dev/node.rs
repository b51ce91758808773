//! One process of the cluster: started, watched, and started again when it dies, as an orchestrator does.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nimaora_local_servers::Port;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::DevError;
use crate::config::Role;

/// How long a process may take until it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a process may take to end after SIGTERM. Then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The pause before a process that died is started again. It doubles up to the longest each time that it dies before it serves.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often a process may die before it has ever served. Then something is wrong that waiting does not mend.
const FIRST_DEATHS_MAX: u32 = 3;

/// What a process may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `kill -9`; it is started again.
    Kill,
    /// SIGTERM, and no more.
    Stop,
}

/// How to start a process.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) port: Port,
    /// What it keeps, and its log.
    pub(super) dir: PathBuf,
    pub(super) settings: PathBuf,
}

/// Why a process is no more.
enum Gone {
    /// It was told to stop, and did.
    Stopped,
    /// It was killed, or died.
    Died,
}

impl Node {
    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    fn log(&self) -> PathBuf {
        self.dir.join("node.log")
    }

    /// Runs it, again and again, until it is told to stop. `ready` tells whether it serves.
    pub(super) async fn run(
        self,
        mut orders: mpsc::Receiver<Order>,
        ready: watch::Sender<bool>,
    ) -> Result<(), DevError> {
        let (mut pause, mut has_served, mut deaths) = (RESTART_PAUSE, false, 0);
        loop {
            let (child, lines) = self.spawn().await?;
            let gone = self.watch(child, lines, &mut orders, &ready).await;
            let served = ready.send_replace(false);
            has_served |= served;
            match gone {
                Gone::Stopped => return Ok(()),
                Gone::Died if served => pause = RESTART_PAUSE,
                Gone::Died => {
                    deaths += 1;
                    if !has_served && deaths >= FIRST_DEATHS_MAX {
                        return Err(self.not_ready(format!("it ended {deaths} times before it served")));
                    }
                    pause = (pause * 2).min(RESTART_PAUSE_MAX);
                }
            }
            sleep(pause).await;
        }
    }

    async fn spawn(&self) -> Result<(Child, BufReader<ChildStdout>), DevError> {
        let program = std::env::current_exe().map_err(DevError::io("find this program"))?;
        std::fs::create_dir_all(&self.dir).map_err(DevError::io("make the folder of a process"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log());
        let log = log.map_err(DevError::io("write the log of a process"))?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(["serve", "--role", self.role.name(), "--config"])
            .arg(&self.settings)
            .arg("--data-dir")
            .arg(self.dir.join("data"))
            .args(["--listen", &format!("127.0.0.1:{}", self.port.number())])
            .args(["--set", &format!("node.name={}", self.name)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(DevError::io("start this program once more"))?;
        match child.stdout.take() {
            Some(stdout) => Ok((child, BufReader::new(stdout))),
            None => Err(self.not_ready("it has no standard output".to_owned())),
        }
    }

    fn not_ready(&self, reason: String) -> DevError {
        DevError::Node { name: self.name.clone(), reason, log: self.log() }
    }

    /// Watches a process until it is gone.
    async fn watch(
        &self,
        mut child: Child,
        mut lines: BufReader<ChildStdout>,
        orders: &mut mpsc::Receiver<Order>,
        ready: &watch::Sender<bool>,
    ) -> Gone {
        let reading = async {
            let mut said =
                tokio::fs::OpenOptions::new().create(true).append(true).open(self.log()).await.ok();
            let mut line = String::new();
            while lines.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
                if line.trim() == "ready" {
                    ready.send_replace(true);
                }
                if let Some(said) = &mut said {
                    // What is not written down is lost, and nothing else.
                    let _ = said.write_all(line.as_bytes()).await;
                }
                line.clear();
            }
            std::future::pending::<()>().await;
        };
        let starting = async {
            let mut ready = ready.subscribe();
            // The sender is this process's own.
            if timeout(READY_TIMEOUT, ready.wait_for(|ready| *ready)).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(reading, starting);
        loop {
            tokio::select! {
                () = &mut reading => {}
                ended = child.wait() => {
                    let why = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                    tracing::warn!(node = self.name, why, "a process died and is started again");
                    return Gone::Died;
                }
                () = &mut starting => {
                    tracing::warn!(node = self.name, "a process does not get ready and is started again");
                    let _ = child.kill().await;
                    return Gone::Died;
                }
                order = orders.recv() => match order {
                    Some(Order::Kill) => {
                        let _ = child.kill().await;
                        return Gone::Died;
                    }
                    Some(Order::Stop) | None => {
                        terminate(&child);
                        tokio::select! {
                            () = &mut reading => {}
                            ended = timeout(STOP_TIMEOUT, child.wait()) => if ended.is_err() {
                                tracing::warn!(node = self.name, "a process did not end in time and is killed");
                                let _ = child.kill().await;
                            }
                        }
                        return Gone::Stopped;
                    }
                },
            }
        }
    }
}

fn terminate(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        // It fails only when the process is gone already.
        let _ = kill_process(id, Signal::TERM);
    }
}

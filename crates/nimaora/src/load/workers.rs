//! The playing processes as the leader sees them: one inside itself, or several that it starts.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::error::LoadError;
use super::link::{Message, Order, WAITING_MAX};
use super::worker;

/// All playing processes. Dropping them ends them.
pub(super) struct Workers {
    orders: Vec<mpsc::Sender<Order>>,
    messages: mpsc::Receiver<(usize, Message)>,
    /// Ends with this value, and with it the child processes.
    _tasks: JoinSet<()>,
}

impl Workers {
    /// Starts `processes` of them; a single one plays inside this process.
    pub(super) fn start(processes: u32) -> Result<Self, LoadError> {
        let mut tasks = JoinSet::new();
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let mut orders = Vec::new();
        for process in 0..processes as usize {
            let sender = sender.clone();
            let (order, ordered) = mpsc::channel(WAITING_MAX);
            orders.push(order);
            if processes == 1 {
                let (own, mut said) = mpsc::channel(WAITING_MAX);
                tasks.spawn(worker::run(ordered, own));
                tasks.spawn(async move {
                    while let Some(message) = said.recv().await {
                        if sender.send((process, message)).await.is_err() {
                            return;
                        }
                    }
                });
            } else {
                let child = spawn()?;
                tasks.spawn(async move {
                    if let Err(error) = lead(process, child, ordered, &sender).await {
                        let reason = match error {
                            LoadError::Worker { reason, .. } => reason,
                            other => other.to_string(),
                        };
                        // The leader may be gone already.
                        let _ = sender.send((process, Message::Failed { reason })).await;
                    }
                });
            }
        }
        Ok(Self { orders, messages, _tasks: tasks })
    }

    /// Says something to one process.
    pub(super) async fn order(&self, process: usize, order: Order) -> Result<(), LoadError> {
        let gone = |_| LoadError::Worker { process, reason: "it takes no orders any more".to_owned() };
        self.orders[process].send(order).await.map_err(gone)
    }

    /// Waits for the next word of any process.
    pub(super) async fn next(&mut self) -> Result<(usize, Message), LoadError> {
        match self.messages.recv().await {
            Some((process, Message::Failed { reason })) => Err(LoadError::Worker { process, reason }),
            Some(said) => Ok(said),
            None => Err(LoadError::Worker { process: 0, reason: "all processes have ended".to_owned() }),
        }
    }
}

fn spawn() -> Result<Child, LoadError> {
    let failed = |source| LoadError::Io { action: "start a process of the load", source };
    let program = std::env::current_exe().map_err(failed)?;
    Command::new(program)
        .args(["load", "--worker"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)
}

/// Passes orders to a child and its words back, until it has settled or died.
async fn lead(
    process: usize,
    mut child: Child,
    mut orders: mpsc::Receiver<Order>,
    messages: &mpsc::Sender<(usize, Message)>,
) -> Result<(), LoadError> {
    let failed = |source| LoadError::Io { action: "talk to a process of the load", source };
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(LoadError::Worker { process, reason: "it has no pipes".to_owned() });
    };
    let write = async move {
        while let Some(order) = orders.recv().await {
            let mut line = serde_json::to_vec(&order)?;
            line.push(b'\n');
            stdin.write_all(&line).await.map_err(failed)?;
        }
        Ok::<_, LoadError>(())
    };
    let read = async {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            let message: Message = serde_json::from_str(&line)?;
            let is_last = matches!(message, Message::Settled { .. } | Message::Failed { .. });
            if messages.send((process, message)).await.is_err() || is_last {
                return Ok(());
            }
        }
        let status = child.wait().await.map_err(failed)?;
        Err(LoadError::Worker { process, reason: format!("it ended early ({status})") })
    };
    tokio::pin!(write);
    tokio::select! {
        // A broken pipe means that the child is gone; reading tells how it ended.
        biased;
        done = read => done,
        Err(error) = &mut write => Err(error),
    }
}

/// Runs as one of several processes: orders come on standard input, words go to standard output.
pub(super) async fn run_as_worker() -> Result<(), LoadError> {
    let (order, orders) = mpsc::channel(WAITING_MAX);
    let (messages, mut said) = mpsc::channel(WAITING_MAX);
    let playing = worker::run(orders, messages);
    let reading = read_orders(tokio::io::stdin(), order);
    let writing = async {
        let mut stdout = tokio::io::stdout();
        while let Some(message) = said.recv().await {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            let failed = |source| LoadError::Io { action: "write to the leading process", source };
            stdout.write_all(&line).await.map_err(failed)?;
            stdout.flush().await.map_err(failed)?;
        }
        Ok(())
    };
    tokio::select! {
        ((), written) = async { tokio::join!(playing, writing) } => written,
        read = reading => read,
    }
}

/// Passes orders on until the leading process is gone.
async fn read_orders(input: impl AsyncRead + Unpin, order: mpsc::Sender<Order>) -> Result<(), LoadError> {
    let failed = |source| LoadError::Io { action: "read from the leading process", source };
    let mut lines = BufReader::new(input).lines();
    while let Some(line) = lines.next_line().await.map_err(failed)? {
        let said = serde_json::from_str(&line)?;
        if order.send(said).await.is_err() {
            // The playing is over; its last words are being written.
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

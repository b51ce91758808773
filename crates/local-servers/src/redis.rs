//! Redis: one server, or a cluster of three masters.

use std::ffi::OsString;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::error::LocalServerError;
use crate::port::Port;
use crate::process::{Process, Recipe, make_dir};
use crate::programs::Program;

/// How many hash slots a cluster has.
const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    port: Port,
    /// The port on which cluster nodes speak to each other.
    cluster_port: Option<Port>,
    /// To make it crash, hang or stop.
    pub process: Process,
}

impl Redis {
    /// Starts a server in `dir` with further arguments, as `--appendonly yes`.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path, args: &[&str]) -> Result<Self, LocalServerError> {
        Self::start_one(dir, args, None).await
    }

    async fn start_one(
        dir: &Path,
        more: &[&str],
        cluster_port: Option<Port>,
    ) -> Result<Self, LocalServerError> {
        let program = Program::Redis.find()?;
        make_dir(dir, false).await?;
        let port = Port::free()?;
        let number = port.number().to_string();
        let mut args = vec!["--port", &number, "--bind", "127.0.0.1", "--save", "", "--dir", "."];
        args.extend(more);
        let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
        let recipe =
            Recipe { name: "redis".to_owned(), program, args, dir: dir.to_owned(), not_as_root: false };
        let mut server = Self { port, cluster_port, process: Process::start(recipe)? };
        server.until_ready().await?;
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Gives it one command, as a person would; answers with its first line, or with the text.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn by_hand(&self, line: &str) -> std::io::Result<String> {
        command(self.port(), line).await
    }

    /// The same for one that asks for a password first.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn by_hand_with(&self, password: &str, line: &str) -> std::io::Result<String> {
        command_after(self.port(), Some(password), line).await
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
        let ready = || async move { command(port, "PING").await.is_ok_and(|answer| is_there(&answer)) };
        self.process.until_ready(ready).await
    }
}

/// Three masters that share all slots; each battle is on one of them.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts a cluster in `dir` and waits until all slots are served.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path) -> Result<Self, LocalServerError> {
        let mut nodes = Vec::new();
        for number in 0..MASTERS {
            let cluster_port = Port::free()?;
            let port = cluster_port.number().to_string();
            let args = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
                &port,
                "--cluster-require-full-coverage",
                "no",
            ];
            let node =
                Redis::start_one(&dir.join(format!("redis-{number}")), &args, Some(cluster_port)).await?;
            nodes.push(node);
        }
        let mut cluster = Self { nodes };
        cluster.share_slots().await;
        cluster.until_ready().await?;
        Ok(cluster)
    }

    /// The URLs of all masters.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// What fails here shows in the cluster's state, for which [`Self::until_ready`] waits.
    async fn share_slots(&self) {
        let others = &self.nodes[1..];
        for (number, node) in (0..).zip(&self.nodes) {
            let (first, end) = (SLOTS / MASTERS * number, SLOTS / MASTERS * (number + 1));
            let last = if number + 1 == MASTERS { SLOTS - 1 } else { end - 1 };
            let _ = command(node.port(), &format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await;
        }
        for node in others {
            let bus = node.cluster_port.as_ref().map_or(0, Port::number);
            let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port());
            let _ = command(self.nodes[0].port(), &meet).await;
        }
    }

    async fn until_ready(&mut self) -> Result<(), LocalServerError> {
        for node in &mut self.nodes {
            let port = node.port();
            let ready = || async move {
                let info = command(port, "CLUSTER INFO").await.unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            };
            node.process.until_ready(ready).await?;
        }
        Ok(())
    }
}

/// Whether a server serves, with a password or without.
fn is_there(answer: &str) -> bool {
    answer.starts_with("+PONG") || answer.starts_with("-NOAUTH")
}

/// Gives one command whose answer is a line or a text, as a person would over the network.
pub(crate) async fn command(port: u16, command: &str) -> std::io::Result<String> {
    command_after(port, None, command).await
}

/// The same after the password, where there is one.
pub(crate) async fn command_after(
    port: u16,
    password: Option<&str>,
    command: &str,
) -> std::io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    if let Some(password) = password {
        stream.write_all(format!("AUTH {password}\r\n").as_bytes()).await?;
        stream.read_line(&mut String::new()).await?;
    }
    stream.write_all(format!("{command}\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    let Some(length) = answer.strip_prefix('$').and_then(|length| length.trim().parse().ok()) else {
        return Ok(answer);
    };
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

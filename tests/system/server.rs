//! A `nimaora serve` process with a folder of its own, on a free port.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::Channel;

/// Long enough for any start on a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_nimaora");

/// A running server. Dropping it kills it.
pub struct Server {
    process: Child,
    pub address: String,
    /// Where the log is served, if it is.
    pub event_store: Option<String>,
    pub data_dir: PathBuf,
}

impl Server {
    /// Starts a server on `listen` and waits until it is ready.
    pub async fn start(data_dir: &Path, listen: &str) -> Self {
        Self::start_logging_to(Stdio::inherit(), data_dir, listen).await
    }

    /// The same, with its log going elsewhere.
    pub async fn start_logging_to(log: Stdio, data_dir: &Path, listen: &str) -> Self {
        Self::spawn(log, &[], &[], data_dir, listen).await
    }

    /// The same, with settings.
    pub async fn start_with(settings: &[&str], data_dir: &Path, listen: &str) -> Self {
        Self::start_in(&[], settings, data_dir, listen).await
    }

    /// The same, with variables in its environment.
    pub async fn start_in(
        environment: &[(&str, &str)],
        settings: &[&str],
        data_dir: &Path,
        listen: &str,
    ) -> Self {
        Self::spawn(Stdio::inherit(), environment, settings, data_dir, listen).await
    }

    async fn spawn(
        log: Stdio,
        environment: &[(&str, &str)],
        settings: &[&str],
        data_dir: &Path,
        listen: &str,
    ) -> Self {
        let mut process = Command::new(BINARY)
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(data_dir)
            .args(settings)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let (address, event_store) = tokio::time::timeout(PATIENCE, ready_addresses(lines)).await.unwrap();
        Self { process, address, event_store, data_dir: data_dir.to_owned() }
    }

    /// `kill -9`, and waits until the process is gone.
    pub async fn kill(mut self) -> PathBuf {
        self.process.kill().await.unwrap();
        self.data_dir
    }

    /// Stops it in the middle of whatever it does, as a machine that hangs.
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on after [`Server::pause`].
    pub async fn resume(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }

    /// SIGTERM, and the exit code.
    pub async fn terminate(mut self) -> i32 {
        self.signal("-TERM").await;
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
        status.code().unwrap()
    }

    /// Lets the process write files up to so many bytes only (`unlimited` for no limit), as if the disk were full.
    pub async fn limit_files(&self, bytes: &str) {
        let id = self.process.id().unwrap().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let done = Command::new("prlimit").args(["--pid", &id, &limit]).status().await.unwrap();
        assert!(done.success());
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("admin-token")).unwrap().trim().to_owned()
    }

    pub fn app_secret(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("secrets/app-secret")).unwrap().trim().to_owned()
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    pub async fn commands(&self) -> CommandServiceClient<Channel> {
        CommandServiceClient::new(self.channel().await)
    }

    pub async fn queries(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel().await)
    }
}

/// Reads the server's lines until it says that it is ready, and where; also where it serves the log, if it does.
async fn ready_addresses(lines: BufReader<tokio::process::ChildStdout>) -> (String, Option<String>) {
    let mut lines = lines.lines();
    let (mut address, mut event_store) = (None, None);
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, rest)) = line.split_once("http://") {
            address = rest.split_whitespace().next().map(|a| a.trim_end_matches('/').to_owned());
        }
        if let Some((_, rest)) = line.split_once("kurrentdb://admin:TOKEN@") {
            event_store = rest.split('?').next().map(str::to_owned);
        }
        if line.contains("ready") {
            // The pipe must not fill up while the server goes on talking.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (address.unwrap(), event_store);
        }
    }
    panic!("the server ended before it was ready");
}

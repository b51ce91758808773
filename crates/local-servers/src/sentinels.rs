//! A Redis with a replica, watched by three sentinels.

use std::ffi::OsString;
use std::path::Path;

use crate::certificates::Certificates;
use crate::error::LocalServerError;
use crate::port::Port;
use crate::process::{Process, Recipe, make_dir};
use crate::programs::Program;
use crate::redis::{Redis, command_after};

/// What the sentinels call the master.
const NAME: &str = "main";
const SENTINELS: usize = 3;

/// One of the sentinels.
#[derive(Debug)]
pub struct Sentinel {
    port: Port,
    /// The port on which it speaks TLS.
    tls_port: Option<Port>,
    /// To make it crash, hang or stop.
    pub process: Process,
}

/// What the servers and the sentinels ask for.
#[derive(Clone, Debug, Default)]
pub struct SentinelOptions {
    /// The password of the servers.
    pub password: Option<String>,
    /// The password of the sentinels.
    pub sentinel_password: Option<String>,
    /// Everybody speaks TLS with these; commands by hand do not.
    pub tls: Option<Certificates>,
}

/// A master, a replica, and three sentinels of which two agree.
#[derive(Debug)]
pub struct RedisSentinels {
    /// The master at the start, and its replica.
    pub servers: Vec<Redis>,
    /// Who watches them.
    pub sentinels: Vec<Sentinel>,
    options: SentinelOptions,
    /// The ports on which the servers speak TLS.
    _tls_ports: Vec<Port>,
}

impl RedisSentinels {
    /// Starts all of them in `dir`, and waits until the sentinels know each other and the replica.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path) -> Result<Self, LocalServerError> {
        Self::start_with(dir, SentinelOptions::default()).await
    }

    /// The same with passwords or TLS.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_with(dir: &Path, options: SentinelOptions) -> Result<Self, LocalServerError> {
        let (master, of_master) = start_server(&dir.join("redis-0"), &options, None).await?;
        // Where the others reach it.
        let port = of_master.as_ref().map_or(master.port(), Port::number).to_string();
        let (replica, of_replica) = start_server(&dir.join("redis-1"), &options, Some(&port)).await?;
        let tls_ports = of_master.into_iter().chain(of_replica).collect();
        let servers = vec![master, replica];
        let mut all = Self { servers, sentinels: Vec::new(), options, _tls_ports: tls_ports };
        for number in 0..SENTINELS {
            let sentinel =
                start_sentinel(&dir.join(format!("sentinel-{number}")), &port, &all.options).await?;
            all.sentinels.push(sentinel);
        }
        let password = all.options.sentinel_password.as_deref();
        for sentinel in &mut all.sentinels {
            let port = sentinel.port.number();
            let ready = || async move {
                let info = command_after(port, password, "INFO sentinel").await.unwrap_or_default();
                info.contains("status=ok") && info.contains("slaves=1") && info.contains("sentinels=3")
            };
            sentinel.process.until_ready(ready).await?;
        }
        Ok(all)
    }

    /// The URL of whoever is the master.
    pub fn url(&self) -> String {
        let port = |one: &Sentinel| one.tls_port.as_ref().unwrap_or(&one.port).number();
        let all: Vec<_> = self.sentinels.iter().map(|one| format!("127.0.0.1:{}", port(one))).collect();
        let SentinelOptions { password, sentinel_password, tls } = &self.options;
        let scheme = if tls.is_some() { "rediss" } else { "redis" };
        let login = password.as_ref().map_or(String::new(), |password| format!(":{password}@"));
        let more = sentinel_password.as_ref();
        let more = more.map_or(String::new(), |password| format!("?sentinel_password={password}"));
        format!("{scheme}+sentinel://{login}{}/{NAME}{more}", all.join(","))
    }
}

/// Starts one of the servers, as a replica of the one at `master`; answers with the port on which it speaks TLS.
async fn start_server(
    dir: &Path,
    options: &SentinelOptions,
    master: Option<&str>,
) -> Result<(Redis, Option<Port>), LocalServerError> {
    let tls_port = options.tls.as_ref().map(|_| Port::free()).transpose()?;
    let mut args: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    if let Some(port) = master {
        add(&["--replicaof", "127.0.0.1", port]);
    }
    if let Some(password) = &options.password {
        add(&["--requirepass", password, "--masterauth", password]);
    }
    if let (Some(files), Some(port)) = (&options.tls, &tls_port) {
        let [authority, certificate, key] = pem_files(files);
        add(&["--tls-port", &port.number().to_string(), "--tls-replication", "yes"]);
        add(&["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority]);
        add(&["--tls-auth-clients", "no"]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Ok((Redis::start(dir, &args).await?, tls_port))
}

fn pem_files(files: &Certificates) -> [String; 3] {
    [&files.authority, &files.certificate, &files.key].map(|file| file.display().to_string())
}

async fn start_sentinel(
    dir: &Path,
    master: &str,
    options: &SentinelOptions,
) -> Result<Sentinel, LocalServerError> {
    make_dir(dir, false).await?;
    let port = Port::free()?;
    // It writes into this file what it learns.
    let file = dir.join("sentinel.conf");
    let mut settings = format!("port {}\nbind 127.0.0.1\n", port.number());
    let tls_port = options.tls.as_ref().map(|_| Port::free()).transpose()?;
    if let (Some(files), Some(port)) = (&options.tls, &tls_port) {
        let [authority, certificate, key] = pem_files(files);
        settings += &format!(
            "tls-port {}\ntls-replication yes\ntls-auth-clients no\ntls-cert-file {certificate}\n\
             tls-key-file {key}\ntls-ca-cert-file {authority}\n",
            port.number()
        );
    }
    settings += &format!(
        "sentinel monitor {NAME} 127.0.0.1 {master} 2\nsentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 3000\n"
    );
    if let Some(password) = &options.password {
        settings += &format!("sentinel auth-pass {NAME} {password}\n");
    }
    if let Some(password) = &options.sentinel_password {
        settings += &format!("requirepass {password}\nsentinel sentinel-pass {password}\n");
    }
    std::fs::write(&file, settings).map_err(|source| LocalServerError::io("write", &file, source))?;
    let args: Vec<OsString> = vec![file.into(), "--sentinel".into()];
    let program = Program::Redis.find()?;
    let recipe =
        Recipe { name: "sentinel".to_owned(), program, args, dir: dir.to_owned(), not_as_root: false };
    Ok(Sentinel { port, tls_port, process: Process::start(recipe)? })
}

//! A Redis with a replica, watched by three sentinels.

use std::ffi::OsString;
use std::path::Path;

use crate::error::LocalServerError;
use crate::port::Port;
use crate::process::{Process, Recipe, make_dir};
use crate::programs::Program;
use crate::redis::{Redis, command};

/// What the sentinels call the master.
const NAME: &str = "main";
const SENTINELS: usize = 3;

/// One of the sentinels.
#[derive(Debug)]
pub struct Sentinel {
    port: Port,
    /// To make it crash, hang or stop.
    pub process: Process,
}

/// A master, a replica, and three sentinels of which two agree.
#[derive(Debug)]
pub struct RedisSentinels {
    /// The master at the start, and its replica.
    pub servers: Vec<Redis>,
    /// Who watches them.
    pub sentinels: Vec<Sentinel>,
}

impl RedisSentinels {
    /// Starts all of them in `dir`, and waits until the sentinels know each other and the replica.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path) -> Result<Self, LocalServerError> {
        let master = Redis::start(&dir.join("redis-0"), &[]).await?;
        let port = master.port().to_string();
        let replica = Redis::start(&dir.join("redis-1"), &["--replicaof", "127.0.0.1", &port]).await?;
        let mut all = Self { servers: vec![master, replica], sentinels: Vec::new() };
        for number in 0..SENTINELS {
            let sentinel = start_sentinel(&dir.join(format!("sentinel-{number}")), &port).await?;
            all.sentinels.push(sentinel);
        }
        for sentinel in &mut all.sentinels {
            let port = sentinel.port.number();
            let ready = || async move {
                let info = command(port, "INFO sentinel").await.unwrap_or_default();
                info.contains("status=ok") && info.contains("slaves=1") && info.contains("sentinels=3")
            };
            sentinel.process.until_ready(ready).await?;
        }
        Ok(all)
    }

    /// The URL of whoever is the master.
    pub fn url(&self) -> String {
        let all: Vec<_> =
            self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port.number())).collect();
        format!("redis+sentinel://{}/{NAME}", all.join(","))
    }
}

async fn start_sentinel(dir: &Path, master: &str) -> Result<Sentinel, LocalServerError> {
    make_dir(dir, false).await?;
    let port = Port::free()?;
    // It writes into this file what it learns.
    let file = dir.join("sentinel.conf");
    let settings = format!(
        "port {}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 3000\n",
        port.number()
    );
    std::fs::write(&file, settings).map_err(|source| LocalServerError::io("write", &file, source))?;
    let args: Vec<OsString> = vec![file.into(), "--sentinel".into()];
    let program = Program::Redis.find()?;
    let recipe =
        Recipe { name: "sentinel".to_owned(), program, args, dir: dir.to_owned(), not_as_root: false };
    Ok(Sentinel { port, process: Process::start(recipe)? })
}

//! How many appends a second are answered, so many at a time.

use std::future::Future;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kurrentdb::{AppendToStreamOptions, Client, EventData};
use nimaora_benches::{BenchError, Child};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::messages::{Echoed, UmaAppend, UmaAppended, UmaEvent};
use crate::{Args, echo, failed, serving};

/// How long UmaDB's server may take to begin.
const START_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn measure(args: &Args) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let server = serving::start(folder.path())?;
    let echo = Child::this_program("--echo")?;
    let appending = serving::client(&server)?;
    let bare = Channel::from_shared(echo.url.clone()).map_err(failed)?.connect().await?;
    let uma = match &args.umadb {
        Some(packages) => Some(UmaServer::start(packages).await?),
        None => None,
    };
    let hollow = Child::this_program("--hollow")?;
    let answered = serving::client(&hollow)?;
    let (mut plain, mut alike, mut ahead) = (Vec::new(), Vec::new(), Vec::new());
    // The first round does not count: caches fill, files grow.
    for number in 0..=args.rounds {
        let durable = official(args, &appending).await?;
        let unary = unary(args, &bare).await?;
        let nothing = official(args, &answered).await?;
        let uma = match &uma {
            Some(uma) => uma.appends(args).await?,
            None => 0.0,
        };
        if number == 0 {
            continue;
        }
        println!(
            "round {number}: {durable:>6.0} durable appends a second; bare echo {unary:>6.0} ({:.2}), the client's own call without a log {nothing:>6.0} ({:.2}), UmaDB {uma:>6.0}",
            durable / unary,
            durable / nothing,
        );
        alike.push(durable / nothing);
        plain.push(durable / unary);
        ahead.push(durable / uma);
    }
    println!(
        "median ratio to the bare echo {:.2} (target 0.5), to the client's own call without a log {:.2}, to UmaDB {:.2} (target 1)",
        median(plain),
        median(alike),
        median(ahead)
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Lets so many tasks call for a while, and answers how many calls a second ended well.
async fn round<F, T>(args: &Args, task: impl Fn(usize) -> F) -> Result<f64, BenchError>
where
    F: FnMut() -> T + Send + 'static,
    T: Future<Output = Result<(), BenchError>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let (began, length) = (Instant::now(), Duration::from_secs(args.round_seconds));
    let mut tasks = JoinSet::new();
    for number in 0..args.tasks {
        let (mut call, done) = (task(number), Arc::clone(&done));
        tasks.spawn(async move {
            while began.elapsed() < length {
                call().await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(failed)??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Appends by the official client, each task to a stream of its own.
async fn official(args: &Args, client: &Client) -> Result<f64, BenchError> {
    let bytes = args.event_bytes;
    round(args, |number| {
        let client = client.clone();
        move || {
            let client = client.clone();
            async move {
                let event = EventData::binary("Noted", vec![7; bytes].into());
                let options = AppendToStreamOptions::default();
                client.append_to_stream(format!("notes-{number}"), &options, event).await.map_err(failed)?;
                Ok(())
            }
        }
    })
    .await
}

async fn unary(args: &Args, channel: &Channel) -> Result<f64, BenchError> {
    let bytes = args.event_bytes;
    round(args, |_| {
        let channel = channel.clone();
        move || call::<_, Echoed>(channel.clone(), echo::BARE, Echoed { bytes: vec![7; bytes] })
    })
    .await
}

async fn call<M, R>(channel: Channel, path: &'static str, message: M) -> Result<(), BenchError>
where
    M: prost::Message + Send + Sync + 'static,
    R: prost::Message + Default + Send + Sync + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let request = tonic::Request::new(message);
    let path = http::uri::PathAndQuery::from_static(path);
    grpc.unary(request, path, ProstCodec::<M, R>::default()).await?;
    Ok(())
}

/// UmaDB's server, as its Python package has it.
struct UmaServer {
    process: std::process::Child,
    channel: Channel,
    _folder: tempfile::TempDir,
}

impl UmaServer {
    async fn start(packages: &Path) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let process = Command::new("python3")
            .arg(packages.join("bin/umadb"))
            .args(["--listen", &address.to_string(), "--db-path"])
            .arg(folder.path().join("uma.db"))
            .env("PYTHONPATH", packages)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if began.elapsed() > START_TIMEOUT {
                return Err(failed("UmaDB's server did not begin"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let channel = Channel::from_shared(format!("http://{address}")).map_err(failed)?.connect().await?;
        Ok(Self { process, channel, _folder: folder })
    }

    async fn appends(&self, args: &Args) -> Result<f64, BenchError> {
        let bytes = args.event_bytes;
        round(args, |number| {
            let channel = self.channel.clone();
            move || {
                let event = UmaEvent {
                    event_type: "Noted".to_owned(),
                    tags: vec![format!("notes-{number}")],
                    data: vec![7; bytes],
                };
                let append = UmaAppend { events: vec![event] };
                call::<_, UmaAppended>(channel.clone(), "/umadb.v1.DCB/Append", append)
            }
        })
        .await
    }
}

impl Drop for UmaServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

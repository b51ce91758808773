//! How long it takes until all players are back whose realtime node is killed, and what the others notice of it.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin herd
//!
//! A `nimaora dev cluster` on this machine with players that each listen to the battle and to their own channel; two processes hold their
//! sockets and do what an unmodified pusher-js does. Meanwhile one player attacks through a command node. Then the node is killed with
//! `kill -9`; the cluster starts it again. With `--nodes 1` all sockets are on that one node, and none has anywhere else to go.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

mod clients;

use std::process::Stdio;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nimaora_api::v1;
use nimaora_benches::cluster::{Cluster, Signal};
use nimaora_benches::players::{connect, id, with};
use nimaora_benches::sockets::metrics;
use nimaora_benches::{Battle, BenchError};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use self::clients::Clients;

/// What is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Players, each with a socket. A process of this machine opens at most 20,000 files, and a node keeps some of them back.
    #[arg(long, default_value_t = 19_600)]
    sockets: usize,
    /// Realtime nodes that the sockets are on. One of them is killed.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    nodes: u8,
    /// Attacks a second meanwhile.
    #[arg(long, default_value_t = 4.0)]
    attacks_per_second: f64,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand, Debug)]
enum Part {
    /// Half of the players' sockets; started by the measurement itself.
    Clients(Clients),
}

/// Processes that hold sockets.
const PROCESSES: usize = 2;
/// How long it may take until all are subscribed, and subscribed again.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is left to settle before the node is killed, and after all are back.
const SETTLE: Duration = Duration::from_secs(3);
/// The metric that tells how often boards were read.
const BOARD_READS: &str = "nimaora_realtime_board_reads_total";
/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match args.part {
        Some(Part::Clients(clients)) => runtime.block_on(clients::run(clients)),
        None => runtime.block_on(measure(&args)),
    }
}

async fn measure(args: &Args) -> Result<(), BenchError> {
    let cluster = Cluster::start().await?;
    let urls = cluster.sockets[..usize::from(args.nodes)].to_vec();
    let battle = Battle::running_at(&cluster.commands[0], &cluster.admin_token()?, args.sockets).await?;
    let mut crowds = Vec::new();
    let folder = tempfile::tempdir()?;
    for (number, players) in battle.players.chunks(args.sockets.div_ceil(PROCESSES)).enumerate() {
        let file = folder.path().join(number.to_string());
        let lines =
            players.iter().map(|one| format!("{} {}\n", one.id, one.bearer.to_str().unwrap_or_default()));
        std::fs::write(&file, lines.collect::<String>())?;
        crowds.push(Crowd::start(&battle.id, &file, &urls)?);
    }
    for crowd in &mut crowds {
        crowd.says("here").await?;
    }
    println!("{} sockets on {} nodes", args.sockets, args.nodes);
    let (stop, stopped) = watch::channel(false);
    let attacking =
        tokio::spawn(attack(cluster.commands[0].clone(), battle, args.attacks_per_second, stopped));
    let reading = tokio::spawn(board_reads(urls, stop.subscribe()));
    sleep(SETTLE).await;

    let killed = Instant::now();
    cluster.signal("realtime-0", Signal::Kill)?;
    let (mut took_ms, mut failures) = (Vec::new(), 0);
    for crowd in &mut crowds {
        let said = crowd.says("back").await?;
        let mut words = said.split_whitespace().skip(1);
        failures += words.next().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        took_ms.extend(words.next().unwrap_or_default().split(',').filter_map(|ms| ms.parse::<u64>().ok()));
    }
    let all_back = killed.elapsed();
    sleep(SETTLE).await;
    stop.send_replace(true);
    let (accepted, refused) = attacking.await.map_err(|_| gone())??;
    let reads = reading.await.map_err(|_| gone())?;
    took_ms.sort_unstable();
    let at =
        |share: usize| took_ms.get((took_ms.len() * share / 100).min(took_ms.len() - 1)).map_or(0, |ms| *ms);
    println!(
        "| lost | all back after, s | P50, s | P99, s | max, s | tries that failed | commands refused | boards read a second, most |"
    );
    println!(
        "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {failures} | {refused} of {} | {reads:.0} |",
        took_ms.len(),
        all_back.as_secs_f64(),
        at(50) as f64 / 1_000.0,
        at(99) as f64 / 1_000.0,
        at(100) as f64 / 1_000.0,
        accepted + refused,
    );
    drop(crowds);
    cluster.stop().await
}

fn gone() -> BenchError {
    BenchError::Invalid("a task has ended".to_owned())
}

/// A process that holds sockets. It is killed when this is dropped.
struct Crowd {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    fn start(battle: &str, players: &std::path::Path, urls: &[String]) -> Result<Self, BenchError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["clients", battle])
            .arg(players)
            .arg(urls.join(","))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or_else(gone)?;
        Ok(Self { _process: process, lines: BufReader::new(stdout).lines() })
    }

    /// Waits for a line that begins so.
    async fn says(&mut self, word: &str) -> Result<String, BenchError> {
        let saying = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.starts_with(word) {
                    return Ok(line);
                }
            }
            Err(gone())
        };
        let late = |_| BenchError::Invalid(format!("not all said '{word}' within {PATIENCE:?}"));
        timeout(PATIENCE, saying).await.map_err(late)?
    }
}

/// Attacks at this pace until it is stopped; answers how many were accepted, and how many refused, for whatever reason.
async fn attack(
    url: String,
    battle: Battle,
    per_second: f64,
    stopped: watch::Receiver<bool>,
) -> Result<(usize, usize), BenchError> {
    let mut client = connect(&url, 1).await?.remove(0);
    let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut accepted, mut refused) = (0, 0);
    while !*stopped.borrow() {
        ticks.tick().await;
        let attack = v1::AttackRequest { command_id: id(), target_id: battle.players[1].id.clone() };
        match client.attack(with(attack, &battle.players[0].bearer)).await {
            Ok(_) => accepted += 1,
            Err(status) => {
                println!("refused: {status}");
                refused += 1;
            }
        }
    }
    Ok((accepted, refused))
}

/// The most boards that all nodes together read from the stores within a second.
async fn board_reads(urls: Vec<String>, stopped: watch::Receiver<bool>) -> f64 {
    let (mut before, mut looked, mut most) = (vec![None; urls.len()], Instant::now(), 0.0_f64);
    while !*stopped.borrow() {
        let mut read = 0.0;
        for (before, url) in before.iter_mut().zip(&urls) {
            // A node that was killed begins anew.
            let now = metrics(url).await.ok().map(|text| total(&text));
            if let (Some(before), Some(now)) = (*before, now) {
                read += if now < before { now } else { now - before };
            }
            *before = now.or(Some(0.0));
        }
        most = most.max(read / looked.elapsed().as_secs_f64().max(0.1));
        looked = Instant::now();
        sleep(LOOK_EVERY).await;
    }
    most
}

fn total(metrics: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(BOARD_READS));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

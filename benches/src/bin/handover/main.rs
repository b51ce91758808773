//! How long a battle stands still when the node that writes it dies, and when that node is told to stop: one player attacks through the
//! other command node all the while.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin handover
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_benches::cluster::{Cluster, Signal};
use nimaora_benches::players::{connect, id, with};
use nimaora_benches::{Battle, BenchError};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

/// How often each is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Crashes, and as many stops.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

/// What the two must not reach, in milliseconds.
const CRASH_TARGET_MS: f64 = 3_000.0;
const STOP_TARGET_MS: f64 = 200.0;
/// The pause between two attacks, and the longest wait for an answer before the same command is sent again.
const ATTACK_EVERY: Duration = Duration::from_millis(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long is attacked in peace, twice before each round.
const PEACE: Duration = Duration::from_secs(5);
/// How long is attacked after each: more than the battle and a node need to come back.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// When the last attack was accepted, and the longest time between two since that was last looked at.
#[derive(Debug)]
struct Accepted {
    last: Instant,
    longest: Duration,
}

impl Accepted {
    fn now(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }
}

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    let cluster = Cluster::start().await?;
    let battle = Battle::running_at(&cluster.commands[0], &cluster.admin_token()?, 2).await?;
    let accepted = Arc::new(Mutex::new(Accepted { last: Instant::now(), longest: Duration::ZERO }));
    let (through, asked) = watch::channel(cluster.commands[0].clone());
    let attacking = tokio::spawn(attack(battle, asked, Arc::clone(&accepted)));
    let longest = async || std::mem::take(&mut accepted.lock().await.longest);
    let mut quiet = Vec::new();
    for (signal, what, target_ms) in [
        (
            Signal::Kill,
            "from the last accepted command to the next when its owner is killed",
            CRASH_TARGET_MS,
        ),
        (Signal::Terminate, "the same when its owner is stopped", STOP_TARGET_MS),
    ] {
        let mut pauses = Vec::new();
        for _ in 0..args.rounds {
            let owner = cluster.owner().await?;
            through.send_replace(cluster.commands[1 - owner].clone());
            sleep(PEACE).await;
            longest().await;
            sleep(PEACE).await;
            quiet.push(longest().await);
            cluster.signal(&format!("command-{owner}"), signal)?;
            sleep(AFTERWARDS).await;
            pauses.push(longest().await);
        }
        report(what, &pauses, target_ms);
    }
    report("the same in 5 s of peace", &quiet, f64::INFINITY);
    attacking.abort();
    cluster.stop().await
}

/// Attacks on and on through the node that is named.
async fn attack(
    battle: Battle,
    mut through: watch::Receiver<String>,
    accepted: Arc<Mutex<Accepted>>,
) -> Result<(), BenchError> {
    let url = through.borrow_and_update().clone();
    let mut client = channel(url).await?;
    let (attacker, target) = (&battle.players[0], &battle.players[1]);
    loop {
        if through.has_changed().unwrap_or(false) {
            let url = through.borrow_and_update().clone();
            client = channel(url).await?;
        }
        let wanted = v1::AttackRequest { command_id: id(), target_id: target.id.clone() };
        while !matches!(
            timeout(ANSWER_TIMEOUT, client.attack(with(wanted.clone(), &attacker.bearer))).await,
            Ok(Ok(_))
        ) {
            sleep(ATTACK_EVERY).await;
        }
        accepted.lock().await.now();
        sleep(ATTACK_EVERY).await;
    }
}

async fn channel(url: String) -> Result<CommandServiceClient<Channel>, BenchError> {
    Ok(connect(&url, 1).await?.remove(0))
}

fn report(what: &str, pauses: &[Duration], target_ms: f64) {
    let mut times_ms: Vec<_> = pauses.iter().map(|pause| pause.as_secs_f64() * 1_000.0).collect();
    let each: Vec<_> = times_ms.iter().map(|time_ms| format!("{time_ms:.0}")).collect();
    times_ms.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (times_ms.first(), times_ms.last()) else { return };
    let median = times_ms[times_ms.len() / 2];
    let verdict = match target_ms.is_finite() {
        true if *most < target_ms => format!(", below {target_ms:.0} ms"),
        true => format!(", NOT below {target_ms:.0} ms"),
        false => String::new(),
    };
    println!("{what}: {median:.0} ms ({least:.0} to {most:.0}, {} times){verdict}", times_ms.len());
    println!("    one after the other: {}", each.join(", "));
}

//! What it takes to show one board to many sockets, beside the least that any server could take for it.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin fan_out
//!
//! In turns: a server whose board moves at a given pace, and a program that does nothing but one `write` of a frame of the same size to
//! each of the same number of sockets at the same pace. Both are measured in deliveries a second of their own processor time, as counted
//! by the sockets' other ends in this process, which shares the machine's processors with them.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

mod floor;
mod receiver;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use nimaora_api::v1;
use nimaora_benches::players::{connect, id, with};
use nimaora_benches::{Battle, BenchError, Child};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::floor::Floor;
use self::receiver::{Receivers, Sighting, Target};

/// What is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Sockets that are subscribed to the one battle.
    #[arg(long, default_value_t = 9_000)]
    sockets: usize,
    /// Boards a second; 0 is as many as get through.
    #[arg(long, default_value_t = 4.5)]
    boards_per_second: f64,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often both are measured in turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Sockets take compressed boards, as those of browsers do.
    #[arg(long)]
    deflate: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand, Debug)]
enum Part {
    /// The least that a server can do; started by the measurement itself.
    Floor { sockets: usize, frame_bytes: usize, every_micros: u64 },
}

/// How often the board moves where as many boards as possible are to get through: more than anybody can send to thousands, and few enough
/// that the processors send boards, rather than carry out attacks whose boards nobody sees.
const MOVES_PER_SECOND_MAX: f64 = 40.0;
/// What is left to settle before anything is counted.
const SETTLE: Duration = Duration::from_secs(2);

/// What one of the two did.
#[derive(Clone, Copy, Debug)]
struct Measured {
    deliveries: u64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Measured {
    fn per_second(self) -> f64 {
        self.deliveries as f64 / self.seconds
    }

    fn per_cpu_second(self) -> f64 {
        self.deliveries as f64 / self.cpu_seconds.max(0.01)
    }
}

fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    if let Some(Part::Floor { sockets, frame_bytes, every_micros }) = args.part {
        return floor::run(Floor { sockets, frame_bytes, every: Duration::from_micros(every_micros) });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure(&args))
}

async fn measure(args: &Args) -> Result<(), BenchError> {
    println!("{} sockets, {} s each, in turns", args.sockets, args.seconds);
    println!(
        "|         | deliveries/s | per CPU second | CPU s a million | board P50 / P99, ms | alert P50 / P99, ms |"
    );
    let (mut shares, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let (server, frame_bytes) = server_round(args).await?;
        let floor = floor_round(args, frame_bytes).await?;
        shares.push(server.per_cpu_second() / floor.per_cpu_second());
        rates.push(server.per_second() / floor.per_second());
    }
    println!("share of the floor per CPU second, median: {:.2}", median(&mut shares));
    println!("share of the floor's deliveries a second, median: {:.2}", median(&mut rates));
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A server whose board is moved by attacks. Answers the size of a board's frame too.
async fn server_round(args: &Args) -> Result<(Measured, usize), BenchError> {
    let pace = if args.boards_per_second > 0.0 { args.boards_per_second } else { MOVES_PER_SECOND_MAX };
    // The shortest time between boards is well below the time between moves, so each move is shown at once.
    let tick_ms = (1_000.0 / pace / 4.0).max(1.0) as u64;
    let server = Child::server_with(&[format!("realtime.board_tick_ms={tick_ms}")])?;
    let battle = Battle::running(&server, 10).await?;
    let channel = format!("battle.{}", battle.id);
    let before_kib = server.resident_bytes()? / 1_024;
    let mut receivers = Receivers::connect(&server.url, args.sockets, Some(&channel), args.deflate).await?;
    let mut target = Target::connect(&server.url, &battle.players[1]).await?;
    sleep(SETTLE).await;
    let grown_kib = (server.resident_bytes()? / 1_024).saturating_sub(before_kib);
    let frame_bytes = usize::try_from(receivers.frame_bytes()).unwrap_or_default();
    receivers.sightings();

    let (cpu, boards, began) = (server.cpu_seconds()?, receivers.boards(), Instant::now());
    let moves = move_board(&server, &battle, pace, Duration::from_secs(args.seconds)).await?;
    let measured = Measured {
        deliveries: receivers.boards() - boards,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: server.cpu_seconds()? - cpu,
    };
    sleep(SETTLE).await;
    let seen = |sightings: &[Sighting]| {
        let latencies = latencies(&moves, sightings);
        format!("{} / {}", at(&latencies, 0.5), at(&latencies, 0.99))
    };
    row("server", measured, &seen(&receivers.sightings()), &seen(&target.alerts()));
    println!("|         {frame_bytes} bytes a board; memory grew by {grown_kib} KiB with its sockets |");
    Ok((measured, frame_bytes))
}

async fn floor_round(args: &Args, frame_bytes: usize) -> Result<Measured, BenchError> {
    let every = if args.boards_per_second > 0.0 { 1_000_000.0 / args.boards_per_second } else { 0.0 };
    let arguments = [args.sockets.to_string(), frame_bytes.to_string(), (every as u64).to_string()];
    let floor = Child::this_program_with(&[&["floor".to_owned()], &arguments[..]].concat())?;
    let receivers = Receivers::connect(&floor.url, args.sockets, None, false).await?;
    sleep(SETTLE).await;
    let (cpu, boards, began) = (floor.cpu_seconds()?, receivers.boards(), Instant::now());
    sleep(Duration::from_secs(args.seconds)).await;
    let measured = Measured {
        deliveries: receivers.boards() - boards,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: floor.cpu_seconds()? - cpu,
    };
    row("floor", measured, "", "");
    Ok(measured)
}

fn row(name: &str, measured: Measured, boards: &str, alerts: &str) {
    println!(
        "| {name:7} | {:12.0} | {:14.0} | {:15.2} | {boards:19} | {alerts:19} |",
        measured.per_second(),
        measured.per_cpu_second(),
        1e6 / measured.per_cpu_second(),
    );
}

/// Attacks at this pace for so long; answers when each was sent, by its position.
async fn move_board(
    server: &Child,
    battle: &Battle,
    pace: f64,
    duration: Duration,
) -> Result<BTreeMap<u64, Instant>, BenchError> {
    let mut client = connect(&server.url, 1).await?.remove(0);
    let mut moves = BTreeMap::new();
    let mut ticks = interval(Duration::from_secs_f64(1.0 / pace));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let began = Instant::now();
    while began.elapsed() < duration {
        ticks.tick().await;
        let sent = Instant::now();
        let attack = v1::AttackRequest { command_id: id(), target_id: battle.players[1].id.clone() };
        let answer = client.attack(with(attack, &battle.players[0].bearer)).await?.into_inner();
        moves.insert(answer.position, sent);
    }
    Ok(moves)
}

/// From each attack to the first board at each witness that shows it, in milliseconds, shortest first. What was never shown, as the
/// last ones of a measurement at full speed, has none.
fn latencies(moves: &BTreeMap<u64, Instant>, sightings: &[Sighting]) -> Vec<f64> {
    let mut witnesses: BTreeMap<usize, Vec<&Sighting>> = BTreeMap::new();
    for sighting in sightings {
        witnesses.entry(sighting.witness).or_default().push(sighting);
    }
    let mut latencies = Vec::new();
    for seen in witnesses.values() {
        for (position, sent) in moves {
            if let Some(first) = seen.get(seen.partition_point(|one| one.as_of < *position)) {
                latencies.push(first.at.duration_since(*sent).as_secs_f64() * 1_000.0);
            }
        }
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

fn at(sorted: &[f64], share: f64) -> String {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).map_or("-".to_owned(), |ms| format!("{ms:.1}"))
}

//! What the embedded log costs beside appending: opening it, its index in memory, and folding a battle from it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nimaora_domain::event::{AttackLanded, Event};
use nimaora_domain::{Balance, Battle, CommandId, ParticipantId, Timestamp, codec};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, ChainHead, Direction, Envelope, EventLog, Expected, envelope};
use nimaora_runtime::Clock;
use uuid::Uuid;

use crate::stores::Outcome;

const EVENTS: u64 = 1_000_000;
const GROUP: u64 = 500;
const PAGE: usize = 2_048;
const ROUNDS: usize = 5;

/// Prints what each step took.
pub fn run(dir: &Path) -> Outcome<()> {
    let folder = tempfile::tempdir_in(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    runtime.block_on(fill(folder.path(), GROUP, 1))?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system()))?;
        let opened = begun.elapsed();
        rates.push(runtime.block_on(fold(&log))?);
        let [verified, folded, read] = rates[rates.len() - 1];
        println!(
            "opened {EVENTS} events in {:.2} s; events/s (of processor time): verified and folded {verified}, \
             folded {folded}, read {read}",
            opened.as_secs_f64()
        );
    }
    for streams in [1, 1_000] {
        let folder = tempfile::tempdir_in(dir)?;
        runtime.block_on(fill(folder.path(), 1, streams))?;
        let before = resident_bytes()?;
        let begun = Instant::now();
        let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system()))?;
        let index = resident_bytes()?.saturating_sub(before) as f64 / 1e6;
        println!(
            "{EVENTS} appends of one event to {streams} streams: opened in {:.2} s, {index:.1} MB more resident",
            begun.elapsed().as_secs_f64()
        );
        drop(log);
    }
    Ok(())
}

/// Writes `EVENTS` attacks, `per_append` in each append.
async fn fill(dir: &Path, per_append: u64, streams: u64) -> Outcome<()> {
    let log = EmbeddedLog::open(dir, EmbeddedConfig::new(Clock::system()))?;
    let names: Vec<Arc<str>> =
        (0..streams).map(|n| format!("battle-{}", Uuid::from_u64_pair(n, 1)).into()).collect();
    let mut chain = ChainHead::default();
    let mut waiting = tokio::task::JoinSet::new();
    for n in 0..EVENTS / per_append {
        let stream = &names[(n % streams) as usize];
        let events = (0..per_append)
            .map(|at| {
                let number = n * per_append + at;
                let encoded = codec::encode(&attack(number));
                let revision = if streams == 1 { number } else { n / streams };
                let id = Uuid::from_u64_pair(number, 2);
                envelope::seal(
                    stream,
                    revision,
                    id,
                    encoded.event_type,
                    encoded.data,
                    &surroundings(number),
                    &mut chain,
                )
            })
            .collect();
        let append = Append { stream: Arc::clone(stream), expected: Expected::Any, events };
        let log = Arc::clone(&log);
        if per_append > 1 {
            log.append(append).await?;
            continue;
        }
        waiting.spawn(async move { log.append(append).await });
        if waiting.len() == 1_000 {
            while let Some(answer) = waiting.join_next().await {
                answer??;
            }
        }
    }
    while let Some(answer) = waiting.join_next().await {
        answer??;
    }
    println!(
        "{EVENTS} events, {per_append} in each append: the writer used {:.2} us of processor time an event",
        writer_seconds()? / EVENTS as f64 * 1e6
    );
    log.close().await;
    Ok(())
}

/// Events per second.
#[derive(Clone, Copy, Default)]
struct Rate {
    wall: f64,
    cpu: f64,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} ({:.0})", self.wall, self.cpu)
    }
}

/// Processor time of this process so far, all threads that still run.
fn cpu_seconds() -> Outcome<f64> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        nanos += task_nanos(&task?.path())?;
    }
    Ok(nanos as f64 / 1e9)
}

fn task_nanos(task: &Path) -> Outcome<u64> {
    let stat = std::fs::read_to_string(task.join("schedstat"))?;
    Ok(stat.split_whitespace().next().unwrap_or("0").parse()?)
}

/// Processor time of the thread that writes.
fn writer_seconds() -> Outcome<f64> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "log-writer" {
            return Ok(task_nanos(&task)? as f64 / 1e9);
        }
    }
    Err("no thread is called log-writer".into())
}

/// Events per second: verified and folded, folded only, read only.
async fn fold(log: &EmbeddedLog) -> Outcome<[Rate; 3]> {
    let stream = format!("battle-{}", Uuid::from_u64_pair(0, 1));
    let mut rates = [Rate::default(); 3];
    for (how, rate) in rates.iter_mut().enumerate() {
        let mut battle = Battle::default();
        let mut chain = ChainHead::default();
        let (begun, cpu_before, mut from) = (Instant::now(), cpu_seconds()?, 0);
        loop {
            let events = log.read_stream(&stream, from, Direction::Forwards, PAGE).await?;
            if events.is_empty() {
                break;
            }
            from += events.len() as u64;
            for event in &events {
                match how {
                    0 => battle.evolve(&envelope::open_recorded(event, &mut chain)?),
                    1 => battle.evolve(&envelope::to_recorded(event)?),
                    _ => {}
                }
            }
        }
        *rate = Rate {
            wall: from as f64 / begun.elapsed().as_secs_f64(),
            cpu: from as f64 / (cpu_seconds()? - cpu_before),
        };
    }
    Ok(rates)
}

fn attack(n: u64) -> Event {
    let balance = Balance { points: 10, shields: 3, arrows: 7 };
    Event::AttackLanded(AttackLanded {
        attacker_id: ParticipantId(Uuid::from_u64_pair(n % 1_000, 3)),
        target_id: ParticipantId(Uuid::from_u64_pair(n % 999, 3)),
        blocked: false,
        points_deducted: 1,
        attacker_balance: balance,
        target_balance: balance,
    })
}

fn surroundings(n: u64) -> Envelope {
    Envelope {
        command_id: CommandId(Uuid::from_u64_pair(n, 4)),
        correlation_id: Uuid::from_u64_pair(n, 5),
        causation_id: Uuid::from_u64_pair(n, 4),
        actor: format!("participant:{}", Uuid::from_u64_pair(n % 1_000, 3)),
        time: Timestamp::from_millis(1_795_484_834_120),
        traceparent: None,
    }
}

fn resident_bytes() -> Outcome<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident: u64 = pages.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(resident * 4_096)
}

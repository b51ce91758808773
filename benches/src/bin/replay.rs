//! How many events a second are folded from the embedded log to a battle's state, as a node does that takes a battle over:
//! read, every hash checked, decoded, evolved.
//!
//!     cargo run --release -p nimaora-benches --bin replay
//!
//! How fast tables and board are rebuilt is measured by `cargo run --release -p nimaora-projection-service --example rebuild`.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::time::Instant;

use clap::Parser;
use nimaora_domain::decide::Decision;
use nimaora_domain::{
    Actor, AnswerKey, Balance, Battle, BattleId, Command, CommandContext, CommandId, ParticipantId, Recorded,
    Rules, SessionId, Timestamp, codec, decide,
};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, ChainHead, Direction, Envelope, EventLog, Expected, NewEvent, envelope};
use nimaora_runtime::{Clock, process};
use uuid::Uuid;

/// What is measured.
#[derive(Parser, Debug)]
struct Args {
    /// Attacks in the battle.
    #[arg(long, default_value_t = 500_000)]
    attacks: u32,
    /// Players in the battle.
    #[arg(long, default_value_t = 2_000)]
    players: u32,
    /// How often it is replayed.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Events that are appended, and read, at a time.
const PAGE_EVENTS: usize = 1_024;
/// What everybody holds on joining: nobody runs out.
const INITIAL: Balance = Balance { points: 1_000_000, shields: 100, arrows: 1_000_000 };

#[tokio::main]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system()))?;
    let mut writing = Writing::new(&log);
    writing.play(&args).await?;
    let events = writing.revision;
    println!("{events} events in the log; target: 500000 events a second");
    for round in 1..=args.rounds {
        let checked = replay(&log, writing.id, true).await?;
        let unchecked = replay(&log, writing.id, false).await?;
        for (battle, _) in [&checked, &unchecked] {
            if battle.revision() != writing.battle.revision()
                || battle.standings() != writing.battle.standings()
            {
                return Err("the replayed battle is another than the one that was played".into());
            }
        }
        println!(
            "round {round}: {} with every hash checked, {} without",
            checked.1.of(events),
            unchecked.1.of(events)
        );
    }
    log.close().await;
    Ok(())
}

/// What a replay took.
struct Spent {
    seconds: f64,
    /// Processor time, which other programs on the machine do not lengthen as they do the first.
    cpu_seconds: f64,
}

impl Spent {
    fn of(&self, events: u64) -> String {
        let micros = self.cpu_seconds * 1e6 / events as f64;
        format!("{:.0} events a second ({micros:.2} µs of processor time each)", events as f64 / self.seconds)
    }
}

/// Folds the battle from the log, and says what that took.
async fn replay(log: &EmbeddedLog, id: BattleId, checks_hashes: bool) -> Outcome<(Battle, Spent)> {
    let (began, cpu_before) = (Instant::now(), process::usage().cpu_seconds);
    let stream = id.stream();
    let (mut battle, mut chain, mut next) = (Battle::default(), ChainHead::default(), 0);
    loop {
        let page = log.read_stream(&stream, next, Direction::Forwards, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { break };
        next = last.revision + 1;
        for event in &page {
            let recorded = if checks_hashes {
                envelope::open_recorded(event, &mut chain)?
            } else {
                envelope::to_recorded(event)?
            };
            battle.evolve(&recorded);
        }
    }
    let cpu_seconds = process::usage().cpu_seconds - cpu_before;
    Ok((battle, Spent { seconds: began.elapsed().as_secs_f64(), cpu_seconds }))
}

/// A battle that is being played into the log.
struct Writing<'a> {
    log: &'a EmbeddedLog,
    id: BattleId,
    battle: Battle,
    chain: ChainHead,
    revision: u64,
    waiting: Vec<NewEvent>,
}

impl<'a> Writing<'a> {
    fn new(log: &'a EmbeddedLog) -> Self {
        let (id, battle, chain) = (BattleId(Uuid::from_u128(1)), Battle::default(), ChainHead::default());
        Self { log, id, battle, chain, revision: 0, waiting: Vec::new() }
    }

    async fn play(&mut self, args: &Args) -> Outcome<()> {
        let create = Command::CreateBattle {
            title: "replay".to_owned(),
            rules: Rules { initial: INITIAL, ..Rules::default() },
            questions: Vec::new(),
            starts_at: None,
            ends_at: None,
            join_code: "REPLAY".to_owned(),
        };
        self.give(Actor::Admin, &create).await?;
        for n in 0..args.players {
            let (participant_id, session_id) = player(n);
            let join = Command::Join { participant_id, username: format!("player {n}"), session_id };
            self.give(Actor::Guest, &join).await?;
        }
        self.give(Actor::Admin, &Command::StartBattle).await?;
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..args.attacks {
            let (attacker, step) = (random.u32(..args.players), random.u32(1..args.players));
            let (attacker_id, session_id) = player(attacker);
            let (target_id, _) = player((attacker + step) % args.players);
            let attack = Command::Attack { attacker_id, target_id };
            self.give(Actor::Participant(attacker_id, session_id), &attack).await?;
        }
        self.flush().await
    }

    async fn give(&mut self, actor: Actor, command: &Command) -> Outcome<()> {
        let command_id = CommandId(Uuid::from_u128(u128::from(self.revision) + 1));
        let received_at = Timestamp::from_millis(1_795_484_834_000 + i64::try_from(self.revision)?);
        let context = CommandContext { command_id, actor, received_at };
        let key = AnswerKey::new([7; 32]);
        let Decision::Append(events) = decide(self.id, &self.battle, &key, command, &context)? else {
            return Err("a command changed nothing".into());
        };
        for (event, index) in events.into_iter().zip(0..) {
            let surrounded = Envelope {
                command_id,
                correlation_id: command_id.0,
                causation_id: command_id.0,
                actor: "system".to_owned(),
                time: received_at,
                traceparent: None,
            };
            let (encoded, event_id) = (codec::encode(&event), command_id.event_id(index));
            let sealed = envelope::seal(
                &self.id.stream(),
                self.revision,
                event_id,
                encoded.event_type,
                encoded.data,
                &surrounded,
                &mut self.chain,
            );
            let recorded =
                Recorded { revision: self.revision, event_id, command_id, time: received_at, event };
            self.battle.evolve(&recorded);
            self.revision += 1;
            self.waiting.push(sealed);
        }
        if self.waiting.len() >= PAGE_EVENTS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Outcome<()> {
        if !self.waiting.is_empty() {
            let events = std::mem::take(&mut self.waiting);
            let stream = self.id.stream().into();
            self.log.append(Append { stream, expected: Expected::Any, events }).await?;
        }
        Ok(())
    }
}

/// The ids of a player: spread like real ones, whose last half is random.
fn player(n: u32) -> (ParticipantId, SessionId) {
    let random = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let id = Uuid::from_u64_pair(0x019a_0000_0000_7000 + u64::from(n) / 16, random);
    (ParticipantId(id), SessionId(id))
}

//! How long a start takes until the timers know the log: from its beginning, and from where they were.
//!
//! `cargo run --release -p nimaora-command-service --example timers_start [EVENTS]`
//!
//! In local files and in JetStream on one server. Each battle has a thousand events, of which three are of its life.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nimaora_command_service::{CommandService, Config, Deps, SoleOwner};
use nimaora_domain::event::{BattleCreated, BattleFinished, BattleStarted};
use nimaora_domain::{AnswerKey, BattleId, CommandId, Event, Rules, Timestamp, codec};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Append, ChainHead, Envelope, Expected, NewEvent, envelope};
use nimaora_local_servers::{Nats, NatsOptions, scratch};
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{MemoryPresence, TokenSigner, TokenVerifier};
use uuid::Uuid;

const EVENTS: usize = 200_000;
const EVENTS_OF_A_BATTLE: usize = 1_000;
const EVENTS_OF_AN_APPEND: usize = 250;
/// What an attack's event and its metadata have, in bytes.
const BYTES_EACH: usize = 350;

#[tokio::main]
async fn main() {
    let events = std::env::args().nth(1).map_or(EVENTS, |text| text.parse().unwrap());
    let folder = scratch().unwrap();
    let embedded = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(Clock::system())).unwrap();
    measure("local files", embedded, events, &folder.path().join("of-embedded")).await;
    let options = NatsOptions { sync_always: false, ..NatsOptions::default() };
    let nats = Nats::start(&folder.path().join("nats"), options).await.unwrap();
    let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.unwrap();
    measure("JetStream", log, events, &folder.path().join("of-jetstream")).await;
}

async fn measure(name: &str, log: SharedLog, events: usize, kept: &Path) {
    for _ in 0..events / EVENTS_OF_A_BATTLE {
        write_battle(&*log).await;
    }
    let first = start(Arc::clone(&log), kept).await;
    let again = start(log, kept).await;
    let rate = events as f64 / first.as_secs_f64();
    println!("{name}: {events} events: {first:.2?} ({rate:.0} events a second), then {again:.2?}");
}

async fn write_battle(log: &dyn nimaora_event_log::EventLog) {
    let stream: Arc<str> = BattleId(Uuid::now_v7()).stream().into();
    let at = Timestamp::from_millis(0);
    let created = BattleCreated {
        title: "A battle".into(),
        rules: Rules::default(),
        questions: Vec::new(),
        starts_at: None,
        ends_at: None,
        join_code: "ABCDEFGH".into(),
    };
    let mut events = vec![life(&stream, 0, &Event::BattleCreated(created))];
    events.push(life(&stream, 1, &Event::BattleStarted(BattleStarted { started_at: at })));
    events.extend((3..EVENTS_OF_A_BATTLE).map(|_| attack()));
    let last = events.len() as u64;
    events.push(life(&stream, last, &Event::BattleFinished(BattleFinished { finished_at: at })));
    let mut expected = Expected::NoStream;
    for group in events.chunks(EVENTS_OF_AN_APPEND) {
        let append = Append { stream: Arc::clone(&stream), expected, events: group.to_vec() };
        expected = Expected::Exact(log.append(append).await.unwrap().last_revision);
    }
}

fn life(stream: &str, revision: u64, event: &Event) -> NewEvent {
    let id = Uuid::new_v4();
    let surrounding = Envelope {
        command_id: CommandId(id),
        correlation_id: id,
        causation_id: id,
        actor: "admin".into(),
        time: Timestamp::from_millis(0),
        traceparent: None,
    };
    let codec::Encoded { event_type, data } = codec::encode(event);
    envelope::seal(stream, revision, id, event_type, data, &surrounding, &mut ChainHead::default())
}

/// The timers pass it over, whatever is in it.
fn attack() -> NewEvent {
    let bytes: tonic::codegen::Bytes = vec![b'x'; BYTES_EACH].into();
    NewEvent { id: Uuid::new_v4(), event_type: "AttackLanded".into(), data: bytes.clone(), metadata: bytes }
}

/// How long it takes until the service is ready.
async fn start(log: SharedLog, kept: &Path) -> Duration {
    let signer = TokenSigner::from_seed([7; 32]);
    let deps = Deps {
        log,
        presence: Arc::new(MemoryPresence::new()),
        ownership: Arc::new(SoleOwner::default()),
        verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
        signer,
        answer_key: AnswerKey::new([9; 32]),
        clock: Clock::system(),
    };
    let (shutdown, health) = (Shutdown::new(), Health::default());
    let config = Config { snapshot_dir: Some(kept.to_owned()), ..Config::default() };
    let began = Instant::now();
    let service = CommandService::start(deps, config, &shutdown, &health);
    health.watch().wait_for(|ready| *ready).await.unwrap();
    let took = began.elapsed();
    shutdown.finish(Duration::from_secs(60)).await;
    drop(service);
    took
}

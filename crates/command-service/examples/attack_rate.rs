//! How many durable attacks a second one battle takes over gRPC, the client on the same machine, and what a bare echo of
//! the same stack takes in the same run.
//!
//! `cargo run --release -p nimaora-command-service --example attack_rate -- [players] [connections] [seconds]`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measurement for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_command_service::{CommandService, Config, Deps, SoleOwner};
use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_runtime::{Clock, Health, Shutdown, process};
use nimaora_sessions::{Claims, MemoryPresence, Role, TokenSigner, TokenVerifier};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use uuid::Uuid;

struct Player {
    id: String,
    bearer: MetadataValue<Ascii>,
}

fn argument(place: usize, default: usize) -> usize {
    std::env::args().nth(place).map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::main]
async fn main() {
    let (players, connections, seconds) = (argument(1, 2_000), argument(2, 4), argument(3, 10));
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::system();
    let log = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(clock.clone())).unwrap();
    let signer = TokenSigner::from_seed([7; 32]);
    let expires_at = Timestamp::from_millis(clock.now_ms() + 86_400_000);
    let admin: MetadataValue<Ascii> =
        format!("Bearer {}", signer.issue(&Claims { role: Role::Admin, expires_at })).parse().unwrap();
    let deps = Deps {
        log,
        presence: Arc::new(MemoryPresence::new()),
        ownership: Arc::new(SoleOwner::default()),
        verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
        signer,
        answer_key: AnswerKey::new([9; 32]),
        clock,
    };
    let shutdown = Shutdown::new();
    let config = Config { snapshot_dir: Some(folder.path().join("snapshots")), ..Config::default() };
    let service = CommandService::start(deps, config, &shutdown, &Health::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(Server::builder().add_service(service.grpc()).serve_with_incoming(incoming));

    let mut clients = Vec::new();
    for _ in 0..connections {
        let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
        clients.push(CommandServiceClient::new(channel));
    }
    let before = process::usage();
    let players = Arc::new(prepare(&clients[0], &admin, players).await);
    let after = process::usage();
    println!(
        "{} players joined; memory grew by {} KiB",
        players.len(),
        (after.resident_bytes - before.resident_bytes) / 1024
    );

    for in_flight in [64, 256, 1_024] {
        for (name, attacks) in [("durable attacks", true), ("heartbeats (no log)", false)] {
            let Rate { per_second, cpu_micros } =
                measure(&clients, &players, in_flight, seconds, attacks).await;
            println!(
                "{in_flight:>5} at a time: {per_second:>6.0} {name} a second, {cpu_micros:.0} µs of CPU each"
            );
        }
    }
    println!("memory in the end: {} KiB", process::usage().resident_bytes / 1024);
}

fn with<T>(message: T, bearer: &MetadataValue<Ascii>) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer.clone());
    request
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

/// A running battle in which nobody runs out of arrows or points.
async fn prepare(
    client: &CommandServiceClient<Channel>,
    admin: &MetadataValue<Ascii>,
    players: usize,
) -> Vec<Player> {
    let mut client = client.clone();
    let initial = Some(v1::Balance { points: 1_000_000, shields: 0, arrows: 1_000_000 });
    let rules = Some(v1::Rules { participants_max: 100_000, initial, ..Default::default() });
    let create =
        v1::CreateBattleRequest { command_id: id(), title: "rate".into(), rules, ..Default::default() };
    let battle_id = client.create_battle(with(create, admin)).await.unwrap().into_inner().battle_id;
    let join = |n: usize| {
        let mut client = client.clone();
        let request = v1::JoinRequest {
            command_id: id(),
            battle_id: battle_id.clone(),
            username: format!("player {n}"),
        };
        async move { client.join(request).await.unwrap().into_inner() }
    };
    let mut joined = Vec::new();
    let numbers: Vec<_> = (0..players).collect();
    for some in numbers.chunks(500) {
        joined.extend(futures::future::join_all(some.iter().map(|n| join(*n))).await);
    }
    let start = v1::StartBattleRequest { command_id: id(), battle_id };
    client.start_battle(with(start, admin)).await.unwrap();
    let player = |joined: v1::JoinResponse| {
        let bearer = format!("Bearer {}", joined.token).parse().unwrap();
        Player { id: joined.participant_id, bearer }
    };
    joined.into_iter().map(player).collect()
}

/// What calls take; client and server together.
struct Rate {
    per_second: f64,
    cpu_micros: f64,
}

/// Makes calls, so many at a time.
async fn measure(
    clients: &[CommandServiceClient<Channel>],
    players: &Arc<Vec<Player>>,
    in_flight: usize,
    seconds: usize,
    attacks: bool,
) -> Rate {
    let done = Arc::new(AtomicU64::new(0));
    let cpu_before = process::usage().cpu_seconds;
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds as u64);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..in_flight {
        let (mut client, players, done) =
            (clients[n % clients.len()].clone(), Arc::clone(players), Arc::clone(&done));
        tasks.spawn(async move {
            let mut at = n;
            while Instant::now() < end {
                at = (at + in_flight) % players.len();
                let (player, target) = (&players[at], &players[(at + 1) % players.len()]);
                if attacks {
                    let request = v1::AttackRequest { command_id: id(), target_id: target.id.clone() };
                    client.attack(with(request, &player.bearer)).await.unwrap();
                } else {
                    client.heartbeat(with(v1::HeartbeatRequest {}, &player.bearer)).await.unwrap();
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let done = done.load(Ordering::Relaxed) as f64;
    let cpu_micros = (process::usage().cpu_seconds - cpu_before) * 1e6 / done;
    Rate { per_second: done / began.elapsed().as_secs_f64(), cpu_micros }
}

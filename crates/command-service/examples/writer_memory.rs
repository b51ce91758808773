//! How much memory a battle of 20,000 participants takes in its writer, each with as many remembered commands as there can be.
//!
//! `cargo run --release -p nimaora-command-service --example writer_memory`
//!
//! One process plays the battle and a second one reads it from the log, so that nothing but the battle is measured.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a measurement for people")]

use std::path::Path;
use std::sync::Arc;

use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::command_service_server::CommandServiceServer;
use nimaora_command_service::grpc::Commands;
use nimaora_command_service::{CommandService, Config, Deps, SoleOwner};
use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_runtime::{Clock, Health, Shutdown, process};
use nimaora_sessions::{Claims, MemoryPresence, Role, TokenSigner, TokenVerifier};
use tonic::Request;
use uuid::Uuid;

const PARTICIPANTS: usize = 20_000;
const COMMANDS_EACH: usize = 17;
/// Calls at a time.
const AT_A_TIME: usize = 1_000;

type Client = CommandServiceClient<CommandServiceServer<Commands>>;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, folder, battle_id] = &arguments[..] {
        return read(Path::new(folder), battle_id).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let battle_id = play(folder.path()).await;
    let program = std::env::current_exe().unwrap();
    std::process::Command::new(program).arg(folder.path()).arg(battle_id).status().unwrap();
}

fn start(folder: &Path) -> (Arc<EmbeddedLog>, Client, Shutdown) {
    let clock = Clock::system();
    let log = EmbeddedLog::open(folder, EmbeddedConfig::new(clock.clone())).unwrap();
    let signer = TokenSigner::from_seed([7; 32]);
    let deps = Deps {
        log: Arc::clone(&log) as _,
        presence: Arc::new(MemoryPresence::new()),
        ownership: Arc::new(SoleOwner::default()),
        verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
        signer,
        answer_key: AnswerKey::new([9; 32]),
        clock,
    };
    let shutdown = Shutdown::new();
    let service = CommandService::start(deps, Config::default(), &shutdown, &Health::default());
    (log, CommandServiceClient::new(service.grpc()), shutdown)
}

fn bearer<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn admin<T>(message: T) -> Request<T> {
    let expires_at = Timestamp::from_millis(Clock::system().now_ms() + 86_400_000);
    bearer(message, &TokenSigner::from_seed([7; 32]).issue(&Claims { role: Role::Admin, expires_at }))
}

fn id() -> String {
    Uuid::new_v4().to_string()
}

/// Plays the battle and answers its id.
async fn play(folder: &Path) -> String {
    let (log, client, _shutdown) = start(folder);
    let initial = Some(v1::Balance { points: 1_000_000, shields: 0, arrows: 1_000 });
    let rules = Some(v1::Rules { initial, ..Default::default() });
    let create =
        v1::CreateBattleRequest { command_id: id(), title: "size".into(), rules, ..Default::default() };
    let battle_id = client.clone().create_battle(admin(create)).await.unwrap().into_inner().battle_id;
    let numbers: Vec<_> = (0..PARTICIPANTS).collect();
    let mut players = Vec::new();
    for some in numbers.chunks(AT_A_TIME) {
        let join = |n: &usize| {
            let (mut client, battle_id) = (client.clone(), battle_id.clone());
            let request =
                v1::JoinRequest { command_id: id(), battle_id, username: format!("participant {n}") };
            async move { client.join(request).await.unwrap().into_inner() }
        };
        players.extend(futures::future::join_all(some.iter().map(join)).await);
    }
    let start = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.clone() };
    client.clone().start_battle(admin(start)).await.unwrap();
    for _ in 0..COMMANDS_EACH {
        for some in players.chunks(AT_A_TIME) {
            let attack = |n: usize| {
                let target_id = some[(n + 1) % some.len()].participant_id.clone();
                let request = bearer(v1::AttackRequest { command_id: id(), target_id }, &some[n].token);
                let mut client = client.clone();
                async move { client.attack(request).await.unwrap() }
            };
            futures::future::join_all((0..some.len()).map(attack)).await;
        }
    }
    log.close().await;
    battle_id
}

/// Reads the battle into memory, and tells what that takes.
async fn read(folder: &Path, battle_id: &str) {
    let (_log, client, _shutdown) = start(folder);
    let nobody = v1::RemoveParticipantRequest {
        command_id: id(),
        battle_id: id(),
        participant_id: id(),
        reason: String::new(),
    };
    // A first call, so that what every call needs is not counted.
    drop(client.clone().remove_participant(admin(nobody.clone())).await);
    let before = process::usage();
    let began = std::time::Instant::now();
    let here = v1::RemoveParticipantRequest { battle_id: battle_id.to_owned(), ..nobody };
    client.clone().remove_participant(admin(here)).await.unwrap_err();
    let (took, after) = (began.elapsed(), process::usage());
    println!("{PARTICIPANTS} participants, {COMMANDS_EACH} commands each: read in {} ms", took.as_millis());
    println!("before: {} KiB, after: {} KiB", before.resident_bytes / 1024, after.resident_bytes / 1024);
    println!("the battle and its presence: {} KiB", (after.resident_bytes - before.resident_bytes) / 1024);
}

//! What one GetLeaderboard of 100 lines costs the server, from the request's bytes to the answer's: `cargo run --release -p
//! nimaora-query-gateway --example board_cost`. Once for a board that rests, once for one that changes before each question.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt, Full};
use nimaora_api::v1::GetLeaderboardRequest;
use nimaora_api::v1::query_service_server::QueryServiceServer;
use nimaora_change_bus::MemoryBus;
use nimaora_query_gateway::grpc::Queries;
use nimaora_query_gateway::{Config, Deps, QueryGateway};
use nimaora_read_models::Leaderboard;
use nimaora_read_models::contract::battle;
use nimaora_read_models::contract::leaderboard::{batch, joined, scored};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::TokenVerifier;
use prost::Message;
use tonic::body::Body;
use tonic::codegen::Service;

const PLAYERS: u32 = 2_000;
const QUESTIONS: u32 = 50_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let tables =
        SqliteReadModels::open(&folder.path().join("tables"), SqliteConfig::default()).await.unwrap();
    let board = Arc::new(MemoryLeaderboard::default());
    let players = (0..PLAYERS).map(|n| joined(n.into(), n, n.into())).collect();
    assert_eq!(board.apply(&[batch(1, players)], 1).await.unwrap().missing, vec![]);
    let deps = Deps {
        leaderboard: Arc::clone(&board) as Arc<_>,
        read_models: Arc::new(tables),
        replica: None,
        bus: Arc::new(MemoryBus::default()),
        verifier: Arc::new(TokenVerifier::new([])),
        clock: Clock::system(),
    };
    let mut service = QueryGateway::new(deps, Config::default(), &Shutdown::new()).grpc();
    let (mut resting, mut moving, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for _ in 0..QUESTIONS {
        let began = Instant::now();
        bytes = ask(&mut service).await;
        resting += began.elapsed();
    }
    for n in 0..QUESTIONS {
        let position = u64::from(n) + 2;
        let moved = batch(position, vec![scored((n % PLAYERS).into(), n, position)]);
        assert_eq!(board.apply(&[moved], position).await.unwrap().missing, vec![]);
        let began = Instant::now();
        bytes = ask(&mut service).await;
        moving += began.elapsed();
    }
    println!("{bytes} bytes; at rest {:?}, moving {:?} each", resting / QUESTIONS, moving / QUESTIONS);
}

/// Asks for the board, and answers how many bytes came back.
async fn ask(service: &mut QueryServiceServer<Queries>) -> usize {
    let asked =
        GetLeaderboardRequest { battle_id: battle(1).to_string(), ..GetLeaderboardRequest::default() };
    let message = asked.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    let request = Request::post("/nimaora.v1.QueryService/GetLeaderboard")
        .header("content-type", "application/grpc")
        .body(Body::new(Full::from(frame)))
        .unwrap();
    let answer = service.call(request).await.unwrap();
    let answer = answer.into_body().collect().await.unwrap();
    answer.to_bytes().len()
}

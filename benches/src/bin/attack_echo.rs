//! How many durable attacks a second one battle takes through the whole server, and what a bare echo of the same messages
//! takes: same client, same connections, same concurrency, in turns within one run.
//!
//!     cargo build --release -p nimaora && cargo run --release -p nimaora-benches --bin attack_echo
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use clap::Parser;
use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_benches::players::{Player, connect, id, with};
use nimaora_benches::{Battle, BenchError, Child};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// What is measured, and how.
#[derive(Parser, Debug)]
struct Args {
    /// Players in the battle.
    #[arg(long, default_value_t = 2_000)]
    players: usize,
    /// Connections, shared by all calls.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Calls under way at a time. By default each player waits for one answer; with fewer the batches, and so the ratio, are
    /// smaller.
    #[arg(long, default_value_t = 2_000)]
    in_flight: usize,
    /// Rounds of each kind, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a round lasts, in seconds.
    #[arg(long, default_value_t = 4)]
    round_seconds: u64,
    /// Runs as the echo.
    #[arg(long, hide = true)]
    echo: bool,
}

/// What a durable attack must reach, in attacks a second, and as a share of the echo.
const TARGET_PER_SECOND: f64 = 20_000.0;
const TARGET_RATIO: f64 = 0.6;

#[tokio::main]
async fn main() -> Result<(), BenchError> {
    let args = Args::parse();
    if args.echo {
        return echo().await;
    }
    let server = Child::server()?;
    let battle = Battle::running(&server, args.players).await?;
    let echo = Child::this_program("--echo")?;
    let players = Arc::new(battle.players);
    let attacking = connect(&server.url, args.connections).await?;
    let echoing = connect(&echo.url, args.connections).await?;
    let length = Duration::from_secs(args.round_seconds);
    // One round of each that does not count: caches fill, files grow.
    round(&attacking, &players, args.in_flight, length).await?;
    round(&echoing, &players, args.in_flight, length).await?;
    let (mut attacks, mut echoes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=args.rounds {
        let attack = round(&attacking, &players, args.in_flight, length).await?;
        let echo = round(&echoing, &players, args.in_flight, length).await?;
        let ratio = attack / echo;
        println!(
            "round {number}: {attack:>7.0} durable attacks a second, {echo:>7.0} echoes, ratio {ratio:.2}"
        );
        attacks.push(attack);
        echoes.push(echo);
        ratios.push(ratio);
    }
    let (attacks, echoes, ratio) = (median(attacks), median(echoes), median(ratios));
    println!("median:  {attacks:>7.0} durable attacks a second, {echoes:>7.0} echoes, ratio {ratio:.2}");
    println!("target:  {TARGET_PER_SECOND:>7.0} durable attacks a second, ratio {TARGET_RATIO}");
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Makes calls, so many at a time, and answers how many a second were accepted.
async fn round(
    clients: &[CommandServiceClient<Channel>],
    players: &Arc<Vec<Player>>,
    in_flight: usize,
    length: Duration,
) -> Result<f64, BenchError> {
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for n in 0..in_flight {
        let mut client = clients[n % clients.len()].clone();
        let (players, done) = (Arc::clone(players), Arc::clone(&done));
        callers.spawn(async move {
            while began.elapsed() < length {
                let (attacker, target) = draw(players.len());
                let target_id = players[target].id.clone();
                let request = v1::AttackRequest { command_id: id(), target_id };
                client.attack(with(request, &players[attacker].bearer)).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Status>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|error| BenchError::Invalid(error.to_string()))??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
}

/// Two different players.
fn draw(players: usize) -> (usize, usize) {
    let attacker = fastrand::usize(..players);
    (attacker, (attacker + fastrand::usize(1..players)) % players)
}

/// Answers every attack at once with an answer of the usual size: nothing but the transport.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "nimaora.v1.CommandService";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(Self, request).await) })
    }
}

impl UnaryService<v1::AttackRequest> for Echo {
    type Response = v1::AttackResponse;
    type Future = std::future::Ready<Result<Response<Self::Response>, Status>>;

    fn call(&mut self, request: Request<v1::AttackRequest>) -> Self::Future {
        // Read, as any server has to.
        let has_bearer = request.metadata().contains_key("authorization");
        std::future::ready(Ok(Response::new(v1::AttackResponse {
            blocked: !has_bearer,
            points_deducted: 1,
            balance: Some(v1::Balance { points: 999_999, shields: 0, arrows: 999_999 }),
            position: 1_000_000,
        })))
    }
}

async fn echo() -> Result<(), BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listens on http://{}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_service(Echo).serve_with_incoming(incoming).await?)
}

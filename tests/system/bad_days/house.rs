//! A cluster whose servers and processes the test holds in its hands: two command nodes, two projections, one node for queries.

use std::path::PathBuf;
use std::process::Stdio;

use nimaora_api::v1::{GetLeaderboardRequest, GetParticipantRequest};
use nimaora_local_servers::{NatsCluster, NatsOptions, PgBouncer, Port, Postgres, Redis};
use tokio::process::Command;
use tokio::time::timeout;
use tonic::Status;

use super::attacks::{Attacks, points_after, reason_to_try_again};
use super::disks::SmallDisk;
use crate::players::with_token;
use crate::proof::clean_audit;
use crate::server::{BINARY, PATIENCE, Server};

const DATABASE: &str = "postgres";
/// Connections that PgBouncer keeps to PostgreSQL.
const POOL_CONNECTIONS: u32 = 10;
/// Connections that PostgreSQL takes. Some are for itself.
pub(super) const CONNECTIONS_MAX: usize = 30;
/// How long one query may wait for its position, in milliseconds.
const QUERY_WAIT_MS: u32 = 2_000;

/// A process of the cluster, and the port that stays its own.
pub(super) struct Node {
    pub(super) server: Server,
    _port: Port,
}

/// A running cluster. Dropping it kills all of it.
pub(super) struct House {
    pub(super) commands: Vec<Node>,
    projections: Vec<Node>,
    queries: Node,
    pub(super) postgres: Postgres,
    pub(super) pgbouncer: PgBouncer,
    pub(super) redis: Redis,
    pub(super) nats: NatsCluster,
    /// Of the NATS servers, where each has one of its own.
    pub(super) disks: Vec<SmallDisk>,
    folder: tempfile::TempDir,
}

impl House {
    /// Starts all of it. `environment` is that of the command node with this number.
    pub(super) async fn start(environment: impl Fn(usize) -> Vec<(String, String)>) -> Self {
        Self::start_in(nimaora_local_servers::scratch().unwrap(), Vec::new(), environment).await
    }

    /// The same, with a small disk for each NATS server.
    pub(super) async fn start_on_small_disks() -> Self {
        let folder = nimaora_local_servers::scratch().unwrap();
        let nats = folder.path().join("nats");
        let disks = (0..3).map(|server| SmallDisk::mount(&nats.join(format!("nats-{server}")))).collect();
        Self::start_in(folder, disks, |_| Vec::new()).await
    }

    async fn start_in(
        folder: tempfile::TempDir,
        disks: Vec<SmallDisk>,
        environment: impl Fn(usize) -> Vec<(String, String)>,
    ) -> Self {
        let dir = |name: &str| folder.path().join(name);
        let most = format!("max_connections={CONNECTIONS_MAX}");
        let (nats_dir, redis_dir, postgres_dir) = (dir("nats"), dir("redis"), dir("postgres"));
        let settings = [most.as_str()];
        let (nats, redis, postgres) = tokio::try_join!(
            NatsCluster::start(&nats_dir, NatsOptions::default()),
            Redis::start(&redis_dir, &[]),
            Postgres::start(&postgres_dir, &settings),
        )
        .unwrap();
        let pgbouncer = PgBouncer::start(&dir("pgbouncer"), &postgres, POOL_CONNECTIONS, &[]).await.unwrap();
        let settings = format!(
            "secrets_dir = \"{secrets}\"\n[stores]\nlog = \"{nats}\"\ntables = \"{tables}\"\nleaderboard = \"{redis}\"\n\
             change_bus = \"{nats}\"\npresence = \"{redis}\"\nownership = \"{nats}\"\nnats_replicas = 3\n",
            secrets = dir("secrets").display(),
            nats = nats.url(),
            tables = pgbouncer.url(DATABASE),
            redis = redis.url(),
        );
        std::fs::write(dir("nimaora.toml"), settings).unwrap();
        let node = |role: &'static str, number: usize, environment: Vec<(String, String)>| {
            start_node(folder.path().to_owned(), role, number, environment)
        };
        // The first one makes the keys, and the others find them.
        let first = node("command", 0, environment(0)).await;
        let (second, one, other, queries) = tokio::join!(
            node("command", 1, environment(1)),
            node("projection", 0, Vec::new()),
            node("projection", 1, Vec::new()),
            node("query", 0, Vec::new()),
        );
        let (commands, projections) = (vec![first, second], vec![one, other]);
        Self { commands, projections, queries, postgres, pgbouncer, redis, nats, disks, folder }
    }

    /// A player begins to attack through all command nodes.
    pub(super) async fn attacks(&self) -> Attacks {
        let mut nodes = Vec::new();
        for node in &self.commands {
            nodes.push(node.server.commands().await);
        }
        Attacks::begin(nodes, &self.commands[0].server.admin_token()).await
    }

    /// Which command node owns a battle.
    pub(super) async fn owner(&self) -> usize {
        let found = async {
            loop {
                for (number, node) in self.commands.iter().enumerate() {
                    let (_, metrics) = crate::web::get(&node.server.address, "/metrics").await;
                    let owned = "nimaora_commands_battles_owned_count ";
                    let owned = metrics.lines().find_map(|line| line.strip_prefix(owned));
                    if owned.is_some_and(|count| count.trim().parse::<f64>().unwrap() > 0.0) {
                        return number;
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, found).await.expect("one of them owns the battle")
    }

    /// Waits until the board can be read, of any age.
    pub(super) async fn board_is_served(&self, attacks: &Attacks) {
        let mut queries = self.queries.server.queries().await;
        let ask = GetLeaderboardRequest { battle_id: attacks.battle_id.clone(), ..Default::default() };
        until_answered(async || queries.get_leaderboard(ask.clone()).await.map(drop)).await;
    }

    /// Waits until the tables hold what has landed by now.
    pub(super) async fn tables_hold_all(&self, attacks: &Attacks) {
        let mut queries = self.queries.server.queries().await;
        let (token, ask) = (&attacks.target.token, asks_for(attacks, attacks.position()));
        until_answered(async || queries.get_participant(with_token(token, ask.clone())).await.map(drop))
            .await;
    }

    /// Asks for the tables once, and waits for nothing: what has landed by now, or a refusal that says when to try again.
    pub(super) async fn tables_answer_or_refuse(&self, attacks: &Attacks) {
        let mut queries = self.queries.server.queries().await;
        let ask = with_token(&attacks.target.token, asks_for(attacks, attacks.position()));
        if let Err(refused) = queries.get_participant(ask).await {
            reason_to_try_again(&refused);
        }
    }

    /// The times of all events, as the log has them.
    pub(super) async fn times(&self) -> Vec<String> {
        let mut tail = Command::new(BINARY);
        tail.args(["audit", "tail", "--no-follow", "--config"]).arg(self.folder.path().join("nimaora.toml"));
        tail.arg("--data-dir").arg(self.folder.path().join("command-0")).stdin(Stdio::null());
        let told = timeout(PATIENCE, tail.kill_on_drop(true).output()).await.unwrap().unwrap();
        let lines = String::from_utf8(told.stdout).unwrap();
        lines.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
    }

    /// The end of every bad day: what was acknowledged is there once, in the tables and on the board, and an audit finds nothing.
    pub(super) async fn all_is_well(self, attacks: Attacks) {
        self.tables_hold_all(&attacks).await;
        let asked = asks_for(&attacks, 0);
        let (account, battle_id, target) = attacks.end().await;
        eprintln!("{} attacks landed, refused were {:?}", account.landed, account.refusals);
        let mut queries = self.queries.server.queries().await;
        let asked = GetParticipantRequest { min_position: account.position, ..asked };
        let mut points = None;
        until_answered(async || {
            let found = queries.get_participant(with_token(&target.token, asked.clone())).await?.into_inner();
            points = found.participant.unwrap().balance.map(|balance| balance.points);
            Ok(())
        })
        .await;
        assert_eq!(points, Some(points_after(account.landed)));
        let asked = GetLeaderboardRequest {
            battle_id,
            min_position: account.position,
            wait_ms: QUERY_WAIT_MS,
            ..Default::default()
        };
        let mut points = None;
        until_answered(async || {
            let board = queries.get_leaderboard(asked.clone()).await?.into_inner();
            let line = board.entries.iter().find(|line| line.participant_id == target.participant_id);
            points = line.map(|line| line.points);
            Ok(())
        })
        .await;
        assert_eq!(points, Some(points_after(account.landed)));
        let folder = self.folder.path();
        eprintln!("{}", clean_audit(&folder.join("nimaora.toml"), &folder.join("command-0")).await);
        for node in self.commands.into_iter().chain(self.projections).chain([self.queries]) {
            assert_eq!(node.server.terminate().await, 0);
        }
    }
}

async fn start_node(folder: PathBuf, role: &str, number: usize, environment: Vec<(String, String)>) -> Node {
    let port = Port::free().unwrap();
    let name = format!("{role}-{number}");
    let config = folder.join("nimaora.toml");
    let (config, node) = (config.to_str().unwrap(), format!("node.name={name}"));
    let settings = ["--config", config, "--role", role, "--set", &node];
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let listen = format!("127.0.0.1:{}", port.number());
    let server = Server::start_in(&environment, &settings, &folder.join(&name), &listen).await;
    Node { server, _port: port }
}

fn asks_for(attacks: &Attacks, position: u64) -> GetParticipantRequest {
    GetParticipantRequest {
        battle_id: attacks.battle_id.clone(),
        participant_id: attacks.target.participant_id.clone(),
        min_position: position,
        wait_ms: QUERY_WAIT_MS,
    }
}

/// Asks until there is an answer. Each refusal must say that trying again helps, and when.
async fn until_answered(mut ask: impl AsyncFnMut() -> Result<(), Status>) {
    let answered = async {
        while let Err(refused) = ask().await {
            reason_to_try_again(&refused);
        }
    };
    timeout(PATIENCE, answered).await.expect("the query is answered in time");
}

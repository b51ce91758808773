//! Several command services on one log, each with a listener of its own.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_command_service::ownership::nats::NatsOwnershipConfig;
use nimaora_command_service::{CommandService, Config, Deps, NatsOwnership, Owner, Ownership, SoleOwner};
use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::log::SharedLog;
use nimaora_local_servers::{Nats, NatsOptions};
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{Claims, MemoryPresence, Role, TokenSigner, TokenVerifier};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Status};
use uuid::Uuid;

/// Long enough for anything healthy; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SEED: [u8; 32] = [7; 32];

pub(crate) struct Node {
    pub(crate) service: CommandService,
    client: CommandServiceClient<Channel>,
    ownership: Arc<dyn Ownership>,
    shutdown: Shutdown,
    /// Everything of the node runs in here, so that it can go away at once.
    runtime: Option<Runtime>,
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Nodes on one log.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) nats: Option<Nats>,
    _folder: TempDir,
}

/// A running battle with two participants, the first of whom has 100 arrows.
pub(crate) struct Duel {
    pub(crate) battle_id: String,
    token: String,
    target_id: String,
}

pub(crate) fn id() -> String {
    Uuid::new_v4().to_string()
}

fn bearer<T>(request: T, token: &str) -> Request<T> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) fn leases(nats: &Nats, number: usize, url: String) -> NatsOwnershipConfig {
    NatsOwnershipConfig {
        url: nats.url(),
        bucket: "owners".to_owned(),
        replicas: 1,
        node: format!("node-{number}"),
        advertised_url: url,
    }
}

impl Cluster {
    /// Nodes that share leases.
    pub(crate) async fn start(count: usize) -> Self {
        let folder = nimaora_local_servers::scratch().unwrap();
        let nats = Nats::start(&folder.path().join("nats"), NatsOptions::default()).await.unwrap();
        Self::with(count, folder, Some(nats)).await
    }

    /// Nodes each of which believes that it is the only one.
    pub(crate) async fn start_alone(count: usize) -> Self {
        Self::with(count, nimaora_local_servers::scratch().unwrap(), None).await
    }

    async fn with(count: usize, folder: TempDir, nats: Option<Nats>) -> Self {
        let clock = Clock::system();
        let log = EmbeddedLog::open(&folder.path().join("log"), EmbeddedConfig::new(clock.clone())).unwrap();
        let mut nodes = Vec::new();
        for number in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let leases = nats.as_ref().map(|nats| leases(nats, number, url.clone()));
            let shutdown = Shutdown::new();
            let runtime = Runtime::new().unwrap();
            let start =
                start(Arc::clone(&log) as SharedLog, leases, listener.into_std().unwrap(), shutdown.clone());
            let (service, ownership) = runtime.spawn(start).await.unwrap();
            let client = CommandServiceClient::connect(url).await.unwrap();
            nodes.push(Node { service, client, ownership, shutdown, runtime: Some(runtime) });
        }
        Self { nodes, nats, _folder: folder }
    }

    /// A battle that was created at this node and runs.
    pub(crate) async fn duel(&self, node: usize) -> Duel {
        let expires_at = Timestamp::from_millis(Clock::system().now_ms() + 1_000_000_000);
        let admin = TokenSigner::from_seed(SEED).issue(&Claims { role: Role::Admin, expires_at });
        let mut client = self.nodes[node].client.clone();
        let initial = Some(v1::Balance { points: 1_000_000, shields: 0, arrows: 100 });
        let create = v1::CreateBattleRequest {
            command_id: id(),
            title: "A battle".to_owned(),
            rules: Some(v1::Rules { initial, ..Default::default() }),
            ..Default::default()
        };
        let battle_id = client.create_battle(bearer(create, &admin)).await.unwrap().into_inner().battle_id;
        let mut players = Vec::new();
        for username in ["Ann", "Bob"] {
            let (battle_id, username) = (battle_id.clone(), username.to_owned());
            let join = v1::JoinRequest { command_id: id(), battle_id, username };
            players.push(client.join(join).await.unwrap().into_inner());
        }
        let start = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.clone() };
        client.start_battle(bearer(start, &admin)).await.unwrap();
        Duel { battle_id, token: players[0].token.clone(), target_id: players[1].participant_id.clone() }
    }

    /// The arrows that are left after an attack that is sent to this node.
    pub(crate) async fn attack(&self, node: usize, command_id: &str, duel: &Duel) -> Result<u32, Status> {
        let request =
            v1::AttackRequest { command_id: command_id.to_owned(), target_id: duel.target_id.clone() };
        let answer = self.nodes[node].client.clone().attack(bearer(request, &duel.token)).await?;
        Ok(answer.into_inner().balance.unwrap().arrows)
    }

    /// The owner's name, as a node that is not leaving says.
    pub(crate) async fn owner_seen_by(&self, node: usize, duel: &Duel) -> String {
        let ownership = &self.nodes[node].ownership;
        match ownership.owner(duel.battle_id.parse().unwrap()).await.unwrap() {
            Owner::Me => format!("node-{node}"),
            Owner::Other(peer) => peer.node.to_string(),
        }
    }

    /// The node answers nobody any more and gives nothing up.
    pub(crate) fn crash(&mut self, node: usize) {
        if let Some(runtime) = self.nodes[node].runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) async fn stop(&mut self) {
        for node in self.nodes.iter().filter(|node| node.runtime.is_some()) {
            assert!(node.shutdown.finish(PATIENCE).await, "a node did not end");
        }
    }
}

/// Starts a node in the runtime that this runs in.
async fn start(
    log: SharedLog,
    leases: Option<NatsOwnershipConfig>,
    listener: std::net::TcpListener,
    shutdown: Shutdown,
) -> (CommandService, Arc<dyn Ownership>) {
    let ownership: Arc<dyn Ownership> = match leases {
        Some(leases) => Arc::new(NatsOwnership::connect(leases).await.unwrap()),
        None => Arc::new(SoleOwner::default()),
    };
    let signer = TokenSigner::from_seed(SEED);
    let deps = Deps {
        log,
        presence: Arc::new(MemoryPresence::new()),
        ownership: Arc::clone(&ownership),
        verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
        signer,
        answer_key: AnswerKey::new([9; 32]),
        clock: Clock::system(),
    };
    let service = CommandService::start(deps, Config::default(), &shutdown, &Health::default());
    let serve = Server::builder().add_service(service.grpc());
    let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
    tokio::spawn(serve.serve_with_incoming(incoming));
    (service, ownership)
}

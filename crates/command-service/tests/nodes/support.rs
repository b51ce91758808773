//! Several command services on one log, each with a listener of its own.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_command_service::ownership::nats::NatsOwnershipConfig;
use nimaora_command_service::{CommandService, Config, Deps, NatsOwnership, Owner, Ownership, SoleOwner};
use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::jetstream::{JetStreamConfig, JetStreamLog};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{EventLog, Filter, RecordedEvent, SubscriptionMessage};
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
    pub(crate) health: Health,
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

/// Where a node's log is.
#[derive(Clone)]
enum Log {
    /// Within this process, shared by all nodes.
    Here(SharedLog),
    /// In JetStream; each node has a connection of its own.
    JetStream(String),
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

/// The request with an admin's token.
fn admin<T>(request: T) -> Request<T> {
    let expires_at = Timestamp::from_millis(Clock::system().now_ms() + 1_000_000_000);
    bearer(request, &TokenSigner::from_seed(SEED).issue(&Claims { role: Role::Admin, expires_at }))
}

/// The bucket of the leases.
pub(crate) const BUCKET: &str = "owners";

pub(crate) fn leases(nats: &Nats, number: usize, url: String) -> NatsOwnershipConfig {
    leases_at(nats.url(), 1, number, url)
}

pub(crate) fn leases_at(nats: String, replicas: usize, number: usize, url: String) -> NatsOwnershipConfig {
    NatsOwnershipConfig {
        url: nats,
        bucket: BUCKET.to_owned(),
        replicas,
        node: format!("node-{number}"),
        advertised_url: url,
    }
}

impl Cluster {
    /// Nodes that share leases.
    pub(crate) async fn start(count: usize) -> Self {
        let folder = nimaora_local_servers::scratch().unwrap();
        let nats = Nats::start(&folder.path().join("nats"), NatsOptions::default()).await.unwrap();
        let log = Log::Here(embedded(&folder));
        Self::with(count, folder, Some(nats), log, Config::default()).await
    }

    /// Nodes that share leases and keep their log in the same NATS server, which has these lines of configuration besides.
    pub(crate) async fn start_on_jetstream(count: usize, lines: &str) -> Self {
        Self::start_with(count, lines, Config::default()).await
    }

    /// The same with these settings.
    pub(crate) async fn start_with(count: usize, lines: &str, config: Config) -> Self {
        let folder = nimaora_local_servers::scratch().unwrap();
        let dir = folder.path().join("nats");
        let nats = Nats::start_with(&dir, NatsOptions::default(), lines).await.unwrap();
        let log = Log::JetStream(nats.url());
        Self::with(count, folder, Some(nats), log, config).await
    }

    /// Nodes each of which believes that it is the only one.
    pub(crate) async fn start_alone(count: usize) -> Self {
        let folder = nimaora_local_servers::scratch().unwrap();
        let log = Log::Here(embedded(&folder));
        Self::with(count, folder, None, log, Config::default()).await
    }

    async fn with(count: usize, folder: TempDir, nats: Option<Nats>, log: Log, config: Config) -> Self {
        let presence = Arc::new(MemoryPresence::new());
        let mut nodes = Vec::new();
        for number in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let leases = nats.as_ref().map(|nats| leases(nats, number, url.clone()));
            let shutdown = Shutdown::new();
            let runtime = Runtime::new().unwrap();
            let (log, presence, config) = (log.clone(), Arc::clone(&presence), config.clone());
            let listener = listener.into_std().unwrap();
            let start = start((log, presence, config), leases, listener, shutdown.clone());
            let (service, ownership, health) = runtime.spawn(start).await.unwrap();
            let client = CommandServiceClient::connect(url).await.unwrap();
            nodes.push(Node { service, client, ownership, shutdown, health, runtime: Some(runtime) });
        }
        Self { nodes, nats, _folder: folder }
    }

    /// A battle that was created at this node and runs.
    pub(crate) async fn duel(&self, node: usize) -> Duel {
        let mut client = self.nodes[node].client.clone();
        let initial = Some(v1::Balance { points: 1_000_000, shields: 0, arrows: 100 });
        let create = v1::CreateBattleRequest {
            command_id: id(),
            title: "A battle".to_owned(),
            rules: Some(v1::Rules { initial, ..Default::default() }),
            ..Default::default()
        };
        let battle_id = client.create_battle(admin(create)).await.unwrap().into_inner().battle_id;
        let mut players = Vec::new();
        for username in ["Ann", "Bob"] {
            let (battle_id, username) = (battle_id.clone(), username.to_owned());
            let join = v1::JoinRequest { command_id: id(), battle_id, username };
            players.push(client.join(join).await.unwrap().into_inner());
        }
        let start = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.clone() };
        client.start_battle(admin(start)).await.unwrap();
        Duel { battle_id, token: players[0].token.clone(), target_id: players[1].participant_id.clone() }
    }

    /// The arrows that are left after an attack that is sent to this node.
    pub(crate) async fn attack(&self, node: usize, command_id: &str, duel: &Duel) -> Result<u32, Status> {
        let request =
            v1::AttackRequest { command_id: command_id.to_owned(), target_id: duel.target_id.clone() };
        let answer = self.nodes[node].client.clone().attack(bearer(request, &duel.token)).await?;
        Ok(answer.into_inner().balance.unwrap().arrows)
    }

    /// A running battle with one question that somebody else judges, and the tokens of so many participants.
    pub(crate) async fn essays(&self, node: usize, participants: usize) -> Vec<String> {
        let created = self.create(node, "Say it in your own words.").await.unwrap();
        let (mut client, battle_id) = (self.nodes[node].client.clone(), created.battle_id);
        let mut tokens = Vec::new();
        for number in 0..participants {
            let (battle_id, username) = (battle_id.clone(), format!("Ann {number}"));
            let join = v1::JoinRequest { command_id: id(), battle_id, username };
            tokens.push(client.join(join).await.unwrap().into_inner().token);
        }
        client.start_battle(admin(v1::StartBattleRequest { command_id: id(), battle_id })).await.unwrap();
        tokens
    }

    /// A battle with one question that somebody else judges.
    pub(crate) async fn create(&self, node: usize, prompt: &str) -> Result<v1::CreateBattleResponse, Status> {
        self.create_scheduled(node, prompt, None).await
    }

    /// The same, which starts and ends so many milliseconds from now.
    pub(crate) async fn create_scheduled(
        &self,
        node: usize,
        prompt: &str,
        from_now_ms: Option<(i64, i64)>,
    ) -> Result<v1::CreateBattleResponse, Status> {
        let at = |millis: i64| {
            let at = Clock::system().now_ms() + millis;
            let nanos = i32::try_from(at % 1_000 * 1_000_000).unwrap();
            Some(prost_types::Timestamp { seconds: at / 1_000, nanos })
        };
        let schedule =
            from_now_ms.map(|(starts, ends)| v1::Schedule { starts_at: at(starts), ends_at: at(ends) });
        let kind = v1::QuestionKind::External.into();
        let question =
            v1::NewQuestion { kind, prompt: prompt.to_owned(), attempts_max: 1, ..Default::default() };
        let create = v1::CreateBattleRequest {
            command_id: id(),
            title: "A battle".to_owned(),
            rules: Some(v1::Rules::default()),
            questions: vec![question],
            schedule,
        };
        Ok(self.nodes[node].client.clone().create_battle(admin(create)).await?.into_inner())
    }

    /// Hands an answer in to the first question.
    pub(crate) async fn hand_in(&self, node: usize, token: &str, answer: &str) -> Result<(), Status> {
        let answer = answer.to_owned();
        let request = v1::SubmitAnswerRequest { command_id: id(), question_id: 1, answer };
        self.nodes[node].client.clone().submit_answer(bearer(request, token)).await.map(drop)
    }

    /// A sign of life that is sent to this node.
    pub(crate) async fn heartbeat(&self, node: usize, token: &str) -> Result<(), Status> {
        self.nodes[node].client.clone().heartbeat(bearer(v1::HeartbeatRequest {}, token)).await.map(drop)
    }

    /// The events of these types in JetStream, in order, once `enough` of them are there.
    pub(crate) async fn events(
        &self,
        types: &[&str],
        enough: impl Fn(&[RecordedEvent]) -> bool,
    ) -> Vec<RecordedEvent> {
        let url = self.nats.as_ref().unwrap().url();
        let log = JetStreamLog::connect(JetStreamConfig::new(&url, Clock::system())).await.unwrap();
        let filter =
            Filter { type_prefixes: types.iter().map(|name| (*name).into()).collect(), ..Filter::default() };
        let wait = async {
            let (mut events, mut following) = (Vec::new(), log.subscribe(0, filter).await.unwrap());
            while !enough(&events) {
                if let SubscriptionMessage::Events(more) = following.next().await.unwrap() {
                    events.extend(more);
                }
            }
            events
        };
        tokio::time::timeout(2 * PATIENCE, wait).await.expect("the events did not come")
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

fn embedded(folder: &TempDir) -> SharedLog {
    EmbeddedLog::open(&folder.path().join("log"), EmbeddedConfig::new(Clock::system())).unwrap()
}

/// Starts a node in the runtime that this runs in.
async fn start(
    (log, presence, config): (Log, Arc<MemoryPresence>, Config),
    leases: Option<NatsOwnershipConfig>,
    listener: std::net::TcpListener,
    shutdown: Shutdown,
) -> (CommandService, Arc<dyn Ownership>, Health) {
    let ownership: Arc<dyn Ownership> = match leases {
        Some(leases) => Arc::new(NatsOwnership::connect(leases).await.unwrap()),
        None => Arc::new(SoleOwner::default()),
    };
    let log = match log {
        Log::Here(log) => log,
        Log::JetStream(url) => {
            JetStreamLog::connect(JetStreamConfig::new(&url, Clock::system())).await.unwrap() as SharedLog
        }
    };
    let signer = TokenSigner::from_seed(SEED);
    let deps = Deps {
        log,
        presence,
        ownership: Arc::clone(&ownership),
        verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
        signer,
        answer_key: AnswerKey::new([9; 32]),
        clock: Clock::system(),
    };
    let health = Health::default();
    let service = CommandService::start(deps, config, &shutdown, &health);
    let serve = Server::builder().add_service(service.grpc());
    let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap());
    tokio::spawn(serve.serve_with_incoming(incoming));
    (service, ownership, health)
}

//! A command service on a real log in a temporary folder, and a client of it.

pub(crate) mod faulty_log;
mod plant;
pub(crate) mod watched_presence;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nimaora_api::explained::Explained;
use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::command_service_server::CommandServiceServer;
use nimaora_command_service::grpc::Commands;
use nimaora_command_service::{CommandService, Config, Deps, SoleOwner};
use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, EventLog, Filter, RecordedEvent, SubscriptionMessage};
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{Claims, Presence, Role, TokenSigner, TokenVerifier};
use tempfile::TempDir;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use faulty_log::FaultyLog;
use watched_presence::WatchedPresence;

/// When the tests' clocks begin.
pub(crate) const NOW_MS: i64 = 1_795_484_834_000;
/// Long enough for any healthy service; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const SEED: [u8; 32] = [7; 32];

pub(crate) type Client = CommandServiceClient<Explained<CommandServiceServer<Commands>>>;

/// A running service.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) log: Arc<FaultyLog>,
    pub(crate) clock: Clock,
    pub(crate) presence: Arc<WatchedPresence>,
    pub(crate) health: Health,
    shutdown: Shutdown,
    embedded: Arc<EmbeddedLog>,
    folder: Arc<TempDir>,
    config: Config,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::at(folder, config, Clock::manual(NOW_MS), WatchedPresence::new()).await
    }

    async fn at(folder: Arc<TempDir>, mut config: Config, clock: Clock, presence: WatchedPresence) -> Self {
        config.snapshot_dir = Some(folder.path().join("snapshots"));
        let embedded = EmbeddedLog::open(folder.path(), EmbeddedConfig::new(clock.clone())).unwrap();
        let log = Arc::new(FaultyLog::new(Arc::clone(&embedded) as SharedLog));
        let presence = Arc::new(presence);
        let signer = TokenSigner::from_seed(SEED);
        let deps = Deps {
            log: Arc::clone(&log) as SharedLog,
            presence: Arc::clone(&presence) as Arc<dyn Presence>,
            ownership: Arc::new(SoleOwner::default()),
            verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
            signer,
            answer_key: AnswerKey::new([9; 32]),
            clock: clock.clone(),
        };
        let (shutdown, health) = (Shutdown::new(), Health::default());
        let service = CommandService::start(deps, config.clone(), &shutdown, &health);
        let client = CommandServiceClient::new(Explained::new(service.grpc()));
        Self { client, log, clock, presence, health, shutdown, embedded, folder, config }
    }

    /// Asks the service to stop, and waits until it has.
    pub(crate) async fn stop(&self) {
        assert!(self.shutdown.finish(PATIENCE).await, "the service did not end");
    }

    /// Asks the service to stop, without waiting.
    pub(crate) fn request_stop(&self) {
        self.shutdown.request();
    }

    /// Stops the service and starts it again on what it left. Presence is lost.
    pub(crate) async fn restart(self) -> Self {
        self.restart_beside(WatchedPresence::new()).await
    }

    /// Stops the service and starts it again while presence is down.
    pub(crate) async fn restart_with_presence_down(self) -> Self {
        let presence = WatchedPresence::new();
        presence.down(true);
        self.restart_beside(presence).await
    }

    async fn restart_beside(self, presence: WatchedPresence) -> Self {
        let Self { folder, config, clock, .. } = self.end().await;
        Self::at(folder, config, clock, presence).await
    }

    async fn end(self) -> Self {
        self.stop().await;
        self.embedded.close().await;
        self
    }

    pub(crate) fn snapshot_dir(&self) -> &Path {
        self.config.snapshot_dir.as_deref().unwrap()
    }

    /// All events of all battles, in order.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        let page = self.embedded.read_all(0, Direction::Forwards, 100_000, &Filter::default()).await.unwrap();
        page.events
    }

    pub(crate) async fn event_types(&self) -> Vec<String> {
        self.events().await.iter().map(|event| event.event_type.to_string()).collect()
    }

    /// Waits until the log holds so many events.
    pub(crate) async fn wait_for_events(&self, count: usize) -> Vec<RecordedEvent> {
        let wait = async {
            let mut events = Vec::new();
            let mut subscription = self.embedded.subscribe(0, Filter::default()).await.unwrap();
            while events.len() < count {
                if let SubscriptionMessage::Events(more) = subscription.next().await.unwrap() {
                    events.extend(more);
                }
            }
            events
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the events did not come")
    }

    /// Waits until the service knows what is scheduled.
    pub(crate) async fn ready(&self) {
        let mut ready = self.health.watch();
        let wait = ready.wait_for(|ready| *ready);
        tokio::time::timeout(PATIENCE, wait).await.expect("the service is not ready").unwrap();
    }

    /// A battle that has three questions and does not run yet.
    pub(crate) async fn create(&self) -> String {
        self.create_with(battle()).await.battle_id
    }

    pub(crate) async fn create_with(&self, request: v1::CreateBattleRequest) -> v1::CreateBattleResponse {
        self.client.clone().create_battle(admin(request)).await.unwrap().into_inner()
    }

    pub(crate) async fn begin(&self, battle_id: &str) {
        let request = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.to_owned() };
        self.client.clone().start_battle(admin(request)).await.unwrap();
    }

    pub(crate) async fn finish(&self, battle_id: &str) {
        let request = v1::FinishBattleRequest { command_id: id(), battle_id: battle_id.to_owned() };
        self.client.clone().finish_battle(admin(request)).await.unwrap();
    }

    pub(crate) async fn join(&self, battle_id: &str, username: &str) -> v1::JoinResponse {
        self.try_join(battle_id, username).await.unwrap()
    }

    pub(crate) async fn try_join(&self, battle_id: &str, username: &str) -> Result<v1::JoinResponse, Status> {
        let (battle_id, username) = (battle_id.to_owned(), username.to_owned());
        self.join_as(v1::JoinRequest { command_id: id(), battle_id, username }).await
    }

    pub(crate) async fn join_as(&self, request: v1::JoinRequest) -> Result<v1::JoinResponse, Status> {
        Ok(self.client.clone().join(request).await?.into_inner())
    }

    pub(crate) async fn attack(&self, token: &str, target_id: &str) -> Result<v1::AttackResponse, Status> {
        self.attack_as(&id(), token, target_id).await
    }

    pub(crate) async fn attack_as(
        &self,
        command_id: &str,
        token: &str,
        target_id: &str,
    ) -> Result<v1::AttackResponse, Status> {
        let request =
            v1::AttackRequest { command_id: command_id.to_owned(), target_id: target_id.to_owned() };
        Ok(self.client.clone().attack(bearer(request, token)).await?.into_inner())
    }

    pub(crate) async fn answer(
        &self,
        token: &str,
        question_id: u32,
        answer: &str,
    ) -> Result<v1::SubmitAnswerResponse, Status> {
        let request = v1::SubmitAnswerRequest { command_id: id(), question_id, answer: answer.to_owned() };
        Ok(self.client.clone().submit_answer(bearer(request, token)).await?.into_inner())
    }

    /// A running battle with two participants.
    pub(crate) async fn duel(&self) -> Duel {
        let battle_id = self.create().await;
        let (ann, bob) = (self.join(&battle_id, "Ann").await, self.join(&battle_id, "Bob").await);
        self.begin(&battle_id).await;
        Duel { battle_id, ann, bob }
    }
}

/// A running battle with two participants, each with 50 points, 1 shield and 100 arrows.
pub(crate) struct Duel {
    pub(crate) battle_id: String,
    pub(crate) ann: v1::JoinResponse,
    pub(crate) bob: v1::JoinResponse,
}

/// A fresh id.
pub(crate) fn id() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn battle() -> v1::CreateBattleRequest {
    let question = |kind: v1::QuestionKind, accepted: &[&str]| v1::NewQuestion {
        kind: kind.into(),
        prompt: "?".into(),
        accepted_answers: accepted.iter().map(|answer| (*answer).to_owned()).collect(),
        reward: Some(v1::Balance { points: 10, shields: 1, arrows: 2 }),
        attempts_max: 2,
        ..Default::default()
    };
    v1::CreateBattleRequest {
        command_id: id(),
        title: "A battle".into(),
        rules: Some(v1::Rules {
            initial: Some(v1::Balance { points: 50, shields: 1, arrows: 100 }),
            ..Default::default()
        }),
        questions: vec![
            question(v1::QuestionKind::Text, &["yes"]),
            question(v1::QuestionKind::Number, &["42"]),
            question(v1::QuestionKind::External, &[]),
        ],
        schedule: None,
    }
}

/// The time so many milliseconds after [`NOW_MS`], as the API writes it.
pub(crate) fn at(millis: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: (NOW_MS + millis) / 1_000, nanos: 0 })
}

/// The request with this token.
pub(crate) fn bearer<T>(request: T, token: &str) -> Request<T> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// The request with an admin's token.
pub(crate) fn admin<T>(request: T) -> Request<T> {
    bearer(request, &token(Role::Admin))
}

/// A token that the server signed.
pub(crate) fn token(role: Role) -> String {
    let expires_at = Timestamp::from_millis(NOW_MS + 1_000_000_000);
    TokenSigner::from_seed(SEED).issue(&Claims { role, expires_at })
}

/// A token that another server signed.
pub(crate) fn foreign_token(role: Role) -> String {
    let expires_at = Timestamp::from_millis(NOW_MS + 1_000_000_000);
    TokenSigner::from_seed([8; 32]).issue(&Claims { role, expires_at })
}

/// Checks the code and the reason of an error.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> Status {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo");
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status:?}");
    assert_eq!(info.domain, "nimaora");
    status
}

/// Checks that the error says when to try again.
#[track_caller]
pub(crate) fn passes(status: &Status) {
    let details = status.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay).expect("RetryInfo");
    assert!(delay > Duration::ZERO);
}

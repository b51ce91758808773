//! A gateway on real stores, and what has to happen to them.

use std::sync::Arc;

use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_api::v1::query_service_server::QueryServiceServer;
use nimaora_change_bus::{Change, ChangeBatch, ChangeBus, MemoryBus};
use nimaora_domain::{BattleId, ParticipantId, Phase, SessionId, Timestamp};
use nimaora_query_gateway::grpc::Queries;
use nimaora_query_gateway::{Config, Deps, QueryGateway};
use nimaora_read_models::contract::story;
use nimaora_read_models::contract::{battle, participant};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{
    BattleUpdate, BoardBatch, BoardChange, Leaderboard, ParticipantUpdate, Position, ReadModels, TableBatch,
};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Claims, Role, TokenSigner, TokenVerifier};
use tempfile::TempDir;
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The position of the battle after [`House::with`].
pub(crate) const OPENED: Position = 10;
/// The battle of every test.
pub(crate) const CODE: &str = "K7QX2M";

/// A gateway, what it stands on, and a battle with players 1, 2, 3 who have as many points.
pub(crate) struct House {
    pub(crate) gateway: QueryGateway,
    pub(crate) tables: Arc<SqliteReadModels>,
    pub(crate) board: Arc<MemoryLeaderboard>,
    pub(crate) bus: Arc<dyn ChangeBus>,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    signer: TokenSigner,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::with_bus(config, Arc::new(MemoryBus::default())).await
    }

    pub(crate) async fn with_bus(config: Config, bus: Arc<dyn ChangeBus>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tables.sqlite");
        let tables = Arc::new(SqliteReadModels::open(&file, SqliteConfig::default()).await.unwrap());
        let board = Arc::new(MemoryLeaderboard::default());
        let signer = TokenSigner::from_seed([7; 32]);
        let clock = Clock::manual(story::second(0).as_millis());
        let shutdown = Shutdown::new();
        let deps = Deps {
            leaderboard: Arc::clone(&board) as Arc<dyn Leaderboard>,
            read_models: Arc::clone(&tables) as Arc<dyn ReadModels>,
            replica: None,
            bus: Arc::clone(&bus),
            verifier: Arc::new(TokenVerifier::new([signer.verifier_key()])),
            clock: clock.clone(),
        };
        let gateway = QueryGateway::new(deps, config, &shutdown);
        let house = Self { gateway, tables, board, bus, clock, shutdown, signer, _folder: folder };
        house.open().await;
        house
    }

    async fn open(&self) {
        let mut opening = story::opening(3);
        opening.questions[1].question.opens_after_ms = 60_000;
        story::apply(&*self.tables, opening.clone()).await.unwrap();
        let joined = opening.joined.iter().map(|new| BoardChange::Joined {
            participant_id: new.id,
            username: new.username.as_str().into(),
            points: new.balance.points,
            reached_revision: new.reached_revision,
        });
        let changes = joined.collect();
        self.move_board(BoardBatch { first_revision: 0, ..board_batch(OPENED, changes) }).await;
    }

    /// Another gateway on the same tables and bus, with a leaderboard of its own that has little time.
    pub(crate) fn beside(&self, leaderboard: Arc<dyn Leaderboard>) -> QueryGateway {
        self.beside_with(Config { leaderboard_timeout_ms: 5, ..Config::default() }, leaderboard)
    }

    /// Another gateway on the same tables and bus, with a leaderboard of its own.
    pub(crate) fn beside_with(&self, config: Config, leaderboard: Arc<dyn Leaderboard>) -> QueryGateway {
        let deps = Deps {
            leaderboard,
            read_models: Arc::clone(&self.tables) as Arc<dyn ReadModels>,
            replica: None,
            bus: Arc::clone(&self.bus),
            verifier: Arc::new(TokenVerifier::new([self.signer.verifier_key()])),
            clock: self.clock.clone(),
        };
        QueryGateway::new(deps, config, &self.shutdown)
    }

    /// Another gateway on a leaderboard that is down, these tables and perhaps a replica of them.
    pub(crate) fn on_tables(
        &self,
        config: Config,
        read_models: Arc<dyn ReadModels>,
        replica: Option<Arc<dyn ReadModels>>,
    ) -> QueryGateway {
        let deps = Deps {
            leaderboard: Arc::new(crate::stores::Down),
            read_models,
            replica,
            bus: Arc::clone(&self.bus),
            verifier: Arc::new(TokenVerifier::new([self.signer.verifier_key()])),
            clock: self.clock.clone(),
        };
        QueryGateway::new(deps, config, &self.shutdown)
    }

    pub(crate) fn client(&self) -> QueryServiceClient<QueryServiceServer<Queries>> {
        QueryServiceClient::new(self.gateway.grpc())
    }

    pub(crate) async fn move_board(&self, batch: BoardBatch) {
        let position = batch.position;
        assert_eq!(self.board.apply(&[batch], position).await.unwrap().missing, vec![]);
    }

    /// The battle moves to the position in both stores.
    pub(crate) async fn moves(&self, position: Position) {
        story::apply(&*self.tables, story::batch(position)).await.unwrap();
        self.move_board(board_batch(position, Vec::new())).await;
    }

    /// The `n`th player's points are these from the position on, in both stores.
    pub(crate) async fn scores(&self, position: Position, n: u128, points: u32) {
        let update = ParticipantUpdate {
            balance: Some(story::balance(points)),
            reached_revision: Some(position),
            ..story::update(battle(1), participant(n))
        };
        let tables = TableBatch { participants: vec![update], ..story::batch(position) };
        story::apply(&*self.tables, tables).await.unwrap();
        let change =
            BoardChange::Scored { participant_id: participant(n), points, reached_revision: position };
        self.move_board(board_batch(position, vec![change])).await;
    }

    /// The battle is in this phase from the position on, as the tables say.
    pub(crate) async fn turns(&self, position: Position, phase: Phase, at: Timestamp) {
        let mut update = BattleUpdate { phase: Some(phase), ..story::moved(battle(1), position, 0) };
        match phase {
            Phase::Running => update.started_at = Some(at),
            Phase::Finished | Phase::Cancelled => update.ended_at = Some(at),
            Phase::Absent | Phase::Created => {}
        }
        let batch = TableBatch { updates: vec![update], ..story::batch(position) };
        story::apply(&*self.tables, batch).await.unwrap();
    }

    /// Tells those who follow the battle.
    pub(crate) async fn tells(&self, position: Position, change: Change) {
        let batch =
            ChangeBatch { battle_id: battle(1), lane: change.lane(), position, changes: vec![change] };
        self.bus.publish(vec![batch]).await.unwrap();
    }

    pub(crate) fn admin(&self) -> String {
        self.token(Role::Admin)
    }

    /// The token of a player of a battle.
    pub(crate) fn player(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        session_id: SessionId,
    ) -> String {
        self.token(Role::Participant { battle_id, participant_id, session_id })
    }

    /// The token of the battle's `n`th player.
    pub(crate) fn own(&self, n: u128) -> String {
        self.player(battle(1), participant(n), story::session(n))
    }

    fn token(&self, role: Role) -> String {
        let expires_at = Timestamp::from_millis(self.clock.now_ms()).plus_millis(60_000);
        self.signer.issue(&Claims { role, expires_at })
    }
}

/// What happens to the battle's board up to a position, after its first event.
pub(crate) fn board_batch(position: Position, changes: Vec<BoardChange>) -> BoardBatch {
    BoardBatch {
        battle_id: battle(1),
        changes,
        first_revision: 1,
        last_revision: position,
        position,
        ended: false,
    }
}

/// The id of the battle, as a request says it.
pub(crate) fn battle_id() -> String {
    battle(1).to_string()
}

/// The id of the `n`th player, as a request says it.
pub(crate) fn player_id(n: u128) -> String {
    participant(n).to_string()
}

/// The request with a token.
pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Why a call failed, as a program reads it.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

/// The fields that a call failed for.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details: ErrorDetails = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|violation| violation.field.clone()).collect()
}

/// Whether the caller was told when to try again.
pub(crate) fn says_when_to_retry(status: &Status) -> bool {
    status.get_error_details().retry_info().is_some_and(|info| info.retry_delay.is_some())
}

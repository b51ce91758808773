//! A realtime service on a port of its own, with real stores that the test writes as the projection would.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test program uses a part of it, to assert"
)]

mod bus;
pub mod client;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use nimaora_change_bus::{Change, ChangeBatch, ChangeBus, Lane};
use nimaora_domain::{Balance, BattleId, ParticipantId, Phase, Rules, SessionId, Timestamp};
use nimaora_read_models::contract::story;
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::sqlite::{SqliteConfig, SqliteReadModels};
use nimaora_read_models::{
    AttackRow, BattleRow, BattleUpdate, BoardBatch, BoardChange, Leaderboard, NewParticipant,
    ParticipantUpdate, ReadModels, TableBatch,
};
use nimaora_realtime::{Config, Deps, Realtime};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Claims, MemoryPresence, Presence, Role, TokenSigner, TokenVerifier};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use tokio::net::TcpListener;
use uuid::Uuid;

pub use self::bus::CountingBus;

/// A test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const KEY: &str = "test-key";
pub const SECRET: &str = "test-secret";
const TABLES_FILE: &str = "tables";
const SEED: [u8; 32] = [7; 32];
pub const NOW_MS: i64 = 1_795_484_834_000;

/// A running service and what feeds it.
pub struct Arena {
    pub realtime: Realtime,
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    bus: CountingBus,
    board: Arc<MemoryLeaderboard>,
    tables: Arc<SqliteReadModels>,
    pub presence: Arc<MemoryPresence>,
    signer: TokenSigner,
    clock: Clock,
    position: Arc<AtomicU64>,
    folder: Arc<TempDir>,
}

/// Somebody who takes part.
#[derive(Clone, Debug)]
pub struct Player {
    pub battle_id: BattleId,
    pub id: ParticipantId,
    pub session_id: SessionId,
    pub username: String,
}

impl Player {
    pub fn channel(&self) -> String {
        format!("private-participant.{}", self.id)
    }
}

pub fn config() -> Config {
    Config {
        app_key: KEY.to_owned(),
        app_secret: SECRET.to_owned().into(),
        board_tick_ms: 20,
        appear_timeout_ms: 200,
        drain_ms: 10,
        ..Config::default()
    }
}

impl Arena {
    pub async fn start(config: Config) -> Self {
        Self::start_at(config, Clock::manual(NOW_MS)).await
    }

    /// With a clock of one's own.
    pub async fn start_at(config: Config, clock: Clock) -> Self {
        Self::start_on(config, clock, CountingBus::default()).await
    }

    /// With a bus of one's own.
    pub async fn start_on(config: Config, clock: Clock, bus: CountingBus) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TABLES_FILE);
        // A machine that is busy elsewhere fails no test; the service has a patience of its own.
        let sqlite = SqliteConfig { acquire_timeout: PATIENCE, ..SqliteConfig::default() };
        let tables = Arc::new(SqliteReadModels::open(&path, sqlite).await.unwrap());
        // Tables that nobody has begun lack everything, and so answer nothing.
        tables.save_changes_checkpoint(0).await.unwrap();
        let board = Arc::new(MemoryLeaderboard::default());
        let signer = TokenSigner::from_seed(SEED);
        let shutdown = Shutdown::new();
        let presence = Arc::new(MemoryPresence::new());
        let deps = Deps {
            leaderboard: Arc::clone(&board) as Arc<dyn Leaderboard>,
            read_models: Arc::clone(&tables) as Arc<dyn ReadModels>,
            bus: Arc::new(bus.clone()),
            relay: Arc::new(bus.clone()),
            presence: Some(Arc::clone(&presence) as Arc<dyn Presence>),
            verifier: TokenVerifier::new([signer.verifier_key()]),
            clock: clock.clone(),
        };
        let realtime = Realtime::new(deps, config, &shutdown).unwrap();
        let address = serve(&realtime).await;
        let position = Arc::default();
        let folder = Arc::new(folder);
        Self { realtime, address, shutdown, bus, board, tables, presence, signer, clock, position, folder }
    }

    /// Another node of the same service.
    pub async fn another_node(&self, config: Config) -> Self {
        self.another_node_on(config, self.bus.of_another_node()).await
    }

    /// Another node, with a bus of its own.
    pub async fn another_node_on(&self, config: Config, bus: CountingBus) -> Self {
        let shutdown = Shutdown::new();
        let signer = TokenSigner::from_seed(SEED);
        let deps = Deps {
            leaderboard: Arc::clone(&self.board) as Arc<dyn Leaderboard>,
            read_models: Arc::clone(&self.tables) as Arc<dyn ReadModels>,
            bus: Arc::new(bus.clone()),
            relay: Arc::new(bus.clone()),
            presence: Some(Arc::clone(&self.presence) as Arc<dyn Presence>),
            verifier: TokenVerifier::new([signer.verifier_key()]),
            clock: self.clock.clone(),
        };
        let realtime = Realtime::new(deps, config, &shutdown).unwrap();
        let address = serve(&realtime).await;
        let (board, tables) = (Arc::clone(&self.board), Arc::clone(&self.tables));
        let (presence, clock) = (Arc::clone(&self.presence), self.clock.clone());
        let (position, folder) = (Arc::clone(&self.position), Arc::clone(&self.folder));
        Self { realtime, address, shutdown, bus, board, tables, presence, signer, clock, position, folder }
    }

    /// The node is as good as killed for the others.
    pub fn cut_off(&self) {
        self.bus.mute();
    }

    /// Whether the node can tell the others nothing.
    pub fn set_relay_down(&self, is_down: bool) {
        self.bus.set_down(is_down);
    }

    /// A battle that has been created.
    pub async fn create_battle(&self) -> BattleId {
        let position = self.next_position();
        let id = BattleId(Uuid::from_u128(0xb000 + u128::from(position)));
        let row = BattleRow {
            id,
            join_code: format!("CODE{position}"),
            title: "A battle".to_owned(),
            rules: Rules::default(),
            starts_at: None,
            ends_at: None,
            created_at: now(),
            created_position: position,
            questions: 0,
        };
        let update = BattleUpdate { phase: Some(Phase::Created), ..update(id, position) };
        let batch = TableBatch { battles: vec![row], ..table_batch(update) };
        story::apply(&*self.tables, batch).await.unwrap();
        self.write_batch(id, 0, Vec::new(), position).await;
        id
    }

    /// Somebody joins; the viewers are told of another board.
    pub async fn join(&self, battle_id: BattleId, username: &str) -> Player {
        let position = self.next_position();
        let player = Player {
            battle_id,
            id: ParticipantId(Uuid::from_u128(0xa000 + u128::from(position))),
            session_id: SessionId(Uuid::from_u128(0xc000 + u128::from(position))),
            username: username.to_owned(),
        };
        let joined = NewParticipant {
            battle_id,
            id: player.id,
            username: username.to_owned(),
            session_id: player.session_id,
            balance: Balance::default(),
            reached_revision: position,
            joined_at: now(),
        };
        let batch = TableBatch {
            joined: vec![joined],
            ..table_batch(BattleUpdate { participants_delta: 1, ..update(battle_id, position) })
        };
        story::apply(&*self.tables, batch).await.unwrap();
        let change = BoardChange::Joined {
            participant_id: player.id,
            username: username.into(),
            points: 0,
            reached_revision: position,
        };
        self.move_board(battle_id, change, position).await;
        player
    }

    /// Somebody holds so many points now.
    pub async fn score(&self, player: &Player, points: u32) -> u64 {
        let position = self.next_position();
        let balance = Balance { points, shields: 1, arrows: 2 };
        let participant = ParticipantUpdate {
            balance: Some(balance),
            reached_revision: Some(position),
            ..participant_update(player)
        };
        self.write_participant(player, participant, position).await;
        let change = BoardChange::Scored { participant_id: player.id, points, reached_revision: position };
        self.move_board(player.battle_id, change, position).await;
        let change = Change::ScoreChanged {
            position,
            participant_id: player.id,
            points,
            shields: balance.shields,
            arrows: balance.arrows,
        };
        self.publish(player.battle_id, change, position).await;
        position
    }

    /// The board moves, and nothing on the bus tells of it.
    pub async fn score_untold(&self, player: &Player, points: u32) -> u64 {
        let position = self.next_position();
        let change = BoardChange::Scored { participant_id: player.id, points, reached_revision: position };
        self.write_board(player.battle_id, change, position).await;
        position
    }

    /// Somebody holds so many points now, and the leaderboard has lost it.
    pub async fn score_in_tables_only(&self, player: &Player, points: u32) -> u64 {
        let position = self.next_position();
        let participant = ParticipantUpdate {
            balance: Some(Balance { points, shields: 1, arrows: 2 }),
            reached_revision: Some(position),
            ..participant_update(player)
        };
        self.write_participant(player, participant, position).await;
        self.publish(player.battle_id, Change::Applied { board: true }, position).await;
        position
    }

    /// Somebody attacks somebody else.
    pub async fn attack(&self, attacker: &Player, target: &Player) -> u64 {
        let (change, position) = self.attack_untold(attacker, target).await;
        self.publish(target.battle_id, change, position).await;
        position
    }

    /// An attack that is in the tables and was not told to anybody yet.
    pub async fn attack_untold(&self, attacker: &Player, target: &Player) -> (Change, u64) {
        let position = self.next_position();
        let event_id = Uuid::from_u128(u128::from(position));
        let attack = AttackRow {
            position,
            event_id,
            battle_id: target.battle_id,
            attacker_id: attacker.id,
            target_id: target.id,
            blocked: false,
            points_deducted: 1,
            attacked_at: now(),
        };
        let batch = TableBatch { attacks: vec![attack], ..table_batch(update(target.battle_id, position)) };
        story::apply(&*self.tables, batch).await.unwrap();
        let change = Change::AttackReceived {
            position,
            event_id,
            target_id: target.id,
            attacker_id: attacker.id,
            attacker: attacker.username.as_str().into(),
            target: target.username.as_str().into(),
            blocked: false,
            points_lost: 1,
            timestamp: now(),
        };
        (change, position)
    }

    /// Somebody signs in again.
    pub async fn replace_session(&self, player: &Player) -> Player {
        let (player, position) = self.replace_session_untold(player).await;
        let (participant_id, session_id) = (player.id, player.session_id);
        let change = Change::SessionReplaced { position, participant_id, session_id };
        self.publish(player.battle_id, change, position).await;
        player
    }

    /// Somebody has left, and nobody was told of it.
    pub async fn leave_untold(&self, player: &Player) -> u64 {
        let position = self.next_position();
        let participant =
            ParticipantUpdate { is_active: Some(false), has_left: true, ..participant_update(player) };
        self.write_participant(player, participant, position).await;
        position
    }

    /// The battle goes on to another phase, and nobody is told.
    pub async fn enter_phase_untold(&self, battle_id: BattleId, phase: Phase) -> u64 {
        let position = self.next_position();
        let update = BattleUpdate { phase: Some(phase), ..update(battle_id, position) };
        story::apply(&*self.tables, table_batch(update)).await.unwrap();
        position
    }

    /// The battle goes on to another phase.
    pub async fn enter_phase(&self, battle_id: BattleId, phase: Phase) -> u64 {
        let position = self.enter_phase_untold(battle_id, phase).await;
        let change = match phase {
            Phase::Running => Change::BattleStarted { position, started_at: now() },
            Phase::Finished => Change::BattleFinished { position, finished_at: now() },
            Phase::Cancelled => Change::BattleCancelled { position, reason: "rain".to_owned() },
            Phase::Absent | Phase::Created => panic!("no change leads to {phase:?}"),
        };
        self.publish(battle_id, change, position).await;
        position
    }

    /// The tables are being built anew and lack what happened up to this position of the log.
    pub async fn lack_until(&self, position: u64) {
        self.tables.save_changes_checkpoint(position).await.unwrap();
    }

    /// Somebody has signed in again, and nobody was told of it.
    pub async fn replace_session_untold(&self, player: &Player) -> (Player, u64) {
        let position = self.next_position();
        let session_id = SessionId(Uuid::from_u128(0xc000 + u128::from(position)));
        let participant = ParticipantUpdate { session_id: Some(session_id), ..participant_update(player) };
        self.write_participant(player, participant, position).await;
        (Player { session_id, ..player.clone() }, position)
    }

    /// Says something on the bus.
    pub async fn publish(&self, battle_id: BattleId, change: Change, position: u64) {
        self.publish_together(battle_id, vec![change], position).await;
    }

    /// Says things of one lane on the bus that became visible together.
    pub async fn publish_together(&self, battle_id: BattleId, changes: Vec<Change>, position: u64) {
        let batch = ChangeBatch { battle_id, lane: changes[0].lane(), position, changes };
        self.bus.publish(vec![batch]).await.unwrap();
    }

    /// How often the bus was asked to follow a battle.
    pub fn follows(&self) -> usize {
        self.bus.follows()
    }

    /// Changes are lost: more come at once than anybody's queue holds.
    pub async fn overflow(&self, battle_id: BattleId) {
        const MANY: usize = 10_000;
        let nothing = ChangeBatch { battle_id, lane: Lane::Default, position: 0, changes: Vec::new() };
        self.bus.publish(vec![nothing; MANY]).await.unwrap();
    }

    /// Until [`Arena::show_battles`] the tables answer no question about battles and participants.
    pub async fn hide_battles(&self) {
        self.alter("ALTER TABLE battles RENAME TO hidden").await;
    }

    pub async fn show_battles(&self) {
        self.alter("ALTER TABLE hidden RENAME TO battles").await;
    }

    async fn alter(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join(TABLES_FILE));
        let mut connection = options.connect().await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// From now on the tables refuse every question.
    pub async fn close_tables(&self) {
        self.tables.close().await;
    }

    /// The time of day, as the service has it.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Lets the time of day go on.
    pub fn pass_time_ms(&self, millis: i64) {
        self.clock.advance(millis);
    }

    pub fn token(&self, player: &Player) -> String {
        let role = Role::Participant {
            battle_id: player.battle_id,
            participant_id: player.id,
            session_id: player.session_id,
        };
        self.signer.issue(&Claims { role, expires_at: Timestamp::from_millis(NOW_MS + 60_000) })
    }

    pub fn admin_token(&self) -> String {
        self.signer.issue(&Claims { role: Role::Admin, expires_at: Timestamp::from_millis(NOW_MS + 60_000) })
    }

    fn next_position(&self) -> u64 {
        self.position.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn write_participant(&self, player: &Player, participant: ParticipantUpdate, position: u64) {
        let batch =
            TableBatch { participants: vec![participant], ..table_batch(update(player.battle_id, position)) };
        story::apply(&*self.tables, batch).await.unwrap();
    }

    async fn write_board(&self, battle_id: BattleId, change: BoardChange, position: u64) {
        self.write_batch(battle_id, 1, vec![change], position).await;
    }

    async fn write_batch(&self, battle_id: BattleId, first: u64, changes: Vec<BoardChange>, position: u64) {
        let (first_revision, last_revision) = (first, position);
        let batch = BoardBatch { battle_id, changes, first_revision, last_revision, position, ended: false };
        assert_eq!(self.board.apply(&[batch], position).await.unwrap().missing, vec![]);
    }

    async fn move_board(&self, battle_id: BattleId, change: BoardChange, position: u64) {
        self.write_board(battle_id, change, position).await;
        self.publish(battle_id, Change::Applied { board: true }, position).await;
    }
}

async fn serve(realtime: &Realtime) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(realtime.routes());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // A client that goes away is no matter for the server's side of a test.
                let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

fn update(id: BattleId, position: u64) -> BattleUpdate {
    BattleUpdate { id, position, phase: None, started_at: None, ended_at: None, participants_delta: 0 }
}

fn table_batch(update: BattleUpdate) -> TableBatch {
    TableBatch { checkpoint: update.position, updates: vec![update], ..TableBatch::default() }
}

fn participant_update(player: &Player) -> ParticipantUpdate {
    ParticipantUpdate {
        battle_id: player.battle_id,
        id: player.id,
        balance: None,
        reached_revision: None,
        username: None,
        session_id: None,
        is_active: None,
        has_left: false,
        removed: false,
        last_activity_at: None,
        updated_at: now(),
    }
}

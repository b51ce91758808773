//! The node's centre: its sockets, the battles that they follow, and the stores behind them.

pub(crate) mod boards;
pub(crate) mod catch_up;
pub(crate) mod feed;
pub(crate) mod follower;
pub(crate) mod halls;
pub(crate) mod inbox;
pub(crate) mod missed;
pub(crate) mod pace;
pub(crate) mod places;
pub(crate) mod queue;
pub(crate) mod registry;
pub(crate) mod room;
pub(crate) mod rooms;
pub(crate) mod scores;
pub(crate) mod seat;
pub(crate) mod sent;
pub(crate) mod signs;
pub(crate) mod slots;
pub(crate) mod spectators;
pub(crate) mod sweep;
pub(crate) mod users;
pub(crate) mod whereabouts;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use nimaora_change_bus::{ChangeBus, Relay};
use nimaora_domain::{BattleId, ParticipantId, SessionId};
use nimaora_read_models::{
    BattleView, Board, Leaderboard, ParticipantView, ReadModels, StoreError, Wholeness,
};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::{Presence, TokenVerifier};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::halls::Halls;
use self::pace::Pace;
use self::queue::Queue;
use self::registry::Registry;
use self::room::Room;
use self::rooms::Rooms;
use self::users::Users;
use crate::Position;
use crate::cluster::{Event, Link, Questions, Say, Untold};
use crate::config::Config;
use crate::error::Refusal;
use crate::http::Replays;
use crate::metrics;
use crate::signature::Application;
use crate::webhooks::Webhooks;

/// How long to wait before a store is asked again for what it does not show yet; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Shared by all that serve sockets.
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) application: Application,
    pub(crate) leaderboard: Arc<dyn Leaderboard>,
    pub(crate) read_models: Arc<dyn ReadModels>,
    pub(crate) wholeness: Wholeness,
    pub(crate) bus: Arc<dyn ChangeBus>,
    pub(crate) relay: Arc<dyn Relay>,
    pub(crate) link: Link,
    /// Where signs of life are recorded, if this process can.
    pub(crate) presence: Option<Arc<dyn Presence>>,
    pub(crate) verifier: TokenVerifier,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) sockets: Registry,
    pub(crate) rooms: Rooms,
    pub(crate) boards: Queue<Room>,
    pub(crate) halls: Halls,
    pub(crate) users: Users,
    pub(crate) questions: Questions,
    pub(crate) replays: Replays,
    pub(crate) webhooks: Webhooks,
    pub(crate) pace: Pace,
    /// A permit for each question that catches up with what was lost.
    pub(crate) catching_up: Semaphore,
    pub(crate) started: Instant,
}

impl Hub {
    /// Seconds since the hub was made.
    pub(crate) fn now_s(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Milliseconds since the hub was made.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Says a client's event to all who listen to a channel, on all nodes.
    pub(crate) fn publish(&self, event: &Event) {
        self.halls.tell(self, &Arc::new(event.clone()));
        self.link.say_to_peers(|| Say::Event(event.clone()));
    }

    /// Says it to all other nodes, known or not, and waits until it is on its way: for what was asked for from outside, and must not be
    /// answered before. On an error some of them may have heard it.
    pub(crate) async fn tell_nodes(&self, says: Vec<Say>) -> Result<(), Untold> {
        let connection = self.relay.connection();
        self.link.tell(says).await?;
        // Not in the task that sends, so that nobody else waits for it.
        self.relay.confirm(connection).await.map_err(|error| {
            tracing::debug!(%error, "what was said to the other nodes may be lost");
            Untold
        })
    }

    /// Says the application's events to all who listen to their channels, on all nodes. When it is not known that the others can hear
    /// it, nobody here is told.
    pub(crate) async fn publish_everywhere(&self, events: Vec<Event>) -> Result<(), Untold> {
        self.tell_nodes(events.iter().cloned().map(Say::Event).collect()).await?;
        events.into_iter().for_each(|event| self.halls.tell(self, &Arc::new(event)));
        Ok(())
    }

    /// What a store answers, if it does in time.
    pub(crate) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Refusal> {
        let patience = Duration::from_millis(self.config.store_timeout_ms);
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.map_err(|error| {
                tracing::debug!(%error, "a store refused");
                Refusal::from(error)
            }),
            Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// The first lines of a board, from the tables when the leaderboard cannot tell, or has not reached `at_least`: it may have lost
    /// what they hold.
    pub(crate) async fn top(&self, battle_id: BattleId, at_least: Position) -> Result<Board, Refusal> {
        let limit = self.config.board_top_n;
        metrics::board_read("leaderboard");
        let board = self.ask(self.leaderboard.top(battle_id, limit)).await;
        match board {
            Ok(board) if board.as_of >= at_least => Ok(board),
            _ => {
                metrics::board_read("tables");
                self.ask(self.read_models.top(battle_id, limit)).await.or(board)
            }
        }
    }

    /// Refuses as long as the tables are built anew: what they show is of the past, and nobody is told when it changes.
    async fn require_whole(&self) -> Result<(), Refusal> {
        self.ask(self.wholeness.require(&*self.read_models)).await
    }

    /// The battle, once the tables show it.
    pub(crate) async fn battle(&self, battle_id: BattleId) -> Result<BattleView, Refusal> {
        self.require_whole().await?;
        let mut patience = Patience::new(&self.config);
        loop {
            let battle = self.ask(self.read_models.battle(battle_id)).await?;
            if let Some(battle) = battle {
                return Ok(battle);
            }
            if !patience.pause().await {
                return Err(Refusal::UnknownBattle);
            }
        }
    }

    /// The participant, once the tables show that this session is its newest. It was at the row's `as_of`.
    pub(crate) async fn verify_session(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
        session_id: SessionId,
    ) -> Result<ParticipantView, Refusal> {
        self.require_whole().await?;
        let mut patience = Patience::new(&self.config);
        loop {
            let participant = self.ask(self.read_models.participant(battle_id, id)).await?;
            if let Some(participant) = participant
                && participant.session_id == session_id
                && !participant.has_left
                && !participant.removed
            {
                return Ok(participant);
            }
            if !patience.pause().await {
                return Err(Refusal::SessionEnded);
            }
        }
    }
}

/// Waits for tables that may be late: who has just joined is ahead of them by some milliseconds.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    fn new(config: &Config) -> Self {
        let deadline = Instant::now() + Duration::from_millis(config.appear_timeout_ms);
        Self { deadline, pause: FIRST_PAUSE }
    }

    /// Waits twice as long as before; false when there is no time left.
    async fn pause(&mut self) -> bool {
        if Instant::now() + self.pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause *= 2;
        true
    }
}

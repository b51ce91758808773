//! Queries from a replica of the tables, and from the tables themselves when it cannot answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, Phase, Question};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::metrics::{self, Answered};
use crate::rows::{AttackView, BattleView, Discarded, ParkedEvent, ParticipantView};
use crate::tables::{BattlePage, Checkpoints, ReadModels, TableBatch};

/// How long the replica may take; then the tables themselves are asked.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(500);
/// After it failed, it is asked again after so long, once; all else goes to the tables meanwhile.
const REPLICA_PAUSE: Duration = Duration::from_secs(1);

/// Tables with a replica that follows them.
///
/// - Reads go to the replica. It may be behind, and `as_of` says where it is; who needs a later position asks the tables themselves.
/// - What the replica does not hold may not be there yet, so the tables themselves are asked before the answer is no.
/// - While it cannot be used, or takes too long, the tables themselves answer.
/// - Checkpoints, parked events and all writes are the business of the tables themselves.
pub struct ReplicaFirst {
    replica: Arc<dyn ReadModels>,
    tables: Arc<dyn ReadModels>,
    /// After a failure: when the replica is asked again.
    asked_again_at: Mutex<Option<Instant>>,
}

impl ReplicaFirst {
    /// The tables with their replica.
    pub fn new(replica: Arc<dyn ReadModels>, tables: Arc<dyn ReadModels>) -> Self {
        Self { replica, tables, asked_again_at: Mutex::new(None) }
    }

    /// What the replica answers, if it does in time and it `is_there`; else what the tables answer.
    async fn first_or<T>(
        &self,
        replica: impl Future<Output = Result<T, StoreError>>,
        tables: impl Future<Output = Result<T, StoreError>>,
        is_there: impl Fn(&T) -> bool,
    ) -> Result<T, StoreError> {
        if !self.may_ask() {
            metrics::replica_asked(Answered::Failed);
            return tables.await;
        }
        let reason = match timeout(REPLICA_TIMEOUT, replica).await {
            Ok(Ok(answer)) if is_there(&answer) => {
                self.note(None);
                metrics::replica_asked(Answered::Replica);
                return Ok(answer);
            }
            Ok(Ok(_) | Err(StoreError::NotHeld(_))) => {
                self.note(None);
                metrics::replica_asked(Answered::Absent);
                return tables.await;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {REPLICA_TIMEOUT:?}"),
        };
        tracing::warn!(reason, "the replica cannot be used now; the tables themselves answer");
        self.note(Some(Instant::now() + REPLICA_PAUSE));
        metrics::replica_asked(Answered::Failed);
        tables.await
    }

    /// Whether the replica may be asked. After a failure, the first one that may takes it upon itself, and the others do not wait.
    fn may_ask(&self) -> bool {
        let mut again_at = self.asked_again_at.lock();
        match *again_at {
            None => true,
            Some(at) if at > Instant::now() => false,
            Some(_) => {
                *again_at = Some(Instant::now() + REPLICA_PAUSE);
                true
            }
        }
    }

    fn note(&self, asked_again_at: Option<Instant>) {
        *self.asked_again_at.lock() = asked_again_at;
    }
}

#[async_trait]
impl ReadModels for ReplicaFirst {
    async fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        self.tables.checkpoints().await
    }

    async fn apply(&self, batch: &TableBatch) -> Result<(), StoreError> {
        self.tables.apply(batch).await
    }

    async fn save_changes_checkpoint(&self, position: Position) -> Result<(), StoreError> {
        self.tables.save_changes_checkpoint(position).await
    }

    async fn save_version(&self, version: u32) -> Result<(), StoreError> {
        self.tables.save_version(version).await
    }

    async fn boards_compared(&self, exchanged: Position) -> Result<(), StoreError> {
        self.tables.boards_compared(exchanged).await
    }

    async fn parked(&self, after: Position, limit: u32) -> Result<Vec<ParkedEvent>, StoreError> {
        self.tables.parked(after, limit).await
    }

    async fn discard_parked(&self, position: Position, why: &Discarded) -> Result<bool, StoreError> {
        self.tables.discard_parked(position, why).await
    }

    async fn battle(&self, id: BattleId) -> Result<Option<BattleView>, StoreError> {
        self.first_or(self.replica.battle(id), self.tables.battle(id), Option::is_some).await
    }

    async fn battle_by_join_code(&self, join_code: &str) -> Result<Option<BattleView>, StoreError> {
        let replica = self.replica.battle_by_join_code(join_code);
        self.first_or(replica, self.tables.battle_by_join_code(join_code), Option::is_some).await
    }

    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<BattlePage, StoreError> {
        let replica = self.replica.battles(phase, before, limit);
        self.first_or(replica, self.tables.battles(phase, before, limit), |_| true).await
    }

    async fn questions(&self, battle_id: BattleId) -> Result<Vec<Question>, StoreError> {
        let there = |questions: &Vec<_>| !questions.is_empty();
        self.first_or(self.replica.questions(battle_id), self.tables.questions(battle_id), there).await
    }

    async fn participant(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
    ) -> Result<Option<ParticipantView>, StoreError> {
        let replica = self.replica.participant(battle_id, id);
        self.first_or(replica, self.tables.participant(battle_id, id), Option::is_some).await
    }

    async fn usernames(&self, battle_id: BattleId) -> Result<Vec<(ParticipantId, String)>, StoreError> {
        let there = |names: &Vec<_>| !names.is_empty();
        self.first_or(self.replica.usernames(battle_id), self.tables.usernames(battle_id), there).await
    }

    async fn attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        let replica = self.replica.attacks_on(battle_id, target_id, after, limit);
        let tables = self.tables.attacks_on(battle_id, target_id, after, limit);
        self.first_or(replica, tables, |attacks| !attacks.is_empty()).await
    }

    async fn last_attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        let replica = self.replica.last_attacks_on(battle_id, target_id, after, limit);
        let tables = self.tables.last_attacks_on(battle_id, target_id, after, limit);
        self.first_or(replica, tables, |attacks| !attacks.is_empty()).await
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.first_or(self.replica.top(battle_id, limit), self.tables.top(battle_id, limit), |_| true).await
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        let replica = self.replica.around(battle_id, participant_id, range);
        let tables = self.tables.around(battle_id, participant_id, range);
        self.first_or(replica, tables, |board| !board.entries.is_empty()).await
    }
}

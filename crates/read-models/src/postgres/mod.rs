//! The tables in PostgreSQL, straight or through PgBouncer in transaction mode.
//!
//! One connection writes and a few read. Two projections may each take themselves for the only one: a batch begins with the lock
//! on the checkpoint's row, and is applied only where it goes on from. See `docs/decisions/0006-postgres-read-models.md`.

mod audit;
mod config;
mod copy;
mod decode;
mod fault;
mod gather;
mod indexes;
mod keys;
mod migrations;
mod read;
mod read_many;
mod rebuild;
mod session;
mod values;
mod write;

use std::time::Instant;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId, Phase, Question};
use tokio::sync::Mutex;

pub use config::{PostgresConfig, PostgresUrlError};

use self::gather::Gather;
use self::keys::KeyRows;
use self::read_many::{OfParticipant, Past};
use self::session::{Connections, Session, within};
use self::values::Whole;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::relational::decode::StoredRow;
use crate::relational::keys::{Keys, NewKeys};
use crate::relational::{BOARDS, CHANGES, TABLES, VERSION, as_i64, misfit};
use crate::rows::{AttackView, BattleView, Discarded, ParkedEvent, ParticipantView};
use crate::tables::{BattlePage, Checkpoints, ReadModels, TableBatch};
use crate::{Position, metrics};

/// The tables in PostgreSQL.
#[derive(Debug)]
pub struct PostgresReadModels {
    config: PostgresConfig,
    /// One connection; whoever writes holds `keys` too.
    writer: Connections,
    readers: Connections,
    keys: Mutex<Keys>,
    participants: Gather<OfParticipant, Option<ParticipantView>>,
    pasts: Gather<Past, Vec<AttackView>>,
}

impl PostgresReadModels {
    /// Connects, and brings the tables to this version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server cannot be used now; [`StoreError::Damaged`] when its tables were made by a
    /// newer version.
    pub async fn connect(config: PostgresConfig) -> Result<Self, StoreError> {
        let (writer, readers) = (Connections::for_writing(&config), Connections::for_reading(&config));
        let limit = config.migrate_timeout;
        within(limit, migrations::run(&readers, &writer, limit)).await?;
        Ok(Self::new(config, writer, readers))
    }

    /// Tables on a server that only reads, as a standby. It is connected to when it is needed, and its tables are not looked at: it may
    /// be behind the migrations too.
    pub fn of_standby(config: &PostgresConfig) -> Self {
        let (writer, readers) = (Connections::for_writing(config), Connections::for_reading(config));
        Self::new(config.clone(), writer, readers)
    }

    fn new(config: PostgresConfig, writer: Connections, readers: Connections) -> Self {
        let (participants, pasts) = (Gather::default(), Gather::default());
        Self { config, writer, readers, keys: Mutex::default(), participants, pasts }
    }

    /// Waits for what is running and closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Writes the batch in one transaction. Answers how many rows were written; `None` for a repeat.
    async fn write(&self, batch: &TableBatch) -> Result<Option<usize>, StoreError> {
        let mut keys = self.keys.lock().await;
        let mut session = self.writer.begin().await?;
        match write_batch(&mut session, batch, &mut keys).await {
            Ok(Some((rows, new_keys))) => {
                session.commit().await?;
                keys.committed(new_keys);
                Ok(Some(rows))
            }
            Ok(None) => session.roll_back().await.map(|()| None),
            Err(refusal @ (StoreError::Constraint { .. } | StoreError::Overtaken { .. })) => {
                session.roll_back().await?;
                Err(refusal)
            }
            Err(error) => Err(error),
        }
    }

    async fn write_discard(&self, position: Position, why: &Discarded) -> Result<bool, StoreError> {
        let mut session = self.writer.begin().await?;
        let query = sqlx::query(include_str!("sql/discard_parked.sql"))
            .bind(as_i64(position))
            .bind(values::Time(why.at))
            .bind(write::storable(&why.reason));
        let found = session.execute(query).await?;
        session.commit().await?;
        Ok(found > 0)
    }

    async fn write_changes_checkpoint(&self, position: Position) -> Result<(), StoreError> {
        let mut session = self.writer.begin().await?;
        move_checkpoint(&mut session, CHANGES, position).await?;
        session.commit().await
    }

    async fn write_boards_compared(&self, exchanged: Position) -> Result<(), StoreError> {
        let mut session = self.writer.begin().await?;
        let query = sqlx::query(include_str!("sql/boards_compared.sql")).bind(BOARDS).bind(as_i64(exchanged));
        session.execute(query).await?;
        session.commit().await
    }

    async fn write_version(&self, version: u32) -> Result<(), StoreError> {
        let mut session = self.writer.begin().await?;
        let query = sqlx::query(include_str!("sql/save_version.sql")).bind(VERSION).bind(i64::from(version));
        session.execute(query).await?;
        session.commit().await
    }
}

/// Answers how many rows were written, and the keys they were given, for after the commit; `None` for a repeat.
async fn write_batch(
    session: &mut Session,
    batch: &TableBatch,
    keys: &mut Keys,
) -> Result<Option<(usize, NewKeys)>, StoreError> {
    let Locked { position: stored, tables_id } = lock_tables(session).await?;
    if batch.checkpoint <= stored {
        return Ok(None);
    }
    if batch.follows != stored {
        return Err(StoreError::Overtaken { expected: batch.follows, stored });
    }
    keys.belong_to(tables_id);
    let batch_keys = keys.for_batch(&mut KeyRows(session), batch).await?;
    let rows = write::rows(session, batch, &batch_keys).await?;
    move_checkpoint(session, TABLES, batch.checkpoint).await?;
    if let Some(position) = batch.changes_checkpoint {
        move_checkpoint(session, CHANGES, position).await?;
    }
    Ok(Some((rows, batch_keys.into_new())))
}

/// The tables, to which nobody else writes before the transaction's end.
struct Locked {
    /// Where they are.
    position: Position,
    /// Others that were put in their place have another one.
    tables_id: i64,
}

/// Waits until nobody else writes a batch.
async fn lock_tables(session: &mut Session) -> Result<Locked, StoreError> {
    let query = sqlx::query(include_str!("sql/lock_checkpoint.sql")).bind(TABLES);
    let row = session.row(query).await?.ok_or_else(|| misfit("checkpoint", TABLES))?;
    let position: Option<Whole> = decode::column(&row, "position")?;
    let Whole(position) = position.unwrap_or(Whole(0));
    let position = Position::try_from(position).map_err(|_| misfit("position", position))?;
    Ok(Locked { position, tables_id: row.number("tables_id")? })
}

/// Moves a checkpoint, unless the position is not past it.
async fn move_checkpoint(
    session: &mut Session,
    name: &'static str,
    position: Position,
) -> Result<(), StoreError> {
    let query = sqlx::query(include_str!("sql/move_checkpoint.sql")).bind(name).bind(as_i64(position));
    session.execute(query).await.map(|_| ())
}

#[async_trait]
impl ReadModels for PostgresReadModels {
    async fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        self.readers.in_time(read::checkpoints(&self.readers)).await
    }

    async fn apply(&self, batch: &TableBatch) -> Result<(), StoreError> {
        // Nothing is before the first event, so such a batch is a repeat.
        if batch.checkpoint == 0 {
            return Ok(());
        }
        let began = Instant::now();
        if let Some(rows) = self.writer.in_time(self.write(batch)).await? {
            metrics::tables_written(rows, began.elapsed());
        }
        Ok(())
    }

    async fn save_changes_checkpoint(&self, position: Position) -> Result<(), StoreError> {
        self.writer.in_time(self.write_changes_checkpoint(position)).await
    }

    async fn save_version(&self, version: u32) -> Result<(), StoreError> {
        self.writer.in_time(self.write_version(version)).await
    }

    async fn boards_compared(&self, exchanged: Position) -> Result<(), StoreError> {
        self.writer.in_time(self.write_boards_compared(exchanged)).await
    }

    async fn parked(&self, after: Position, limit: u32) -> Result<Vec<ParkedEvent>, StoreError> {
        self.readers.in_time(read::parked(&self.readers, after, limit)).await
    }

    async fn discard_parked(&self, position: Position, why: &Discarded) -> Result<bool, StoreError> {
        self.writer.in_time(self.write_discard(position, why)).await
    }

    async fn battle(&self, id: BattleId) -> Result<Option<BattleView>, StoreError> {
        self.readers.in_time(read::battle(&self.readers, id)).await
    }

    async fn battle_by_join_code(&self, join_code: &str) -> Result<Option<BattleView>, StoreError> {
        self.readers.in_time(read::battle_by_join_code(&self.readers, join_code)).await
    }

    async fn battles(
        &self,
        phase: Option<Phase>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<BattlePage, StoreError> {
        self.readers.in_time(read::battles(&self.readers, phase, before, limit)).await
    }

    async fn questions(&self, battle_id: BattleId) -> Result<Vec<Question>, StoreError> {
        self.readers.in_time(read::questions(&self.readers, battle_id)).await
    }

    async fn participant(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
    ) -> Result<Option<ParticipantView>, StoreError> {
        let readers = self.readers.clone();
        let key = OfParticipant { battle_id, id };
        let found = self.participants.get(key, move |keys| read_many::participants(readers.clone(), keys));
        self.readers.in_time(found).await
    }

    async fn usernames(&self, battle_id: BattleId) -> Result<Vec<(ParticipantId, String)>, StoreError> {
        self.readers.in_time(read::usernames(&self.readers, battle_id)).await
    }

    async fn attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        self.readers.in_time(read::attacks_on(&self.readers, battle_id, target_id, after, limit)).await
    }

    async fn last_attacks_on(
        &self,
        battle_id: BattleId,
        target_id: ParticipantId,
        after: Position,
        limit: u32,
    ) -> Result<Vec<AttackView>, StoreError> {
        let readers = self.readers.clone();
        let key = Past { of: OfParticipant { battle_id, id: target_id }, after, limit };
        let found = self.pasts.get(key, move |keys| read_many::pasts(readers.clone(), keys));
        self.readers.in_time(found).await
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.readers.in_time(read::top(&self.readers, battle_id, limit)).await
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        self.readers.in_time(read::around(&self.readers, battle_id, participant_id, range)).await
    }
}

#[cfg(test)]
mod tests;

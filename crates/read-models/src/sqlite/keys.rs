//! The integer keys of battles' and participants' rows, which the writer gives out and remembers.

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId};
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::config::KEYS_MAX;
use super::fault::{misfit, store_error};
use crate::error::StoreError;
use crate::tables::TableBatch;

/// What the writer knows of the keys that are in the file.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: Known,
    /// The last keys given out; read from the file when that is not known: at first, and after a batch of which nobody heard
    /// that it was committed.
    last: Option<Last>,
}

/// The keys that one batch needs. They become [`Keys`] once the batch is committed.
#[derive(Debug)]
pub(super) struct BatchKeys<'a> {
    known: &'a Known,
    added: Known,
    last: Last,
}

#[derive(Debug, Default)]
struct Known {
    battles: AHashMap<Uuid, i64>,
    participants: AHashMap<Uuid, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    battle: i64,
    participant: i64,
}

/// What a committed batch adds to [`Keys`].
#[derive(Debug)]
pub(super) struct NewKeys {
    added: Known,
    last: Last,
}

impl Keys {
    /// Finds the keys of all rows that the batch speaks of, and gives keys to its new rows.
    pub(super) async fn for_batch(
        &mut self,
        connection: &mut SqliteConnection,
        batch: &TableBatch,
    ) -> Result<BatchKeys<'_>, StoreError> {
        // Only a commit that was heard of puts it back: when the caller gives up, the batch may be committed all the same.
        let mut last = match self.last.take() {
            Some(last) => last,
            None => last_keys(connection).await?,
        };
        let mut added = Known::default();
        for battle in &batch.battles {
            last.battle += 1;
            added.battles.insert(battle.id.0, last.battle);
        }
        for joined in &batch.joined {
            last.participant += 1;
            added.participants.insert(joined.id.0, last.participant);
        }
        let battles = unknown(battles_of(batch), &self.known.battles, &added.battles);
        look_up(connection, include_str!("sql/battle_keys.sql"), battles, &mut added.battles).await?;
        let participants = unknown(participants_of(batch), &self.known.participants, &added.participants);
        look_up(connection, include_str!("sql/participant_keys.sql"), participants, &mut added.participants)
            .await?;
        Ok(BatchKeys { known: &self.known, added, last })
    }

    /// The batch is committed: its keys are in the file.
    pub(super) fn committed(&mut self, new: NewKeys) {
        if self.known.participants.len() + new.added.participants.len() > KEYS_MAX
            || self.known.battles.len() + new.added.battles.len() > KEYS_MAX
        {
            self.known = Known::default();
        }
        self.known.battles.extend(new.added.battles);
        self.known.participants.extend(new.added.participants);
        self.last = Some(new.last);
    }
}

impl BatchKeys<'_> {
    /// The key of a battle's row.
    pub(super) fn battle(&self, id: BattleId) -> Result<i64, StoreError> {
        key(&self.added.battles, &self.known.battles, id.0)
            .ok_or_else(|| StoreError::Constraint { reason: format!("there is no battle {id}") })
    }

    /// The key of a battle's row, if there is one.
    pub(super) fn battle_if_there(&self, id: BattleId) -> Option<i64> {
        key(&self.added.battles, &self.known.battles, id.0)
    }

    /// The key of a participant's row.
    pub(super) fn participant(&self, id: ParticipantId) -> Result<i64, StoreError> {
        key(&self.added.participants, &self.known.participants, id.0)
            .ok_or_else(|| StoreError::Constraint { reason: format!("there is no participant {id}") })
    }

    /// What to remember once the batch is committed.
    pub(super) fn into_new(self) -> NewKeys {
        NewKeys { added: self.added, last: self.last }
    }
}

fn key(added: &AHashMap<Uuid, i64>, known: &AHashMap<Uuid, i64>, id: Uuid) -> Option<i64> {
    added.get(&id).or_else(|| known.get(&id)).copied()
}

fn battles_of(batch: &TableBatch) -> impl Iterator<Item = Uuid> {
    // Every battle with a row in the batch has an update in it, except where a caller left that out.
    let updates = batch.updates.iter().map(|update| update.id);
    let questions = batch.questions.iter().map(|question| question.battle_id);
    let joined = batch.joined.iter().map(|joined| joined.battle_id);
    let answers = batch.answers.iter().map(|answer| answer.battle_id);
    let attacks = batch.attacks.iter().map(|attack| attack.battle_id);
    updates.chain(questions).chain(joined).chain(answers).chain(attacks).map(|id| id.0)
}

fn participants_of(batch: &TableBatch) -> impl Iterator<Item = Uuid> {
    let updates = batch.participants.iter().map(|update| update.id);
    let answers = batch.answers.iter().map(|answer| answer.participant_id);
    let verdicts = batch.verdicts.iter().map(|verdict| verdict.participant_id);
    let attacks = batch.attacks.iter().flat_map(|attack| [attack.attacker_id, attack.target_id]);
    updates.chain(answers).chain(verdicts).chain(attacks).map(|id| id.0)
}

fn unknown(
    ids: impl Iterator<Item = Uuid>,
    known: &AHashMap<Uuid, i64>,
    added: &AHashMap<Uuid, i64>,
) -> Vec<Uuid> {
    let mut unknown: Vec<_> = ids.filter(|id| !added.contains_key(id) && !known.contains_key(id)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

async fn look_up(
    connection: &mut SqliteConnection,
    sql: &'static str,
    ids: Vec<Uuid>,
    found: &mut AHashMap<Uuid, i64>,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(sql).bind(super::write::json(&ids)?).fetch_all(connection).await;
    for row in rows.map_err(store_error)? {
        let uuid: &str = row.try_get(0).map_err(store_error)?;
        let id = Uuid::parse_str(uuid).map_err(|_| misfit("UUID", uuid))?;
        found.insert(id, row.try_get(1).map_err(store_error)?);
    }
    Ok(())
}

async fn last_keys(connection: &mut SqliteConnection) -> Result<Last, StoreError> {
    let row = sqlx::query(include_str!("sql/last_keys.sql")).fetch_one(connection).await;
    let row = row.map_err(store_error)?;
    Ok(Last {
        battle: row.try_get(0).map_err(store_error)?,
        participant: row.try_get(1).map_err(store_error)?,
    })
}

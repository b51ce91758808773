//! The integer keys of battles' and participants' rows, which the writer gives out and remembers.

use ahash::AHashMap;
use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use uuid::Uuid;

use crate::Position;
use crate::error::StoreError;
use crate::tables::TableBatch;

/// How many row keys the writer remembers, about 50 bytes each. When it is reached, it forgets all of them and looks up again
/// what it needs.
const KEYS_MAX: usize = 400_000;

/// Where keys are looked up, within the transaction of the batch.
#[async_trait]
pub(crate) trait KeySource: Send {
    /// The last keys that were given out.
    async fn last_keys(&mut self) -> Result<Last, StoreError>;

    /// The keys of those battles that are there.
    async fn battle_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError>;

    /// The keys of those participants who are there.
    async fn participant_keys(&mut self, ids: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, StoreError>;
}

/// What the writer knows of the keys that are in the tables.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: Known,
    /// The last keys given out; read from the tables when that is not known: at first, and after a batch of which nobody heard
    /// that it was committed.
    last: Option<Last>,
    /// The checkpoint of the tables when all this was so. Elsewhere somebody else has written, and has given keys too.
    at: Position,
    /// Of which tables all this was said.
    tables_id: i64,
}

/// The keys that one batch needs. They become [`Keys`] once the batch is committed.
#[derive(Debug)]
pub(crate) struct BatchKeys<'a> {
    known: &'a Known,
    added: Known,
    last: Last,
    at: Position,
}

#[derive(Debug, Default)]
struct Known {
    battles: AHashMap<Uuid, i64>,
    participants: AHashMap<Uuid, i64>,
}

/// The last keys that were given out; 0 for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    /// To a battle.
    pub(crate) battle: i64,
    /// To a participant.
    pub(crate) participant: i64,
}

/// What a committed batch adds to [`Keys`].
#[derive(Debug)]
pub(crate) struct NewKeys {
    added: Known,
    last: Last,
    at: Position,
}

impl Keys {
    /// Forgets everything unless it is about these tables.
    pub(crate) fn belong_to(&mut self, tables_id: i64) {
        if self.tables_id != tables_id {
            *self = Self { tables_id, ..Self::default() };
        }
    }

    /// Finds the keys of all rows that the batch speaks of, and gives keys to its new rows. Whoever calls holds the tables'
    /// checkpoint, where the batch goes on from, so that nobody else gives out keys meanwhile.
    pub(crate) async fn for_batch(
        &mut self,
        source: &mut dyn KeySource,
        batch: &TableBatch,
    ) -> Result<BatchKeys<'_>, StoreError> {
        if self.at != batch.follows {
            *self = Self { tables_id: self.tables_id, ..Self::default() };
        }
        // Only a commit that was heard of puts it back: when the caller gives up, the batch may be committed all the same.
        let mut last = match self.last.take() {
            Some(last) => last,
            None => source.last_keys().await?,
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
        if !battles.is_empty() {
            added.battles.extend(source.battle_keys(battles).await?);
        }
        let participants = unknown(participants_of(batch), &self.known.participants, &added.participants);
        if !participants.is_empty() {
            added.participants.extend(source.participant_keys(participants).await?);
        }
        Ok(BatchKeys { known: &self.known, added, last, at: batch.checkpoint })
    }

    /// The batch is committed: its keys are in the tables.
    pub(crate) fn committed(&mut self, new: NewKeys) {
        if self.known.participants.len() + new.added.participants.len() > KEYS_MAX
            || self.known.battles.len() + new.added.battles.len() > KEYS_MAX
        {
            self.known = Known::default();
        }
        self.known.battles.extend(new.added.battles);
        self.known.participants.extend(new.added.participants);
        self.last = Some(new.last);
        self.at = new.at;
    }
}

impl BatchKeys<'_> {
    /// The key of a battle's row.
    pub(crate) fn battle(&self, id: BattleId) -> Result<i64, StoreError> {
        key(&self.added.battles, &self.known.battles, id.0)
            .ok_or_else(|| StoreError::Constraint { reason: format!("there is no battle {id}") })
    }

    /// The key of a battle's row, if there is one.
    pub(crate) fn battle_if_there(&self, id: BattleId) -> Option<i64> {
        key(&self.added.battles, &self.known.battles, id.0)
    }

    /// The key of a participant's row.
    pub(crate) fn participant(&self, id: ParticipantId) -> Result<i64, StoreError> {
        key(&self.added.participants, &self.known.participants, id.0)
            .ok_or_else(|| StoreError::Constraint { reason: format!("there is no participant {id}") })
    }

    /// What to remember once the batch is committed.
    pub(crate) fn into_new(self) -> NewKeys {
        NewKeys { added: self.added, last: self.last, at: self.at }
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

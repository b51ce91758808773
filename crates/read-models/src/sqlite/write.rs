//! Writing a batch: one statement a table, each given all of its rows as one JSON text.
//!
//! A row costs a few microseconds that way, whatever its number of columns, and every statement is a file that can be read.

use nimaora_domain::Balance;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::fault::store_error;
use crate::error::StoreError;
use crate::relational::all_found;
use crate::relational::keys::BatchKeys;
use crate::relational::words::{kind_word, phase_word, verdict_word};
use crate::rows::{
    AnswerRow, AnswerVerdict, AttackRow, BattleRow, BattleUpdate, NewParticipant, ParkedEvent,
    ParticipantUpdate, QuestionRow,
};
use crate::tables::TableBatch;

/// Writes all rows of a batch. Answers how many.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    batch: &TableBatch,
    keys: &BatchKeys<'_>,
) -> Result<usize, StoreError> {
    let mut out = Out { connection, keys, rows: 0 };
    out.battles(&batch.battles).await?;
    out.questions(&batch.questions).await?;
    out.joined(&batch.joined).await?;
    out.participants(&batch.participants).await?;
    out.answers(&batch.answers).await?;
    out.verdicts(&batch.verdicts).await?;
    out.attacks(&batch.attacks).await?;
    out.parked(&batch.parked).await?;
    out.updates(&batch.updates).await?;
    Ok(out.rows)
}

/// The JSON text that a statement takes its rows from.
pub(super) fn json<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Constraint { reason: error.to_string() })
}

struct Out<'a> {
    connection: &'a mut SqliteConnection,
    keys: &'a BatchKeys<'a>,
    rows: usize,
}

/// What changes of a participant decides which indexes a statement has to touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Items and activity.
    Actor,
    /// Points and items.
    Target,
    /// Points, items and activity.
    Player,
    /// Anything.
    Other,
}

impl Out<'_> {
    async fn battles(&mut self, rows: &[BattleRow]) -> Result<(), StoreError> {
        let row = |battle: &BattleRow| {
            let key = self.keys.battle(battle.id)?;
            let rules = json_value(&battle.rules)?;
            let fixed = (battle.starts_at, battle.ends_at, battle.created_at, battle.created_position);
            let (starts_at, ends_at, created_at, position) = fixed;
            let (code, title) = (battle.join_code.clone(), battle.title.clone());
            Ok((
                key,
                battle.id,
                code,
                title,
                rules,
                battle.questions,
                starts_at,
                ends_at,
                created_at,
                position,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/insert_battles.sql"), &rows).await
    }

    async fn questions(&mut self, rows: &[QuestionRow]) -> Result<(), StoreError> {
        let row = |row: &QuestionRow| {
            let question = &row.question;
            Ok((
                self.keys.battle(row.battle_id)?,
                question.id,
                kind_word(question.kind),
                question.prompt.clone(),
                json(&question.choices)?,
                question.reward.points,
                question.reward.shields,
                question.reward.arrows,
                question.attempts_max,
                question.opens_after_ms,
                question.answering_time_ms,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/insert_questions.sql"), &rows).await
    }

    async fn joined(&mut self, rows: &[NewParticipant]) -> Result<(), StoreError> {
        let row = |joined: &NewParticipant| {
            let Balance { points, shields, arrows } = joined.balance;
            Ok((
                self.keys.participant(joined.id)?,
                self.keys.battle(joined.battle_id)?,
                joined.id,
                joined.username.clone(),
                joined.session_id,
                points,
                shields,
                arrows,
                joined.reached_revision,
                joined.joined_at,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/insert_participants.sql"), &rows).await
    }

    async fn participants<'r>(&mut self, rows: &'r [ParticipantUpdate]) -> Result<(), StoreError> {
        let keyed = |row: &'r ParticipantUpdate| self.keys.participant(row.id).map(|key| (key, row));
        let mut keyed = rows.iter().map(keyed).collect::<Result<Vec<_>, _>>()?;
        // In the order of their keys, neighbours are found on the same page.
        keyed.sort_unstable_by_key(|&(key, _)| key);
        let of = |part| keyed.iter().filter(move |(_, row)| part_of(row) == part);
        let actor = |&(key, row): &(i64, &ParticipantUpdate)| {
            let Balance { shields, arrows, .. } = row.balance.unwrap_or_default();
            (key, shields, arrows, row.last_activity_at, row.updated_at)
        };
        let target = |&(key, row): &(i64, &ParticipantUpdate)| {
            let Balance { points, shields, arrows } = row.balance.unwrap_or_default();
            (key, points, shields, arrows, row.reached_revision, row.updated_at)
        };
        let player = |&(key, row): &(i64, &ParticipantUpdate)| {
            let Balance { points, shields, arrows } = row.balance.unwrap_or_default();
            (key, points, shields, arrows, row.reached_revision, row.last_activity_at, row.updated_at)
        };
        let other = |&(key, row): &(i64, &'r ParticipantUpdate)| {
            (
                key,
                row.balance.map(|balance| balance.points),
                row.balance.map(|balance| balance.shields),
                row.balance.map(|balance| balance.arrows),
                row.reached_revision,
                row.session_id,
                row.is_active,
                row.has_left,
                row.removed,
                row.last_activity_at,
                row.updated_at,
                row.username.as_deref(),
            )
        };
        let actors: Vec<_> = of(Part::Actor).map(actor).collect();
        let targets: Vec<_> = of(Part::Target).map(target).collect();
        let players: Vec<_> = of(Part::Player).map(player).collect();
        let others: Vec<_> = of(Part::Other).map(other).collect();
        self.write(include_str!("sql/update_actors.sql"), &actors).await?;
        self.write(include_str!("sql/update_targets.sql"), &targets).await?;
        self.write(include_str!("sql/update_players.sql"), &players).await?;
        self.write(include_str!("sql/update_participants.sql"), &others).await
    }

    async fn answers(&mut self, rows: &[AnswerRow]) -> Result<(), StoreError> {
        let row = |answer: &AnswerRow| {
            Ok((
                answer.position,
                self.keys.battle(answer.battle_id)?,
                self.keys.participant(answer.participant_id)?,
                answer.question_id,
                answer.attempt,
                verdict_word(answer.verdict),
                answer.earned.points,
                answer.earned.shields,
                answer.earned.arrows,
                answer.answer.clone(),
                answer.submitted_at,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/insert_answers.sql"), &rows).await
    }

    async fn verdicts(&mut self, rows: &[AnswerVerdict]) -> Result<(), StoreError> {
        let row = |verdict: &AnswerVerdict| {
            Ok((
                self.keys.participant(verdict.participant_id)?,
                verdict.question_id,
                verdict.attempt,
                verdict_word(verdict.verdict),
                verdict.earned.points,
                verdict.earned.shields,
                verdict.earned.arrows,
                verdict.judged_at,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/update_verdicts.sql"), &rows).await
    }

    async fn attacks(&mut self, rows: &[AttackRow]) -> Result<(), StoreError> {
        let row = |attack: &AttackRow| {
            Ok((
                attack.position,
                attack.event_id,
                self.keys.battle(attack.battle_id)?,
                self.keys.participant(attack.attacker_id)?,
                self.keys.participant(attack.target_id)?,
                attack.blocked,
                attack.points_deducted,
                attack.attacked_at,
            ))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        self.write(include_str!("sql/insert_attacks.sql"), &rows).await
    }

    async fn parked(&mut self, rows: &[ParkedEvent]) -> Result<(), StoreError> {
        let row = |parked: &ParkedEvent| {
            let (stream, event_type) = (parked.stream.clone(), parked.event_type.clone());
            let reason = parked.reason.clone();
            (parked.position, stream, parked.revision, parked.event_id, event_type, reason, parked.parked_at)
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        self.write(include_str!("sql/insert_parked.sql"), &rows).await
    }

    /// A battle whose creation was parked has no row, and no position to move.
    async fn updates(&mut self, rows: &[BattleUpdate]) -> Result<(), StoreError> {
        let row = |update: &BattleUpdate| {
            let key = self.keys.battle_if_there(update.id)?;
            let phase = update.phase.map(phase_word);
            Some((key, update.position, phase, update.started_at, update.ended_at, update.participants_delta))
        };
        let rows: Vec<_> = rows.iter().filter_map(row).collect();
        self.write(include_str!("sql/update_battles.sql"), &rows).await
    }

    /// Runs a statement with its rows; each of them must find its place.
    async fn write<T: Serialize>(&mut self, sql: &'static str, rows: &[T]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let done = sqlx::query(sql).bind(json(rows)?).execute(&mut *self.connection).await;
        let written = done.map_err(store_error)?.rows_affected();
        all_found(sql, written, rows.len())?;
        self.rows += rows.len();
        Ok(())
    }
}

fn part_of(row: &ParticipantUpdate) -> Part {
    let named = row.session_id.is_some() || row.username.is_some();
    let stays = !named && row.is_active.is_none() && !row.has_left && !row.removed;
    match (row.balance, row.reached_revision, row.last_activity_at) {
        (Some(_), None, Some(_)) if stays => Part::Actor,
        (Some(_), _, None) if stays => Part::Target,
        (Some(_), Some(_), Some(_)) if stays => Part::Player,
        _ => Part::Other,
    }
}

fn json_value<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Constraint { reason: error.to_string() })
}

//! Writing a batch: one statement a table, each given all of its rows as arrays, one a column, or copied where they are many.

use nimaora_domain::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, query};

use super::copy::COPIED_ROWS_MIN;
use super::session::Session;
use super::values::{Json, Time};
use crate::error::StoreError;
use crate::relational::keys::BatchKeys;
use crate::relational::words::{kind_word, phase_word, verdict_word};
use crate::relational::{all_found, as_i64};
use crate::rows::{
    AnswerRow, AnswerVerdict, AttackRow, BattleRow, BattleUpdate, NewParticipant, ParkedEvent,
    ParticipantUpdate, QuestionRow,
};
use crate::tables::TableBatch;

/// Writes all rows of a batch. Answers how many.
pub(super) async fn rows(
    session: &mut Session,
    batch: &TableBatch,
    keys: &BatchKeys<'_>,
) -> Result<usize, StoreError> {
    let mut out = Out { session, keys, rows: 0 };
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

struct Out<'a> {
    session: &'a mut Session,
    keys: &'a BatchKeys<'a>,
    rows: usize,
}

impl Out<'_> {
    async fn battles(&mut self, rows: &[BattleRow]) -> Result<(), StoreError> {
        let keys = every(rows, |row| self.keys.battle(row.id))?;
        let sql = include_str!("sql/insert_battles.sql");
        let query = query(sql)
            .bind(keys)
            .bind(each(rows, |row| row.id.0))
            .bind(each(rows, |row| row.join_code.as_str()))
            .bind(each(rows, |row| row.title.as_str()))
            .bind(every(rows, |row| json(&row.rules))?)
            .bind(each(rows, |row| i64::from(row.questions)))
            .bind(each(rows, |row| row.starts_at.map(Time)))
            .bind(each(rows, |row| row.ends_at.map(Time)))
            .bind(each(rows, |row| Time(row.created_at)))
            .bind(each(rows, |row| as_i64(row.created_position)));
        self.write(sql, query, rows.len()).await
    }

    async fn questions(&mut self, rows: &[QuestionRow]) -> Result<(), StoreError> {
        let sql = include_str!("sql/insert_questions.sql");
        let query = query(sql)
            .bind(every(rows, |row| self.keys.battle(row.battle_id))?)
            .bind(each(rows, |row| i64::from(row.question.id.0)))
            .bind(each(rows, |row| kind_word(row.question.kind)))
            .bind(each(rows, |row| row.question.prompt.as_str()))
            .bind(every(rows, |row| json(&row.question.choices))?)
            .bind(each(rows, |row| i64::from(row.question.reward.points)))
            .bind(each(rows, |row| i64::from(row.question.reward.shields)))
            .bind(each(rows, |row| i64::from(row.question.reward.arrows)))
            .bind(each(rows, |row| i64::from(row.question.attempts_max)))
            .bind(each(rows, |row| as_i64(row.question.opens_after_ms)))
            .bind(each(rows, |row| as_i64(row.question.answering_time_ms)));
        self.write(sql, query, rows.len()).await
    }

    async fn joined(&mut self, rows: &[NewParticipant]) -> Result<(), StoreError> {
        let sql = include_str!("sql/insert_participants.sql");
        let query = query(sql)
            .bind(every(rows, |row| self.keys.participant(row.id))?)
            .bind(every(rows, |row| self.keys.battle(row.battle_id))?)
            .bind(each(rows, |row| row.id.0))
            .bind(each(rows, |row| row.username.as_str()))
            .bind(each(rows, |row| row.session_id.0))
            .bind(each(rows, |row| i64::from(row.balance.points)))
            .bind(each(rows, |row| i64::from(row.balance.shields)))
            .bind(each(rows, |row| i64::from(row.balance.arrows)))
            .bind(each(rows, |row| as_i64(row.reached_revision)))
            .bind(each(rows, |row| Time(row.joined_at)));
        self.write(sql, query, rows.len()).await
    }

    async fn participants(&mut self, rows: &[ParticipantUpdate]) -> Result<(), StoreError> {
        let mut keyed = Vec::with_capacity(rows.len());
        for row in rows {
            keyed.push((self.keys.participant(row.id)?, row));
        }
        // In the order of their keys, neighbours are found on the same page.
        keyed.sort_unstable_by_key(|&(key, _)| key);
        let sql = include_str!("sql/update_participants.sql");
        let query = query(sql)
            .bind(each(&keyed, |&(key, _)| key))
            .bind(each(&keyed, |(_, row)| row.balance.map(|balance| i64::from(balance.points))))
            .bind(each(&keyed, |(_, row)| row.balance.map(|balance| i64::from(balance.shields))))
            .bind(each(&keyed, |(_, row)| row.balance.map(|balance| i64::from(balance.arrows))))
            .bind(each(&keyed, |(_, row)| row.reached_revision.map(as_i64)))
            .bind(each(&keyed, |(_, row)| row.session_id.map(|session| session.0)))
            .bind(each(&keyed, |(_, row)| row.is_active))
            .bind(each(&keyed, |(_, row)| row.has_left))
            .bind(each(&keyed, |(_, row)| row.removed))
            .bind(each(&keyed, |(_, row)| row.last_activity_at.map(Time)))
            .bind(each(&keyed, |(_, row)| Time(row.updated_at)))
            .bind(each(&keyed, |(_, row)| row.username.as_deref()));
        self.write(sql, query, rows.len()).await
    }

    async fn answers(&mut self, rows: &[AnswerRow]) -> Result<(), StoreError> {
        if rows.len() >= COPIED_ROWS_MIN {
            return self.copy_answers(rows).await;
        }
        let sql = include_str!("sql/insert_answers.sql");
        let query = query(sql)
            .bind(each(rows, |row| as_i64(row.position)))
            .bind(every(rows, |row| self.keys.battle(row.battle_id))?)
            .bind(every(rows, |row| self.keys.participant(row.participant_id))?)
            .bind(each(rows, |row| i64::from(row.question_id.0)))
            .bind(each(rows, |row| i64::from(row.attempt)))
            .bind(each(rows, |row| verdict_word(row.verdict)))
            .bind(each(rows, |row| i64::from(row.earned.points)))
            .bind(each(rows, |row| i64::from(row.earned.shields)))
            .bind(each(rows, |row| i64::from(row.earned.arrows)))
            .bind(each(rows, |row| row.answer.as_deref()))
            .bind(each(rows, |row| Time(row.submitted_at)));
        self.write(sql, query, rows.len()).await
    }

    async fn verdicts(&mut self, rows: &[AnswerVerdict]) -> Result<(), StoreError> {
        let sql = include_str!("sql/update_verdicts.sql");
        let query = query(sql)
            .bind(every(rows, |row| self.keys.participant(row.participant_id))?)
            .bind(each(rows, |row| i64::from(row.question_id.0)))
            .bind(each(rows, |row| i64::from(row.attempt)))
            .bind(each(rows, |row| verdict_word(row.verdict)))
            .bind(each(rows, |row| i64::from(row.earned.points)))
            .bind(each(rows, |row| i64::from(row.earned.shields)))
            .bind(each(rows, |row| i64::from(row.earned.arrows)))
            .bind(each(rows, |row| Time(row.judged_at)));
        self.write(sql, query, rows.len()).await
    }

    async fn copy_answers(&mut self, rows: &[AnswerRow]) -> Result<(), StoreError> {
        let keyed = |row: &AnswerRow| {
            Ok((self.keys.battle(row.battle_id)?, self.keys.participant(row.participant_id)?))
        };
        let keys: Vec<(i64, i64)> = every(rows, keyed)?;
        let sql = include_str!("sql/copy_answers.sql");
        let mut copying = self.session.copy(sql, 11).await?;
        for (row, (battle, participant)) in rows.iter().zip(keys) {
            let mut fields = copying.row();
            fields.bigint(as_i64(row.position));
            fields.integer(battle);
            fields.bigint(participant);
            fields.bigint(i64::from(row.question_id.0));
            fields.integer(i64::from(row.attempt));
            fields.text(verdict_word(row.verdict));
            fields.integer(i64::from(row.earned.points));
            fields.integer(i64::from(row.earned.shields));
            fields.integer(i64::from(row.earned.arrows));
            fields.text_or_null(row.answer.as_deref());
            fields.time(row.submitted_at);
            copying.make_room().await?;
        }
        let taken = copying.finish().await?;
        self.copied(sql, taken, rows.len())
    }

    async fn attacks(&mut self, rows: &[AttackRow]) -> Result<(), StoreError> {
        if rows.len() >= COPIED_ROWS_MIN {
            return self.copy_attacks(rows).await;
        }
        let sql = include_str!("sql/insert_attacks.sql");
        let query = query(sql)
            .bind(each(rows, |row| as_i64(row.position)))
            .bind(each(rows, |row| row.event_id))
            .bind(every(rows, |row| self.keys.battle(row.battle_id))?)
            .bind(every(rows, |row| self.keys.participant(row.attacker_id))?)
            .bind(every(rows, |row| self.keys.participant(row.target_id))?)
            .bind(each(rows, |row| row.blocked))
            .bind(each(rows, |row| i64::from(row.points_deducted)))
            .bind(each(rows, |row| Time(row.attacked_at)));
        self.write(sql, query, rows.len()).await
    }

    async fn copy_attacks(&mut self, rows: &[AttackRow]) -> Result<(), StoreError> {
        let keyed = |row: &AttackRow| {
            let (attacker, target) =
                (self.keys.participant(row.attacker_id)?, self.keys.participant(row.target_id)?);
            Ok((self.keys.battle(row.battle_id)?, attacker, target))
        };
        let keys: Vec<(i64, i64, i64)> = every(rows, keyed)?;
        let sql = include_str!("sql/copy_attacks.sql");
        let mut copying = self.session.copy(sql, 8).await?;
        for (row, (battle, attacker, target)) in rows.iter().zip(keys) {
            let mut fields = copying.row();
            fields.bigint(as_i64(row.position));
            fields.uuid(row.event_id);
            fields.integer(battle);
            fields.bigint(attacker);
            fields.bigint(target);
            fields.boolean(row.blocked);
            fields.integer(i64::from(row.points_deducted));
            fields.time(row.attacked_at);
            copying.make_room().await?;
        }
        let taken = copying.finish().await?;
        self.copied(sql, taken, rows.len())
    }

    async fn parked(&mut self, rows: &[ParkedEvent]) -> Result<(), StoreError> {
        let sql = include_str!("sql/insert_parked.sql");
        let query = query(sql)
            .bind(each(rows, |row| as_i64(row.position)))
            .bind(each(rows, |row| storable(&row.stream)))
            .bind(each(rows, |row| as_i64(row.revision)))
            .bind(each(rows, |row| row.event_id))
            .bind(each(rows, |row| storable(&row.event_type)))
            .bind(each(rows, |row| storable(&row.reason)))
            .bind(each(rows, |row| Time(row.parked_at)));
        self.write(sql, query, rows.len()).await
    }

    /// A battle whose creation was parked has no row, and no position to move.
    async fn updates<'r>(&mut self, rows: &'r [BattleUpdate]) -> Result<(), StoreError> {
        let keyed = |row: &'r BattleUpdate| self.keys.battle_if_there(row.id).map(|key| (key, row));
        let rows: Vec<(i64, &BattleUpdate)> = rows.iter().filter_map(keyed).collect();
        let time = |time: Option<Timestamp>| time.map(Time);
        let sql = include_str!("sql/update_battles.sql");
        let query = query(sql)
            .bind(each(&rows, |&(key, _)| key))
            .bind(each(&rows, |(_, row)| as_i64(row.position)))
            .bind(each(&rows, |(_, row)| row.phase.map(phase_word)))
            .bind(each(&rows, |(_, row)| time(row.started_at)))
            .bind(each(&rows, |(_, row)| time(row.ended_at)))
            .bind(each(&rows, |(_, row)| i64::from(row.participants_delta)));
        self.write(sql, query, rows.len()).await
    }

    fn copied(&mut self, sql: &str, taken: u64, rows: usize) -> Result<(), StoreError> {
        all_found(sql, taken, rows)?;
        self.rows += rows;
        Ok(())
    }

    /// Runs a statement with its rows; each of them must find its place.
    async fn write(
        &mut self,
        sql: &str,
        query: Query<'_, Postgres, PgArguments>,
        rows: usize,
    ) -> Result<(), StoreError> {
        if rows > 0 {
            all_found(sql, self.session.execute(query).await?, rows)?;
            self.rows += rows;
        }
        Ok(())
    }
}

/// A column of the rows.
fn each<'r, R, T>(rows: &'r [R], value: impl FnMut(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A column of the rows, each of which must have a value.
fn every<'r, R, T>(
    rows: &'r [R],
    value: impl FnMut(&'r R) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(value).collect()
}

fn json<T: Serialize>(value: &T) -> Result<Json, StoreError> {
    let text = serde_json::to_string(value);
    text.map(Json).map_err(|error| StoreError::Constraint { reason: error.to_string() })
}

/// PostgreSQL's texts cannot hold the character 0, which may be the very reason for which an event is parked.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

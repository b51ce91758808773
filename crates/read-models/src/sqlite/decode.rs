//! From rows of the file to rows of the port.

use nimaora_domain::{Balance, BattleId, ParticipantId, Question, QuestionId, SessionId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use super::fault::store_error;
use crate::error::StoreError;
use crate::leaderboard::BoardEntry;
use crate::relational::misfit;
use crate::relational::words::{kind, phase};
use crate::rows::{AttackRow, AttackView, BattleRow, BattleView, ParkedEvent, ParticipantView};

/// A column of a row, as SQLite gives it.
pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(store_error)
}

/// A number that is never negative.
pub(super) fn number<T: TryFrom<i64>>(row: &SqliteRow, name: &str) -> Result<T, StoreError> {
    let value: i64 = column(row, name)?;
    T::try_from(value).map_err(|_| misfit(name, value))
}

/// A UUID.
pub(super) fn uuid(row: &SqliteRow, name: &str) -> Result<Uuid, StoreError> {
    let text: &str = column(row, name)?;
    Uuid::parse_str(text).map_err(|_| misfit("UUID", text))
}

fn time(row: &SqliteRow, name: &str) -> Result<Timestamp, StoreError> {
    time_or_none(row, name)?.ok_or_else(|| misfit("time", "NULL"))
}

fn time_or_none(row: &SqliteRow, name: &str) -> Result<Option<Timestamp>, StoreError> {
    let text: Option<&str> = column(row, name)?;
    text.map(|text| text.parse().map_err(|_| misfit("time", text))).transpose()
}

fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, name: &str) -> Result<T, StoreError> {
    let text: &str = column(row, name)?;
    serde_json::from_str(text).map_err(|error| misfit(name, error))
}

pub(super) fn battle(row: &SqliteRow) -> Result<BattleView, StoreError> {
    Ok(BattleView {
        battle: BattleRow {
            id: BattleId(uuid(row, "uuid")?),
            join_code: column(row, "join_code")?,
            title: column(row, "title")?,
            rules: json(row, "rules")?,
            starts_at: time_or_none(row, "starts_at")?,
            ends_at: time_or_none(row, "ends_at")?,
            created_at: time(row, "created_at")?,
            created_position: number(row, "created_position")?,
            questions: number(row, "questions")?,
        },
        phase: phase(column(row, "phase")?)?,
        started_at: time_or_none(row, "started_at")?,
        ended_at: time_or_none(row, "ended_at")?,
        participants: number(row, "participants")?,
        as_of: number(row, "position")?,
    })
}

pub(super) fn question(row: &SqliteRow) -> Result<Question, StoreError> {
    Ok(Question {
        id: QuestionId(number(row, "number")?),
        kind: kind(column(row, "kind")?)?,
        prompt: column(row, "prompt")?,
        choices: json(row, "choices")?,
        answer_hashes: Vec::new(),
        reward: Balance {
            points: number(row, "reward_points")?,
            shields: number(row, "reward_shields")?,
            arrows: number(row, "reward_arrows")?,
        },
        attempts_max: number(row, "attempts_max")?,
        opens_after_ms: number(row, "opens_after_ms")?,
        answering_time_ms: number(row, "answering_time_ms")?,
    })
}

pub(super) fn participant(row: &SqliteRow, battle_id: BattleId) -> Result<ParticipantView, StoreError> {
    Ok(ParticipantView {
        id: ParticipantId(uuid(row, "participant_id")?),
        battle_id,
        username: column(row, "username")?,
        session_id: SessionId(uuid(row, "session_id")?),
        balance: Balance {
            points: number(row, "points")?,
            shields: number(row, "shields")?,
            arrows: number(row, "arrows")?,
        },
        is_active: column(row, "is_active")?,
        has_left: column(row, "has_left")?,
        removed: column(row, "removed")?,
        joined_at: time(row, "created_at")?,
        as_of: number(row, "position")?,
    })
}

pub(super) fn attack(
    row: &SqliteRow,
    battle_id: BattleId,
    target_id: ParticipantId,
) -> Result<AttackView, StoreError> {
    Ok(AttackView {
        attack: AttackRow {
            position: number(row, "position")?,
            event_id: uuid(row, "event_id")?,
            battle_id,
            attacker_id: ParticipantId(uuid(row, "participant_id")?),
            target_id,
            blocked: column(row, "blocked")?,
            points_deducted: number(row, "points_deducted")?,
            attacked_at: time(row, "attacked_at")?,
        },
        attacker: column(row, "username")?,
    })
}

pub(super) fn board_entry(row: &SqliteRow, rank: u32) -> Result<BoardEntry, StoreError> {
    let username: &str = column(row, "username")?;
    Ok(BoardEntry {
        rank,
        participant_id: ParticipantId(uuid(row, "participant_id")?),
        username: username.into(),
        points: number(row, "points")?,
        reached_revision: number(row, "reached_revision")?,
    })
}

pub(super) fn parked(row: &SqliteRow) -> Result<ParkedEvent, StoreError> {
    Ok(ParkedEvent {
        position: number(row, "position")?,
        stream: column(row, "stream")?,
        revision: number(row, "revision")?,
        event_id: uuid(row, "event_id")?,
        event_type: column(row, "event_type")?,
        reason: column(row, "reason")?,
        parked_at: time(row, "parked_at")?,
    })
}

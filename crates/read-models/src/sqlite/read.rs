//! Answering queries.

use nimaora_domain::{BattleId, ParticipantId, Phase, Question};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{SqliteConnection, SqliteExecutor};

use super::fault::store_error;
use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::relational::as_i64;
use crate::relational::decode::{self, BoardHead};
use crate::relational::words::phase_word;
use crate::rows::{AttackView, BattleView, ParkedEvent, ParticipantView};
use crate::tables::{BattlePage, Checkpoints};

pub(super) async fn checkpoints<'c>(reader: impl SqliteExecutor<'c>) -> Result<Checkpoints, StoreError> {
    let rows = sqlx::query(include_str!("sql/checkpoints.sql")).fetch_all(reader).await;
    decode::checkpoints(&rows.map_err(store_error)?)
}

pub(super) async fn parked(
    readers: &SqlitePool,
    after: Position,
    limit: u32,
) -> Result<Vec<ParkedEvent>, StoreError> {
    let query = sqlx::query(include_str!("sql/parked.sql")).bind(as_i64(after)).bind(limit);
    let rows = query.fetch_all(readers).await.map_err(store_error)?;
    rows.iter().map(decode::parked).collect()
}

pub(super) async fn battle(readers: &SqlitePool, id: BattleId) -> Result<Option<BattleView>, StoreError> {
    let query = sqlx::query(include_str!("sql/battle.sql")).bind(id.to_string());
    one(query.fetch_optional(readers).await)?.as_ref().map(decode::battle).transpose()
}

pub(super) async fn battle_by_join_code(
    readers: &SqlitePool,
    join_code: &str,
) -> Result<Option<BattleView>, StoreError> {
    let query = sqlx::query(include_str!("sql/battle_by_join_code.sql")).bind(join_code.to_owned());
    one(query.fetch_optional(readers).await)?.as_ref().map(decode::battle).transpose()
}

pub(super) async fn battles(
    readers: &SqlitePool,
    phase: Option<Phase>,
    before: Option<Position>,
    limit: u32,
) -> Result<BattlePage, StoreError> {
    let mut snapshot = readers.begin().await.map_err(store_error)?;
    let as_of = checkpoints(&mut *snapshot).await?.tables;
    let before = before.map_or(i64::MAX, as_i64);
    // One more than asked tells whether there are more.
    let limit_and_one = i64::from(limit) + 1;
    let query = match phase {
        Some(phase) => sqlx::query(include_str!("sql/battles_in_phase.sql"))
            .bind(before)
            .bind(limit_and_one)
            .bind(phase_word(phase)),
        None => sqlx::query(include_str!("sql/battles.sql")).bind(before).bind(limit_and_one),
    };
    let rows = query.fetch_all(&mut *snapshot).await.map_err(store_error)?;
    decode::page(&rows, limit, as_of)
}

pub(super) async fn questions(readers: &SqlitePool, id: BattleId) -> Result<Vec<Question>, StoreError> {
    let query = sqlx::query(include_str!("sql/questions.sql")).bind(id.to_string());
    let rows = query.fetch_all(readers).await.map_err(store_error)?;
    rows.iter().map(decode::question).collect()
}

pub(super) async fn participant(
    readers: &SqlitePool,
    battle_id: BattleId,
    id: ParticipantId,
) -> Result<Option<ParticipantView>, StoreError> {
    let query =
        sqlx::query(include_str!("sql/participant.sql")).bind(id.to_string()).bind(battle_id.to_string());
    let row = one(query.fetch_optional(readers).await)?;
    row.as_ref().map(|row| decode::participant(row, battle_id)).transpose()
}

pub(super) async fn usernames(
    readers: &SqlitePool,
    battle_id: BattleId,
) -> Result<Vec<(ParticipantId, String)>, StoreError> {
    let query = sqlx::query(include_str!("sql/usernames.sql")).bind(battle_id.to_string());
    let rows = query.fetch_all(readers).await.map_err(store_error)?;
    decode::usernames(&rows)
}

pub(super) async fn attacks_on(
    readers: &SqlitePool,
    battle_id: BattleId,
    target_id: ParticipantId,
    after: Position,
    limit: u32,
) -> Result<Vec<AttackView>, StoreError> {
    attacks(readers, battle_id, target_id, after, limit, include_str!("sql/attacks_on.sql")).await
}

pub(super) async fn last_attacks_on(
    readers: &SqlitePool,
    battle_id: BattleId,
    target_id: ParticipantId,
    after: Position,
    limit: u32,
) -> Result<Vec<AttackView>, StoreError> {
    attacks(readers, battle_id, target_id, after, limit, include_str!("sql/last_attacks_on.sql")).await
}

/// Attacks on somebody, as a statement with the parameters target, battle, position and limit finds them.
async fn attacks(
    readers: &SqlitePool,
    battle_id: BattleId,
    target_id: ParticipantId,
    after: Position,
    limit: u32,
    sql: &'static str,
) -> Result<Vec<AttackView>, StoreError> {
    let query = sqlx::query(sql)
        .bind(target_id.to_string())
        .bind(battle_id.to_string())
        .bind(as_i64(after))
        .bind(limit);
    let rows = query.fetch_all(readers).await.map_err(store_error)?;
    rows.iter().map(|row| decode::attack(row, battle_id, target_id)).collect()
}

pub(super) async fn top(readers: &SqlitePool, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
    let mut snapshot = readers.begin().await.map_err(store_error)?;
    let head = head_of(&mut snapshot, battle_id).await?;
    lines(head, &mut snapshot, 0, limit).await
}

pub(super) async fn around(
    readers: &SqlitePool,
    battle_id: BattleId,
    participant_id: ParticipantId,
    range: u32,
) -> Result<Board, StoreError> {
    let mut snapshot = readers.begin().await.map_err(store_error)?;
    let head = head_of(&mut snapshot, battle_id).await?;
    let query = sqlx::query(include_str!("sql/place.sql")).bind(head.key).bind(participant_id.to_string());
    let Some(row) = one(query.fetch_optional(&mut *snapshot).await)? else {
        return Ok(head.without_lines());
    };
    let (from, limit) = decode::span_around(&row, range)?;
    lines(head, &mut snapshot, from, limit).await
}

/// What all reads of a board begin with.
async fn head_of(snapshot: &mut SqliteConnection, battle_id: BattleId) -> Result<BoardHead, StoreError> {
    let query = sqlx::query(include_str!("sql/battle.sql")).bind(battle_id.to_string());
    let row = one(query.fetch_optional(snapshot).await)?.ok_or(StoreError::NotHeld(battle_id))?;
    BoardHead::of(&row)
}

/// The lines from the place `from` (from 0) on.
async fn lines(
    head: BoardHead,
    snapshot: &mut SqliteConnection,
    from: u32,
    limit: u32,
) -> Result<Board, StoreError> {
    let query = sqlx::query(include_str!("sql/board.sql")).bind(head.key).bind(limit).bind(from);
    head.board(&query.fetch_all(snapshot).await.map_err(store_error)?, from)
}

fn one(row: Result<Option<SqliteRow>, sqlx::Error>) -> Result<Option<SqliteRow>, StoreError> {
    row.map_err(store_error)
}

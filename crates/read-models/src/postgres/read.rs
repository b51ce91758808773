//! Answering queries.

use nimaora_domain::{BattleId, ParticipantId, Phase, Question};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, query};

use super::decode::column;
use super::session::{Connections, Session};
use super::values::Whole;
use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::Board;
use crate::relational::decode::{self, BoardHead};
use crate::relational::words::phase_word;
use crate::relational::{TABLES, as_i64};
use crate::rows::{AttackView, BattleView, ParkedEvent};
use crate::tables::{BattlePage, Checkpoints};

pub(super) async fn checkpoints(readers: &Connections) -> Result<Checkpoints, StoreError> {
    let rows = all(readers, query(include_str!("sql/checkpoints.sql"))).await?;
    decode::checkpoints(&rows)
}

pub(super) async fn parked(
    readers: &Connections,
    after: Position,
    limit: u32,
) -> Result<Vec<ParkedEvent>, StoreError> {
    let query = query(include_str!("sql/parked.sql")).bind(as_i64(after)).bind(i64::from(limit));
    all(readers, query).await?.iter().map(decode::parked).collect()
}

pub(super) async fn battle(readers: &Connections, id: BattleId) -> Result<Option<BattleView>, StoreError> {
    let query = query(include_str!("sql/battle.sql")).bind(id.0);
    one(readers, query).await?.as_ref().map(decode::battle).transpose()
}

pub(super) async fn battle_by_join_code(
    readers: &Connections,
    join_code: &str,
) -> Result<Option<BattleView>, StoreError> {
    // No text here holds the character that PostgreSQL does not take.
    if join_code.contains('\0') {
        return Ok(None);
    }
    let query = query(include_str!("sql/battle_by_join_code.sql")).bind(join_code);
    one(readers, query).await?.as_ref().map(decode::battle).transpose()
}

pub(super) async fn battles(
    readers: &Connections,
    phase: Option<Phase>,
    before: Option<Position>,
    limit: u32,
) -> Result<BattlePage, StoreError> {
    let mut snapshot = readers.begin().await?;
    let row = snapshot.row(query(include_str!("sql/checkpoint.sql")).bind(TABLES)).await?;
    let as_of: Option<Whole> = row.map_or(Ok(None), |row| column(&row, "position"))?;
    let as_of = as_of.map_or(0, |Whole(position)| u64::try_from(position).unwrap_or(0));
    let before = before.map_or(i64::MAX, as_i64);
    // One more than asked tells whether there are more.
    let limit_and_one = i64::from(limit) + 1;
    let query = match phase {
        Some(phase) => query(include_str!("sql/battles_in_phase.sql"))
            .bind(before)
            .bind(limit_and_one)
            .bind(phase_word(phase)),
        None => query(include_str!("sql/battles.sql")).bind(before).bind(limit_and_one),
    };
    let rows = snapshot.rows(query).await?;
    snapshot.commit().await?;
    decode::page(&rows, limit, as_of)
}

pub(super) async fn questions(readers: &Connections, id: BattleId) -> Result<Vec<Question>, StoreError> {
    let query = query(include_str!("sql/questions.sql")).bind(id.0);
    all(readers, query).await?.iter().map(decode::question).collect()
}

pub(super) async fn usernames(
    readers: &Connections,
    battle_id: BattleId,
) -> Result<Vec<(ParticipantId, String)>, StoreError> {
    let rows = all(readers, query(include_str!("sql/usernames.sql")).bind(battle_id.0)).await?;
    decode::usernames(&rows)
}

pub(super) async fn attacks_on(
    readers: &Connections,
    battle_id: BattleId,
    target_id: ParticipantId,
    after: Position,
    limit: u32,
) -> Result<Vec<AttackView>, StoreError> {
    let query = query(include_str!("sql/attacks_on.sql"))
        .bind(target_id.0)
        .bind(battle_id.0)
        .bind(as_i64(after))
        .bind(i64::from(limit));
    let rows = all(readers, query).await?;
    rows.iter().map(|row| decode::attack(row, battle_id, target_id)).collect()
}

pub(super) async fn top(readers: &Connections, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
    let mut snapshot = readers.begin().await?;
    let board = match head_of(&mut snapshot, battle_id).await? {
        Some(head) => Ok(lines(head, &mut snapshot, 0, limit).await?),
        None => Err(StoreError::NotHeld(battle_id)),
    };
    snapshot.commit().await?;
    board
}

pub(super) async fn around(
    readers: &Connections,
    battle_id: BattleId,
    participant_id: ParticipantId,
    range: u32,
) -> Result<Board, StoreError> {
    let mut snapshot = readers.begin().await?;
    let board = match head_of(&mut snapshot, battle_id).await? {
        Some(head) => Ok(lines_around(head, &mut snapshot, participant_id, range).await?),
        None => Err(StoreError::NotHeld(battle_id)),
    };
    snapshot.commit().await?;
    board
}

/// What all reads of a board begin with; `None` when there is no such battle.
async fn head_of(snapshot: &mut Session, battle_id: BattleId) -> Result<Option<BoardHead>, StoreError> {
    let row = snapshot.row(query(include_str!("sql/battle.sql")).bind(battle_id.0)).await?;
    row.as_ref().map(BoardHead::of).transpose()
}

async fn lines_around(
    head: BoardHead,
    snapshot: &mut Session,
    participant_id: ParticipantId,
    range: u32,
) -> Result<Board, StoreError> {
    let query = query(include_str!("sql/place.sql")).bind(head.key).bind(participant_id.0);
    let Some(row) = snapshot.row(query).await? else { return Ok(head.without_lines()) };
    let (from, limit) = decode::span_around(&row, range)?;
    lines(head, snapshot, from, limit).await
}

/// The lines from the place `from` (from 0) on.
async fn lines(head: BoardHead, snapshot: &mut Session, from: u32, limit: u32) -> Result<Board, StoreError> {
    let query = query(include_str!("sql/board.sql"));
    let query = query.bind(head.key).bind(i64::from(limit)).bind(i64::from(from));
    head.board(&snapshot.rows(query).await?, from)
}

pub(super) async fn all(
    readers: &Connections,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, StoreError> {
    let mut snapshot = readers.begin().await?;
    let rows = snapshot.rows(query).await?;
    snapshot.commit().await?;
    Ok(rows)
}

async fn one(
    readers: &Connections,
    query: Query<'_, Postgres, PgArguments>,
) -> Result<Option<PgRow>, StoreError> {
    let mut snapshot = readers.begin().await?;
    let row = snapshot.row(query).await?;
    snapshot.commit().await?;
    Ok(row)
}

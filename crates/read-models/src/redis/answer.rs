//! What the scripts answer.

use std::sync::Arc;

use nimaora_domain::ParticipantId;
use redis::Value;
use uuid::Uuid;

use super::score;
use crate::error::StoreError;
use crate::leaderboard::{Board, BoardEntry};

/// Whether a script answered 1.
pub(super) fn yes(answer: &Value) -> Result<bool, StoreError> {
    match answer {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        other => Err(foreign(other)),
    }
}

/// A part of a board; `None` when it is not held.
pub(super) fn board(answer: &Value) -> Result<Option<Board>, StoreError> {
    let Value::Array(parts) = answer else {
        return if *answer == Value::Nil { Ok(None) } else { Err(foreign(answer)) };
    };
    let [position, Value::Int(total), Value::Int(from), Value::Array(lines)] = &parts[..] else {
        return Err(foreign(answer));
    };
    let as_of = text(position).and_then(|position| position.parse().ok()).ok_or_else(|| foreign(position))?;
    let first = number(*from).saturating_add(1);
    let entry = |(rank, line): (u32, &[Value])| {
        entry(rank, line).ok_or_else(|| foreign(&Value::Array(line.to_vec())))
    };
    let entries = (first..).zip(lines.chunks(2)).map(entry).collect::<Result<_, _>>()?;
    Ok(Some(Board { entries, total: number(*total), as_of }))
}

fn entry(rank: u32, line: &[Value]) -> Option<BoardEntry> {
    let [member, score] = line else { return None };
    let (username, id) = text(member)?.rsplit_once(' ')?;
    let (points, reached_revision) = score::decode(text(score)?.parse().ok()?)?;
    let participant_id = ParticipantId(Uuid::parse_str(id).ok()?);
    Some(BoardEntry { rank, participant_id, username: Arc::from(username), points, reached_revision })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// No board has more lines than a `u32` counts.
fn number(of_lines: i64) -> u32 {
    u32::try_from(of_lines).unwrap_or(u32::MAX)
}

fn foreign(value: &Value) -> StoreError {
    StoreError::Damaged { reason: format!("Redis answers what no board holds: {value:?}") }
}

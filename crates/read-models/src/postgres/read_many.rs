//! Rows of many participants in one read each; see [`super::gather`].

use nimaora_domain::{BattleId, ParticipantId};
use sqlx::postgres::PgRow;
use sqlx::query;
use uuid::Uuid;

use super::gather::Found;
use super::read::all;
use super::session::Connections;
use crate::Position;
use crate::error::StoreError;
use crate::relational::as_i64;
use crate::relational::decode::{self, StoredRow};
use crate::rows::{AttackView, ParticipantView};

/// Whom is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfParticipant {
    pub(super) battle_id: BattleId,
    pub(super) id: ParticipantId,
}

/// Whose last attacks are asked for, after which position, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) of: OfParticipant,
    pub(super) after: Position,
    pub(super) limit: u32,
}

pub(super) async fn participants(
    readers: Connections,
    keys: Vec<OfParticipant>,
) -> Result<Vec<Found<Option<ParticipantView>>>, StoreError> {
    let (ids, battles) = columns(keys.iter());
    let query = query(include_str!("sql/participants_of.sql")).bind(ids).bind(battles);
    let rows = readers.in_time(all(&readers, query)).await?;
    let mut found = vec![Ok(None); keys.len()];
    for row in &rows {
        let asked = asked(row)?;
        if let (Some(key), Some(found)) = (keys.get(asked), found.get_mut(asked)) {
            *found = decode::participant(row, key.battle_id).map(Some);
        }
    }
    Ok(found)
}

/// The last attacks on each, newest first.
pub(super) async fn pasts(
    readers: Connections,
    keys: Vec<Past>,
) -> Result<Vec<Found<Vec<AttackView>>>, StoreError> {
    let (ids, battles) = columns(keys.iter().map(|past| &past.of));
    let after: Vec<i64> = keys.iter().map(|past| as_i64(past.after)).collect();
    let limits: Vec<i64> = keys.iter().map(|past| i64::from(past.limit)).collect();
    let query =
        query(include_str!("sql/last_attacks_on_many.sql")).bind(ids).bind(battles).bind(after).bind(limits);
    let rows = readers.in_time(all(&readers, query)).await?;
    let mut found = vec![Ok(Vec::new()); keys.len()];
    for row in &rows {
        let asked = asked(row)?;
        if let (Some(Past { of, .. }), Some(found)) = (keys.get(asked), found.get_mut(asked)) {
            match (decode::attack(row, of.battle_id, of.id), found) {
                (Ok(attack), Ok(attacks)) => attacks.push(attack),
                (Err(error), found) => *found = Err(error),
                (Ok(_), Err(_)) => {}
            }
        }
    }
    Ok(found)
}

fn columns<'a>(keys: impl Iterator<Item = &'a OfParticipant>) -> (Vec<Uuid>, Vec<Uuid>) {
    keys.map(|key| (key.id.0, key.battle_id.0)).unzip()
}

/// For which of the keys the row is; they are counted from 1.
fn asked(row: &PgRow) -> Result<usize, StoreError> {
    let nth: usize = row.number("asked")?;
    Ok(nth.saturating_sub(1))
}

//! From rows of the tables to rows of the port. The columns are the same in every database; how their values are stored is not.

use nimaora_domain::{Balance, BattleId, ParticipantId, Question, QuestionId, SessionId, Timestamp};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::words::{kind, phase, verdict};
use super::{BOARDS, CHANGES, TABLES, VERSION, misfit};
use crate::Position;
use crate::audit::AnswerView;
use crate::error::StoreError;
use crate::leaderboard::{Board, BoardEntry};
use crate::rows::{
    AnswerRow, AttackRow, AttackView, BattleRow, BattleView, Discarded, ParkedEvent, ParticipantView,
};
use crate::tables::{BattlePage, Checkpoints};

/// A row, as its database gives it.
pub(crate) trait StoredRow {
    /// A text.
    fn text(&self, name: &str) -> Result<&str, StoreError>;
    /// A text, if there is one.
    fn text_or_none(&self, name: &str) -> Result<Option<&str>, StoreError>;
    /// Whether something is so.
    fn flag(&self, name: &str) -> Result<bool, StoreError>;
    /// A whole number, if there is one.
    fn integer(&self, name: &str) -> Result<Option<i64>, StoreError>;
    /// A UUID.
    fn uuid(&self, name: &str) -> Result<Uuid, StoreError>;
    /// A point in time, if there is one.
    fn time_or_none(&self, name: &str) -> Result<Option<Timestamp>, StoreError>;
    /// A JSON text, as what it says.
    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError>;

    /// A UUID that is stored as a text in every database.
    fn uuid_of_text(&self, name: &str) -> Result<Uuid, StoreError> {
        let text = self.text(name)?;
        Uuid::parse_str(text).map_err(|_| misfit(name, text))
    }

    /// A number that is never negative.
    fn number<T: TryFrom<i64>>(&self, name: &str) -> Result<T, StoreError> {
        let value = self.integer(name)?.ok_or_else(|| misfit(name, "NULL"))?;
        T::try_from(value).map_err(|_| misfit(name, value))
    }

    /// A point in time.
    fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.time_or_none(name)?.ok_or_else(|| misfit("time", "NULL"))
    }
}

pub(crate) fn battle(row: &impl StoredRow) -> Result<BattleView, StoreError> {
    Ok(BattleView {
        battle: BattleRow {
            id: BattleId(row.uuid("uuid")?),
            join_code: row.text("join_code")?.to_owned(),
            title: row.text("title")?.to_owned(),
            rules: row.json("rules")?,
            starts_at: row.time_or_none("starts_at")?,
            ends_at: row.time_or_none("ends_at")?,
            created_at: row.time("created_at")?,
            created_position: row.number("created_position")?,
            questions: row.number("questions")?,
        },
        phase: phase(row.text("phase")?)?,
        started_at: row.time_or_none("started_at")?,
        ended_at: row.time_or_none("ended_at")?,
        participants: row.number("participants")?,
        as_of: row.number("position")?,
    })
}

pub(crate) fn question(row: &impl StoredRow) -> Result<Question, StoreError> {
    Ok(Question {
        id: QuestionId(row.number("number")?),
        kind: kind(row.text("kind")?)?,
        prompt: row.text("prompt")?.to_owned(),
        choices: row.json("choices")?,
        answer_hashes: Vec::new(),
        reward: Balance {
            points: row.number("reward_points")?,
            shields: row.number("reward_shields")?,
            arrows: row.number("reward_arrows")?,
        },
        attempts_max: row.number("attempts_max")?,
        opens_after_ms: row.number("opens_after_ms")?,
        answering_time_ms: row.number("answering_time_ms")?,
    })
}

pub(crate) fn participant(row: &impl StoredRow, battle_id: BattleId) -> Result<ParticipantView, StoreError> {
    Ok(ParticipantView {
        id: ParticipantId(row.uuid("participant_id")?),
        battle_id,
        username: row.text("username")?.to_owned(),
        session_id: SessionId(row.uuid_of_text("session_id")?),
        balance: Balance {
            points: row.number("points")?,
            shields: row.number("shields")?,
            arrows: row.number("arrows")?,
        },
        is_active: row.flag("is_active")?,
        has_left: row.flag("has_left")?,
        removed: row.flag("removed")?,
        joined_at: row.time("created_at")?,
        as_of: row.number("position")?,
    })
}

pub(crate) fn attack(
    row: &impl StoredRow,
    battle_id: BattleId,
    target_id: ParticipantId,
) -> Result<AttackView, StoreError> {
    Ok(AttackView {
        attack: AttackRow {
            position: row.number("position")?,
            event_id: row.uuid("event_id")?,
            battle_id,
            attacker_id: ParticipantId(row.uuid("participant_id")?),
            target_id,
            blocked: row.flag("blocked")?,
            points_deducted: row.number("points_deducted")?,
            attacked_at: row.time("attacked_at")?,
        },
        attacker: row.text("username")?.to_owned(),
    })
}

/// An attack with all that it says.
pub(crate) fn attack_row(row: &impl StoredRow) -> Result<AttackRow, StoreError> {
    let target_id = ParticipantId(row.uuid("target")?);
    Ok(AttackRow {
        position: row.number("position")?,
        event_id: row.uuid("event_id")?,
        battle_id: BattleId(row.uuid("uuid")?),
        attacker_id: ParticipantId(row.uuid("participant_id")?),
        target_id,
        blocked: row.flag("blocked")?,
        points_deducted: row.number("points_deducted")?,
        attacked_at: row.time("attacked_at")?,
    })
}

/// An answer with all that it says.
pub(crate) fn answer(row: &impl StoredRow) -> Result<AnswerView, StoreError> {
    let answer = AnswerRow {
        position: row.number("position")?,
        battle_id: BattleId(row.uuid("uuid")?),
        participant_id: ParticipantId(row.uuid("participant_id")?),
        question_id: QuestionId(row.number("question")?),
        attempt: row.number("attempt")?,
        verdict: verdict(row.text("verdict")?)?,
        earned: Balance {
            points: row.number("points")?,
            shields: row.number("shields")?,
            arrows: row.number("arrows")?,
        },
        answer: row.text_or_none("answer")?.map(str::to_owned),
        submitted_at: row.time("submitted_at")?,
    };
    Ok(AnswerView { answer, judged_at: row.time_or_none("judged_at")? })
}

fn board_entry(row: &impl StoredRow, rank: u32) -> Result<BoardEntry, StoreError> {
    Ok(BoardEntry {
        rank,
        participant_id: ParticipantId(row.uuid("participant_id")?),
        username: row.text("username")?.into(),
        points: row.number("points")?,
        reached_revision: row.number("reached_revision")?,
    })
}

pub(crate) fn parked(row: &impl StoredRow) -> Result<ParkedEvent, StoreError> {
    Ok(ParkedEvent {
        position: row.number("position")?,
        stream: row.text("stream")?.to_owned(),
        revision: row.number("revision")?,
        event_id: row.uuid("event_id")?,
        event_type: row.text("event_type")?.to_owned(),
        reason: row.text("reason")?.to_owned(),
        parked_at: row.time("parked_at")?,
        discarded: match row.time_or_none("discarded_at")? {
            Some(at) => Some(Discarded { at, reason: row.text("discard_reason")?.to_owned() }),
            None => None,
        },
    })
}

/// Where the projections stand. A checkpoint that was never moved may be there without a position, and one that is not known here means
/// nothing here.
pub(crate) fn checkpoints(rows: &[impl StoredRow]) -> Result<Checkpoints, StoreError> {
    let mut found = Checkpoints::default();
    for row in rows {
        if row.integer("position")?.is_none() {
            continue;
        }
        match row.text("name")? {
            TABLES => (found.begun, found.tables) = (true, row.number("position")?),
            CHANGES => (found.begun, found.changes) = (true, row.number("position")?),
            VERSION => found.version = Some(row.number("position")?),
            BOARDS => found.exchanged = Some(row.number("position")?),
            // A later version notes something else there.
            _ => {}
        }
    }
    Ok(found)
}

/// A page of battles, of which one more than `limit` was asked for: it tells whether there are more.
pub(crate) fn page(rows: &[impl StoredRow], limit: u32, as_of: Position) -> Result<BattlePage, StoreError> {
    let mut battles = rows.iter().map(battle).collect::<Result<Vec<_>, _>>()?;
    let more = battles.len() > limit as usize;
    battles.truncate(limit as usize);
    let next = battles.last().filter(|_| more).map(|last| last.battle.created_position);
    Ok(BattlePage { battles, next, as_of })
}

/// The names of participants.
pub(crate) fn usernames(rows: &[impl StoredRow]) -> Result<Vec<(ParticipantId, String)>, StoreError> {
    let name = |row| named(row);
    rows.iter().map(name).collect()
}

fn named(row: &impl StoredRow) -> Result<(ParticipantId, String), StoreError> {
    Ok((ParticipantId(row.uuid("participant_id")?), row.text("username")?.to_owned()))
}

/// What all reads of a board begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoardHead {
    pub(crate) key: i64,
    total: u32,
    as_of: Position,
}

impl BoardHead {
    /// From the battle's row.
    pub(crate) fn of(row: &impl StoredRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: row.number("id")?,
            total: row.number("participants")?,
            as_of: row.number("position")?,
        })
    }

    /// The board with these lines, the first of which has the place `from` (from 0).
    pub(crate) fn board(&self, rows: &[impl StoredRow], from: u32) -> Result<Board, StoreError> {
        let ranks = from.saturating_add(1)..;
        let entries = rows.iter().zip(ranks).map(|(row, rank)| board_entry(row, rank));
        Ok(Board { entries: entries.collect::<Result<_, _>>()?, total: self.total, as_of: self.as_of })
    }

    /// The board of which no line is asked for.
    pub(crate) fn without_lines(&self) -> Board {
        Board { entries: Vec::new(), total: self.total, as_of: self.as_of }
    }
}

/// The first place (from 0) and the number of lines around somebody whose row says its place.
pub(crate) fn span_around(place: &impl StoredRow, range: u32) -> Result<(u32, u32), StoreError> {
    let place: u32 = place.number("place")?;
    let from = place.saturating_sub(range);
    Ok((from, (place - from).saturating_add(range).saturating_add(1)))
}

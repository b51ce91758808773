//! Rows for the tests of tables.

use nimaora_domain::{
    Balance, BattleId, ParticipantId, Question, QuestionId, QuestionKind, Rules, SessionId, Timestamp,
};
use uuid::Uuid;

use super::{battle, participant};
use crate::Position;
use crate::error::StoreError;
use crate::rows::{
    AttackRow, BattleRow, BattleUpdate, NewParticipant, ParkedEvent, ParticipantUpdate, QuestionRow,
};
use crate::tables::{ReadModels, TableBatch};

/// The time of the `n`th second of a test.
pub fn second(n: i64) -> Timestamp {
    Timestamp::from_millis(1_795_484_834_123 + 1_000 * n)
}

/// A session.
pub fn session(n: u128) -> SessionId {
    SessionId(Uuid::from_u128(0x5e55_0000 + n))
}

/// The same number of points, shields and arrows, and then some.
pub fn balance(points: u32) -> Balance {
    Balance { points, shields: points + 1, arrows: points + 2 }
}

/// A battle created at a position.
pub fn battle_row(id: BattleId, position: Position) -> BattleRow {
    BattleRow {
        id,
        join_code: "K7QX2M".to_owned(),
        title: "Friday \"finals\" 🏹".to_owned(),
        rules: Rules { participants_max: 300, late_join: false, ..Rules::default() },
        starts_at: Some(second(60)),
        ends_at: None,
        created_at: second(0),
        created_position: position,
        questions: 2,
    }
}

/// A battle's question without answer hashes.
pub fn question_row(battle_id: BattleId, number: u32) -> QuestionRow {
    QuestionRow {
        battle_id,
        question: Question {
            id: QuestionId(number),
            kind: QuestionKind::Choice,
            prompt: format!("What is {number} + 1?\n"),
            choices: vec!["one".to_owned(), "'two'".to_owned()],
            answer_hashes: Vec::new(),
            reward: balance(number),
            attempts_max: 2,
            opens_after_ms: 1_000,
            answering_time_ms: 30_000,
        },
    }
}

/// The `n`th participant joins with n points.
pub fn joined(battle_id: BattleId, n: u32) -> NewParticipant {
    NewParticipant {
        battle_id,
        id: participant(n.into()),
        username: format!("player {n}"),
        session_id: session(n.into()),
        balance: balance(n),
        reached_revision: n.into(),
        joined_at: second(n.into()),
    }
}

/// An update that changes nothing yet.
pub fn update(battle_id: BattleId, id: ParticipantId) -> ParticipantUpdate {
    ParticipantUpdate {
        battle_id,
        id,
        balance: None,
        reached_revision: None,
        username: None,
        session_id: None,
        is_active: None,
        has_left: false,
        removed: false,
        last_activity_at: None,
        updated_at: second(100),
    }
}

/// An attack by one on another.
pub fn attack(battle_id: BattleId, position: Position, attacker: u128, target: u128) -> AttackRow {
    AttackRow {
        position,
        event_id: Uuid::from_u128(position.into()),
        battle_id,
        attacker_id: participant(attacker),
        target_id: participant(target),
        blocked: position.is_multiple_of(2),
        points_deducted: 1,
        attacked_at: second(200),
    }
}

/// The battle's position moves, and its participants by so many.
pub fn moved(id: BattleId, position: Position, participants_delta: i32) -> BattleUpdate {
    BattleUpdate { id, position, phase: None, started_at: None, ended_at: None, participants_delta }
}

/// An event that cannot be projected.
pub fn parked(position: Position) -> ParkedEvent {
    ParkedEvent {
        position,
        stream: battle(1).stream(),
        revision: 3,
        event_id: Uuid::from_u128(position.into()),
        event_type: "BattleTurnedInsideOut".to_owned(),
        reason: "there is no such type".to_owned(),
        parked_at: second(300),
        discarded: None,
    }
}

/// The first batch of a test: battle 1 with two questions and participants 1 to `players`.
pub fn opening(players: u32) -> TableBatch {
    let id = battle(1);
    TableBatch {
        battles: vec![battle_row(id, 1)],
        questions: vec![question_row(id, 1), question_row(id, 2)],
        joined: (1..=players).map(|n| joined(id, n)).collect(),
        updates: vec![moved(id, 10, i32::try_from(players).unwrap_or(i32::MAX))],
        checkpoint: 10,
        ..TableBatch::default()
    }
}

/// A batch up to a position, in which battle 1 moved there.
pub fn batch(position: Position) -> TableBatch {
    TableBatch { updates: vec![moved(battle(1), position, 0)], checkpoint: position, ..TableBatch::default() }
}

/// Applies a batch that goes on from wherever the tables are.
///
/// # Errors
/// What the tables answer.
pub async fn apply(tables: &dyn ReadModels, batch: TableBatch) -> Result<(), StoreError> {
    let follows = tables.checkpoints().await?.tables;
    tables.apply(&TableBatch { follows, ..batch }).await
}

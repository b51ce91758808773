//! One battle's fold against its rows in the tables as of what these have seen of the log, and its board in the leaderboard as of the
//! position that it says.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use nimaora_domain::{BattleId, Participant, Status};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, Position};
use nimaora_read_models::{
    BattleView, Board, Leaderboard, ParkedPages, ParticipantView, ReadModels, StoreError,
};

use super::error::AuditError;
use super::walk::{Fold, fold_to};

/// How often a battle that moves on meanwhile is compared again. Then it could not be checked.
const TRIES_MAX: usize = 10;
/// Parked events that are named where rows differ.
const PARKED_NAMED_MAX: usize = 20;
/// Battles in one page of the tables.
const PAGE_BATTLES: u32 = 500;

/// How much was compared.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) battle_rows: usize,
    pub(super) participant_rows: usize,
    pub(super) table_lines: usize,
    pub(super) leaderboard_lines: usize,
}

impl Compared {
    fn add(&mut self, other: Self) {
        self.battle_rows += other.battle_rows;
        self.participant_rows += other.participant_rows;
        self.table_lines += other.table_lines;
    }
}

/// Where a value was found.
struct Place<'a> {
    table: &'a str,
    row: String,
    as_of: Position,
}

impl Place<'_> {
    /// Compares one column.
    fn same<T: PartialEq + Debug>(&self, column: &str, log: T, stored: T) -> Result<(), AuditError> {
        match log == stored {
            true => Ok(()),
            false => Err(AuditError::Differs(format!(
                "{}, row {}, column {column}: the log says {log:?}, stored is {stored:?} (as of position {})",
                self.table, self.row, self.as_of
            ))),
        }
    }
}

fn failed(what: &'static str) -> impl Fn(StoreError) -> AuditError {
    move |source| AuditError::Store { what, source }
}

/// Finds battles in the tables that the log does not hold.
pub(super) async fn strangers(
    log: &SharedLog,
    tables: &dyn ReadModels,
    folds: &HashMap<BattleId, Fold>,
) -> Result<(), AuditError> {
    let mut before = None;
    loop {
        let page = tables.battles(None, before, PAGE_BATTLES).await.map_err(failed("the tables"))?;
        for view in &page.battles {
            let battle_id = view.battle.id;
            if folds.contains_key(&battle_id) {
                continue;
            }
            // What was created since the log was read is no stranger, and the log says so, not the row.
            if log.read_stream(&battle_id.stream(), 0, Direction::Forwards, 1).await?.is_empty() {
                return Err(AuditError::Differs(format!(
                    "battles, row {battle_id}: it is in the tables, but the log holds no such battle"
                )));
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// Compares the battle's rows, and its board as the tables tell it. `seen` is how far the tables have looked at the log that was folded.
pub(super) async fn tables(
    log: &SharedLog,
    battle_id: BattleId,
    fold: &Fold,
    tables: &dyn ReadModels,
    seen: Position,
    compared: &mut Compared,
) -> Result<(), AuditError> {
    for _ in 0..TRIES_MAX {
        let view = tables.battle(battle_id).await.map_err(failed("the tables"))?;
        let found = match &view {
            Some(view) => {
                let cut = seen.max(view.as_of);
                let other;
                let fold = match view.as_of == fold.position {
                    true => fold,
                    false => {
                        other = fold_to(&**log, battle_id, cut).await?;
                        &other
                    }
                };
                // Rows that were put back to an earlier state agree with each other, but not with what the tables have seen.
                battle_place(battle_id, view.as_of).same("position", fold.position, view.as_of)?;
                whole(battle_id, fold, tables, view).await
            }
            None if fold.first_position > seen => return Ok(()),
            None => Err(AuditError::Differs(format!(
                "battles, row {battle_id}: it is missing, although the tables have seen its creation at position {}",
                fold.first_position
            ))),
        };
        match found {
            Ok(Some(found)) => {
                compared.add(found);
                return Ok(());
            }
            Ok(None) => {}
            Err(AuditError::Differs(difference)) => {
                let was = view.map(|view| view.as_of);
                let again = tables.battle(battle_id).await.map_err(failed("the tables"))?;
                if again.map(|view| view.as_of) != was {
                    // It moved on between two reads: who joined meanwhile is no stranger.
                    continue;
                }
                let upto = was.unwrap_or(seen);
                let parked = parked(battle_id, tables, upto).await?;
                return Err(AuditError::Differs(difference + &parked_hint(&parked)));
            }
            Err(error) => return Err(error),
        }
    }
    Err(moving(battle_id))
}

/// Compares all rows of the battle with the fold. `None` when the battle moved on meanwhile.
async fn whole(
    battle_id: BattleId,
    fold: &Fold,
    tables: &dyn ReadModels,
    view: &BattleView,
) -> Result<Option<Compared>, AuditError> {
    let found = rows(battle_id, fold, tables).await?;
    let board = tables.top(battle_id, u32::MAX).await.map_err(failed("the tables"))?;
    if found.iter().any(|row| row.as_of != view.as_of) || board.as_of != view.as_of {
        return Ok(None);
    }
    battle_row(&battle_place(battle_id, view.as_of), fold, view)?;
    questions(battle_id, fold, tables).await?;
    participant_rows(fold, &found)?;
    lines("the board in battle_participants", fold, &board)?;
    Ok(Some(Compared {
        battle_rows: 1,
        participant_rows: found.len(),
        table_lines: board.entries.len(),
        ..Compared::default()
    }))
}

fn battle_place(battle_id: BattleId, as_of: Position) -> Place<'static> {
    Place { table: "battles", row: battle_id.to_string(), as_of }
}

/// The positions of the battle's events that the projection says it parked, up to `upto`. They may be why rows differ, and excuse
/// nothing: a row of `parked_events` is as easily made up as any other.
async fn parked(
    battle_id: BattleId,
    tables: &dyn ReadModels,
    upto: Position,
) -> Result<Vec<Position>, AuditError> {
    let stream = battle_id.stream();
    let (mut pages, mut positions) = (ParkedPages::of(tables), Vec::new());
    while let Some(page) = pages.next().await.map_err(failed("the tables"))? {
        let of_it = page.iter().filter(|row| row.stream == stream && row.position <= upto);
        positions.extend(of_it.map(|row| row.position).take(PARKED_NAMED_MAX - positions.len()));
    }
    Ok(positions)
}

fn parked_hint(parked: &[Position]) -> String {
    match parked {
        [] => String::new(),
        parked => format!(
            " (the events at the positions {parked:?} of the battle are parked, which may be why; \
             see 'nimaora projections parked list')"
        ),
    }
}

/// Compares the battle's board.
pub(super) async fn board(
    log: &SharedLog,
    battle_id: BattleId,
    fold: &Fold,
    leaderboard: &dyn Leaderboard,
    compared: &mut Compared,
) -> Result<(), AuditError> {
    let board = match leaderboard.top(battle_id, u32::MAX).await {
        Ok(board) => board,
        // It is made anew when it is next asked for.
        Err(StoreError::NotHeld(_)) => return Ok(()),
        Err(error) => return Err(failed("the leaderboard")(error)),
    };
    let other;
    let fold = match board.as_of == fold.position {
        true => fold,
        false => {
            other = fold_to(&**log, battle_id, board.as_of).await?;
            &other
        }
    };
    let place = Place { table: "the leaderboard", row: battle_id.to_string(), as_of: board.as_of };
    place.same("position", fold.position, board.as_of)?;
    lines("the leaderboard", fold, &board)?;
    compared.leaderboard_lines += board.entries.len();
    Ok(())
}

fn moving(battle_id: BattleId) -> AuditError {
    let reason =
        format!("the battle {battle_id} moved on {TRIES_MAX} times while it was compared; try again");
    AuditError::Store { what: "the tables", source: StoreError::Unavailable { reason } }
}

/// The rows of everybody who joined. Finds those that are missing, and those that are too many.
async fn rows(
    battle_id: BattleId,
    fold: &Fold,
    tables: &dyn ReadModels,
) -> Result<Vec<ParticipantView>, AuditError> {
    let mut found = Vec::with_capacity(fold.battle.participants().len());
    for participant in fold.battle.participants() {
        let id = participant.id();
        let row = tables.participant(battle_id, id).await.map_err(failed("the tables"))?;
        found.push(row.ok_or_else(|| {
            AuditError::Differs(format!("battle_participants, row {id}: it is missing (battle {battle_id})"))
        })?);
    }
    let stored = tables.usernames(battle_id).await.map_err(failed("the tables"))?;
    let known: HashSet<_> = fold.battle.participants().iter().map(Participant::id).collect();
    match stored.iter().find(|(id, _)| !known.contains(id)) {
        Some((id, name)) => Err(AuditError::Differs(format!(
            "battle_participants, row {id} ('{name}'): nobody of this id joined the battle {battle_id}"
        ))),
        None => Ok(found),
    }
}

fn battle_row(place: &Place<'_>, fold: &Fold, view: &BattleView) -> Result<(), AuditError> {
    let (battle, row) = (&fold.battle, &view.battle);
    place.same("title", battle.title(), &row.title)?;
    place.same("join_code", battle.join_code(), &row.join_code)?;
    place.same("rules", battle.rules(), &row.rules)?;
    place.same("starts_at", battle.starts_at(), row.starts_at)?;
    place.same("ends_at", battle.ends_at(), row.ends_at)?;
    place.same("created_at", fold.created_at, Some(row.created_at))?;
    place.same("created_position", fold.first_position, row.created_position)?;
    place.same("questions", battle.questions().len(), row.questions as usize)?;
    place.same("phase", battle.phase(), view.phase)?;
    place.same("started_at", battle.started_at(), view.started_at)?;
    place.same("ended_at", fold.ended_at, view.ended_at)?;
    place.same("participants", battle.standings().len(), view.participants as usize)
}

/// Questions never change, so it does not matter when they are read.
async fn questions(battle_id: BattleId, fold: &Fold, tables: &dyn ReadModels) -> Result<(), AuditError> {
    let stored = tables.questions(battle_id).await.map_err(failed("the tables"))?;
    for (number, question) in (1..).zip(fold.battle.questions()) {
        let number: usize = number;
        let place = Place {
            table: "questions",
            row: format!("{number} of battle {battle_id}"),
            as_of: fold.first_position,
        };
        let Some(row) = stored.get(number - 1) else {
            return Err(AuditError::Differs(format!("questions, row {}: it is missing", place.row)));
        };
        place.same("number", question.id, row.id)?;
        place.same("kind", question.kind, row.kind)?;
        place.same("prompt", &question.prompt, &row.prompt)?;
        place.same("choices", &question.choices, &row.choices)?;
        place.same("reward", question.reward, row.reward)?;
        place.same("attempts_max", question.attempts_max, row.attempts_max)?;
        place.same("opens_after_ms", question.opens_after_ms, row.opens_after_ms)?;
        place.same("answering_time_ms", question.answering_time_ms, row.answering_time_ms)?;
    }
    let all =
        Place { table: "questions", row: format!("all of battle {battle_id}"), as_of: fold.first_position };
    all.same("count", fold.battle.questions().len(), stored.len())
}

fn participant_rows(fold: &Fold, rows: &[ParticipantView]) -> Result<(), AuditError> {
    for (found, row) in fold.battle.participants().iter().zip(rows) {
        let name = found.username().as_str();
        let place = Place {
            table: "battle_participants",
            row: format!("{} ('{name}')", found.id()),
            as_of: row.as_of,
        };
        if !found.username().is_closed() {
            place.same("username", name, &row.username)?;
        }
        place.same("session_id", found.session_id(), row.session_id)?;
        place.same("points", found.balance().points, row.balance.points)?;
        place.same("shields", found.balance().shields, row.balance.shields)?;
        place.same("arrows", found.balance().arrows, row.balance.arrows)?;
        place.same("is_active", found.status() == Status::Active, row.is_active)?;
        place.same("removed", found.status() == Status::Removed, row.removed)?;
        if found.status() != Status::Removed {
            place.same("has_left", found.status() == Status::Left, row.has_left)?;
        }
    }
    Ok(())
}

fn lines(table: &str, fold: &Fold, board: &Board) -> Result<(), AuditError> {
    let standings = fold.battle.standings();
    let whole = Place { table, row: "all".to_owned(), as_of: board.as_of };
    whole.same("total", standings.len(), board.total as usize)?;
    for (rank, (found, line)) in (1..).zip(standings.into_iter().zip(&board.entries)) {
        let place = Place { table, row: format!("rank {rank}"), as_of: board.as_of };
        place.same("rank", rank, line.rank)?;
        place.same("participant_id", found.id(), line.participant_id)?;
        // A name whose key is gone may still stand where its erasure has not arrived.
        if !found.username().is_closed() {
            place.same("username", found.username().as_str(), &*line.username)?;
        }
        place.same("points", found.balance().points, line.points)?;
        place.same("reached_revision", found.reached_revision(), line.reached_revision)?;
    }
    whole.same("lines", fold.battle.standings().len(), board.entries.len())
}

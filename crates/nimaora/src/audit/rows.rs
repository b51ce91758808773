//! The rows of answers and attacks against the log. Both are in its order, so each is read once, side by side, and little is held.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::Arc;

use nimaora_domain::event::{AnswerJudged, AnswerSubmitted, AttackLanded, Verdict};
use nimaora_domain::{BattleId, Event, ParticipantId, QuestionId, Recorded};
use nimaora_event_log::Position;
use nimaora_read_models::{AnswerView, AttackRow, AuditedTables, StoreError};
use tokio::task::JoinHandle;
use tonic::async_trait;

use super::error::AuditError;

/// Rows in one read.
const PAGE_ROWS: u32 = 4_096;

/// An attempt of somebody at a question.
type Attempt = (BattleId, ParticipantId, QuestionId, u32);

/// The rows, as far as the log has been read.
pub(super) struct Rows {
    tables: Arc<dyn AuditedTables>,
    /// How far the tables had looked at the log before the log was read.
    seen: Position,
    answers: Page<AnswerView>,
    attacks: Page<AttackRow>,
    /// Answers that wait for their judge in the log, as they are stored; the judge may have spoken there already.
    unjudged: HashMap<Attempt, AnswerView>,
    pub(super) answer_rows: u64,
    pub(super) attack_rows: u64,
}

/// A battle whose rows alone are looked at, between the positions of its first and its last event.
#[derive(Clone, Copy, Debug)]
pub(super) struct OfBattle {
    pub(super) id: BattleId,
    pub(super) first: Position,
    pub(super) last: Position,
}

/// Rows that were read and not looked at yet.
struct Page<T> {
    table: &'static str,
    of: Option<OfBattle>,
    rows: VecDeque<T>,
    /// The page behind them, which is read meanwhile.
    next: Option<Reading<T>>,
    after: Position,
    is_last: bool,
}

type Reading<T> = JoinHandle<Result<Vec<T>, StoreError>>;

/// A row of either table.
#[async_trait]
trait Row: Sized + Send + 'static {
    fn position(&self) -> Position;

    async fn read(
        tables: &dyn AuditedTables,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
    ) -> Result<Vec<Self>, StoreError>;
}

#[async_trait]
impl Row for AnswerView {
    fn position(&self) -> Position {
        self.answer.position
    }

    async fn read(
        tables: &dyn AuditedTables,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
    ) -> Result<Vec<Self>, StoreError> {
        tables.answers(of, after, upto, PAGE_ROWS).await
    }
}

#[async_trait]
impl Row for AttackRow {
    fn position(&self) -> Position {
        self.position
    }

    async fn read(
        tables: &dyn AuditedTables,
        of: Option<BattleId>,
        after: Position,
        upto: Position,
    ) -> Result<Vec<Self>, StoreError> {
        tables.attacks(of, after, upto, PAGE_ROWS).await
    }
}

fn failed(source: StoreError) -> AuditError {
    AuditError::Store { what: "the tables", source }
}

/// Compares one column.
fn same<T: PartialEq + Debug>(
    table: &str,
    position: Position,
    column: &str,
    log: T,
    stored: T,
) -> Result<(), AuditError> {
    match log == stored {
        true => Ok(()),
        false => Err(AuditError::Differs(format!(
            "{table}, row {position}, column {column}: the log says {log:?}, stored is {stored:?}"
        ))),
    }
}

impl<T: Row> Page<T> {
    fn of(table: &'static str, of: Option<OfBattle>) -> Self {
        let after = of.map_or(0, |battle| battle.first.saturating_sub(1));
        Self { table, of, rows: VecDeque::new(), next: None, after, is_last: false }
    }

    /// Takes in the next page when all rows were looked at, and begins to read the one behind it.
    async fn fill(&mut self, tables: &Arc<dyn AuditedTables>) -> Result<(), AuditError> {
        if !self.rows.is_empty() || self.is_last {
            return Ok(());
        }
        let reading = self.next.take().unwrap_or_else(|| self.read(tables));
        let rows = reading.await?.map_err(failed)?;
        self.is_last = rows.len() < PAGE_ROWS as usize;
        self.after = rows.last().map_or(self.after, Row::position);
        self.next = (!self.is_last).then(|| self.read(tables));
        self.rows = rows.into();
        Ok(())
    }

    fn read(&self, tables: &Arc<dyn AuditedTables>) -> Reading<T> {
        let (tables, after) = (Arc::clone(tables), self.after);
        let (of, upto) = self.of.map_or((None, Position::MAX), |battle| (Some(battle.id), battle.last));
        tokio::spawn(async move { T::read(&*tables, of, after, upto).await })
    }

    /// The row at the position. One before it has no event.
    fn at(&mut self, position: Position) -> Result<Option<T>, AuditError> {
        match self.rows.front().map(Row::position) {
            Some(first) if first < position => Err(self.stranger(first)),
            Some(first) if first == position => Ok(self.rows.pop_front()),
            Some(_) | None => Ok(None),
        }
    }

    fn stranger(&self, position: Position) -> AuditError {
        AuditError::Differs(format!("{}, row {position}: the log holds no such event there", self.table))
    }

    fn missing(&self, position: Position) -> AuditError {
        AuditError::Differs(format!(
            "{}, row {position}: it is missing, although the tables have seen that event, or say that they parked it",
            self.table
        ))
    }
}

impl Rows {
    /// Before the log is read from its beginning, or one battle of it.
    pub(super) fn begin(tables: Arc<dyn AuditedTables>, seen: Position, of: Option<OfBattle>) -> Self {
        Self {
            tables,
            seen,
            answers: Page::of("answers", of),
            attacks: Page::of("attacks", of),
            unjudged: HashMap::new(),
            answer_rows: 0,
            attack_rows: 0,
        }
    }

    /// The next event of the log.
    pub(super) async fn event(
        &mut self,
        battle_id: BattleId,
        position: Position,
        recorded: &Recorded,
    ) -> Result<(), AuditError> {
        match &recorded.event {
            Event::AnswerSubmitted(answer) if position <= self.seen => {
                self.answered(battle_id, position, answer, recorded).await
            }
            // Also where the tables have not seen it yet: they may have when the row was read.
            Event::AnswerJudged(judged) => self.judged(battle_id, position, judged, recorded),
            Event::AttackLanded(attack) if position <= self.seen => {
                self.attacked(battle_id, position, attack, recorded).await
            }
            _ => Ok(()),
        }
    }

    async fn answered(
        &mut self,
        battle_id: BattleId,
        position: Position,
        said: &AnswerSubmitted,
        recorded: &Recorded,
    ) -> Result<(), AuditError> {
        self.answers.fill(&self.tables).await?;
        let Some(row) = self.answers.at(position)? else {
            return Err(self.answers.missing(position));
        };
        let stored = &row.answer;
        same("answers", position, "battle_id", battle_id, stored.battle_id)?;
        same("answers", position, "participant_id", said.participant_id, stored.participant_id)?;
        same("answers", position, "question", said.question_id, stored.question_id)?;
        same("answers", position, "attempt", said.attempt, stored.attempt)?;
        same("answers", position, "answer", &said.answer, &stored.answer)?;
        same("answers", position, "submitted_at", recorded.time, stored.submitted_at)?;
        self.answer_rows += 1;
        if said.verdict == Verdict::Pending {
            self.unjudged.insert((battle_id, said.participant_id, said.question_id, said.attempt), row);
            return Ok(());
        }
        same("answers", position, "verdict", said.verdict, stored.verdict)?;
        same("answers", position, "points, shields, arrows", said.earned, stored.earned)?;
        same("answers", position, "judged_at", None, row.judged_at)
    }

    fn judged(
        &mut self,
        battle_id: BattleId,
        position: Position,
        said: &AnswerJudged,
        recorded: &Recorded,
    ) -> Result<(), AuditError> {
        let attempt = (battle_id, said.participant_id, said.question_id, said.attempt);
        let Some(row) = self.unjudged.remove(&attempt) else { return Ok(()) };
        let at = row.answer.position;
        if row.judged_at.is_none() && position > self.seen {
            return same("answers", at, "verdict", Verdict::Pending, row.answer.verdict);
        }
        same("answers", at, "verdict", said.verdict, row.answer.verdict)?;
        same("answers", at, "points, shields, arrows", said.earned, row.answer.earned)?;
        same("answers", at, "judged_at", Some(recorded.time), row.judged_at)
    }

    async fn attacked(
        &mut self,
        battle_id: BattleId,
        position: Position,
        said: &AttackLanded,
        recorded: &Recorded,
    ) -> Result<(), AuditError> {
        self.attacks.fill(&self.tables).await?;
        let Some(stored) = self.attacks.at(position)? else {
            return Err(self.attacks.missing(position));
        };
        same("attacks", position, "battle_id", battle_id, stored.battle_id)?;
        same("attacks", position, "event_id", recorded.event_id, stored.event_id)?;
        same("attacks", position, "attacker_id", said.attacker_id, stored.attacker_id)?;
        same("attacks", position, "target_id", said.target_id, stored.target_id)?;
        same("attacks", position, "blocked", said.blocked, stored.blocked)?;
        same("attacks", position, "points_deducted", said.points_deducted, stored.points_deducted)?;
        same("attacks", position, "attacked_at", recorded.time, stored.attacked_at)?;
        self.attack_rows += 1;
        Ok(())
    }

    /// After the last event: whatever is left has none.
    pub(super) async fn finish(&mut self) -> Result<(), AuditError> {
        self.answers.fill(&self.tables).await?;
        self.attacks.fill(&self.tables).await?;
        let seen = self.seen;
        let left = |position: &Position| *position <= seen;
        if let Some(position) = self.answers.rows.front().map(Row::position).filter(left) {
            return Err(self.answers.stranger(position));
        }
        if let Some(position) = self.attacks.rows.front().map(Row::position).filter(left) {
            return Err(self.attacks.stranger(position));
        }
        let mut waiting: Vec<_> = self.unjudged.values().collect();
        waiting.sort_unstable_by_key(|row| row.answer.position);
        for row in waiting {
            same("answers", row.answer.position, "verdict", Verdict::Pending, row.answer.verdict)?;
            same("answers", row.answer.position, "judged_at", None, row.judged_at)?;
        }
        Ok(())
    }
}

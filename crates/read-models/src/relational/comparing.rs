//! Comparing two sets of tables in one database. Rows are told by ids that are the same in both; the integer keys need not be.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::decode::StoredRow;
use crate::error::StoreError;
use crate::rebuild::{Comparison, DIFFERENCES_NAMED_MAX, Difference, TableRows};

/// A table, and what is compared of it. In `from`, `{}` stands for the set of tables.
struct Compared {
    table: &'static str,
    /// What names a row.
    key: &'static str,
    /// The columns that name a row within its set.
    stored_key: &'static [&'static str],
    columns: &'static [(&'static str, &'static str)],
    from: &'static str,
}

/// A row as texts: its key, then its columns.
pub(crate) type Texts = Vec<Option<String>>;

/// All that is built from the log. When an event was parked is not in the log.
const COMPARED: [Compared; 6] = [
    Compared {
        table: "battles",
        key: "b.uuid",
        stored_key: &["id", "uuid"],
        columns: &[
            ("join_code", "b.join_code"),
            ("title", "b.title"),
            ("rules", "b.rules"),
            ("questions", "b.questions"),
            ("phase", "b.phase"),
            ("starts_at", "b.starts_at"),
            ("ends_at", "b.ends_at"),
            ("created_at", "b.created_at"),
            ("created_position", "b.created_position"),
            ("started_at", "b.started_at"),
            ("ended_at", "b.ended_at"),
            ("participants", "b.participants"),
            ("position", "b.position"),
        ],
        from: "{}.battles b",
    },
    Compared {
        table: "questions",
        key: "CAST(b.uuid AS TEXT) || ' question ' || q.number",
        stored_key: &["battle_id", "number"],
        columns: &[
            ("kind", "q.kind"),
            ("prompt", "q.prompt"),
            ("choices", "q.choices"),
            ("reward_points", "q.reward_points"),
            ("reward_shields", "q.reward_shields"),
            ("reward_arrows", "q.reward_arrows"),
            ("attempts_max", "q.attempts_max"),
            ("opens_after_ms", "q.opens_after_ms"),
            ("answering_time_ms", "q.answering_time_ms"),
        ],
        from: "{}.questions q JOIN {}.battles b ON b.id = q.battle_id",
    },
    Compared {
        table: "battle_participants",
        key: "p.participant_id",
        stored_key: &["id", "participant_id"],
        columns: &[
            ("battle_id", "b.uuid"),
            ("username", "p.username"),
            ("session_id", "p.session_id"),
            ("points", "p.points"),
            ("shields", "p.shields"),
            ("arrows", "p.arrows"),
            ("is_active", "p.is_active"),
            ("last_activity_at", "p.last_activity_at"),
            ("created_at", "p.created_at"),
            ("updated_at", "p.updated_at"),
            ("reached_revision", "p.reached_revision"),
            ("removed", "p.removed"),
            ("has_left", "p.has_left"),
        ],
        from: "{}.battle_participants p JOIN {}.battles b ON b.id = p.battle_id",
    },
    Compared {
        table: "answers",
        key: "a.position",
        stored_key: &["position"],
        columns: &[
            ("participant_id", "p.participant_id"),
            ("battle_id", "b.uuid"),
            ("question", "a.question"),
            ("attempt", "a.attempt"),
            ("verdict", "a.verdict"),
            ("points", "a.points"),
            ("shields", "a.shields"),
            ("arrows", "a.arrows"),
            ("answer", "a.answer"),
            ("submitted_at", "a.submitted_at"),
            ("judged_at", "a.judged_at"),
        ],
        from: "{}.answers a LEFT JOIN {}.battles b ON b.id = a.battle_id \
               LEFT JOIN {}.battle_participants p ON p.id = a.participant_id",
    },
    Compared {
        table: "attacks",
        key: "a.position",
        stored_key: &["position"],
        columns: &[
            ("event_id", "a.event_id"),
            ("battle_id", "b.uuid"),
            ("attacker_id", "p.participant_id"),
            ("target_id", "t.participant_id"),
            ("blocked", "a.blocked"),
            ("points_deducted", "a.points_deducted"),
            ("attacked_at", "a.attacked_at"),
        ],
        from: "{}.attacks a LEFT JOIN {}.battles b ON b.id = a.battle_id \
               LEFT JOIN {}.battle_participants p ON p.id = a.attacker_id \
               LEFT JOIN {}.battle_participants t ON t.id = a.target_id",
    },
    Compared {
        table: "parked_events",
        key: "e.position",
        stored_key: &["position"],
        columns: &[
            ("stream", "e.stream"),
            ("revision", "e.revision"),
            ("event_id", "e.event_id"),
            ("event_type", "e.event_type"),
            ("reason", "e.reason"),
        ],
        from: "{}.parked_events e",
    },
];

/// The one table that is compared as texts in any case: SQLite takes join codes that differ in case for the same.
const COMPARED_AS_TEXT: &str = "battles";

/// The two sets, as they are called in SQL.
pub(crate) struct Sets {
    pub(crate) in_use: String,
    pub(crate) next: String,
}

impl Compared {
    /// Counts the rows of both.
    fn count(&self, sets: &Sets) -> String {
        let Self { table, .. } = self;
        let Sets { in_use, next } = sets;
        format!(
            "SELECT (SELECT count(*) FROM {in_use}.{table}) AS in_use, (SELECT count(*) FROM {next}.{table}) AS next"
        )
    }

    /// Counts the rows that stand in both as they are, keys of other rows included. Each is found by its key, so where it is all of them,
    /// and those other rows too, nothing differs.
    fn same(&self, sets: &Sets) -> String {
        let Self { table, .. } = self;
        let Sets { in_use, next } = sets;
        let found = self.stored_key.iter().map(|name| format!("a.{name} = b.{name}"));
        let equal = self.columns.iter().map(|(name, _)| format!("a.{name} IS NOT DISTINCT FROM b.{name}"));
        let on: Vec<_> = found.chain(equal).collect();
        format!(
            "SELECT count(*) AS same FROM {in_use}.{table} a JOIN {next}.{table} b ON {}",
            on.join(" AND ")
        )
    }

    /// Counts the keys of rows that differ or are in one only.
    fn differing(&self, sets: &Sets) -> String {
        let both = self.only(sets);
        format!(
            "{both} SELECT count(*) AS differing FROM (SELECT row_key FROM a UNION SELECT row_key FROM b) k"
        )
    }

    /// Of the first rows that differ or are in one only: what the tables in use hold, or the next ones.
    fn first(&self, sets: &Sets, side: Side) -> String {
        let both = self.only(sets);
        let side = match side {
            Side::InUse => "a",
            Side::Next => "b",
        };
        format!(
            "{both}, k AS (SELECT row_key FROM a UNION SELECT row_key FROM b ORDER BY row_key \
             LIMIT {DIFFERENCES_NAMED_MAX}) \
             SELECT {side}.* FROM {side} WHERE row_key IN (SELECT row_key FROM k)"
        )
    }

    /// `a` and `b`: the rows that are in the tables in use only, and those that are in the next ones only.
    fn only(&self, sets: &Sets) -> String {
        let (in_use, next) = (self.rows(&sets.in_use), self.rows(&sets.next));
        format!("WITH a AS ({in_use} EXCEPT {next}), b AS ({next} EXCEPT {in_use})")
    }

    fn rows(&self, set: &str) -> String {
        let columns: String =
            self.columns.iter().map(|(name, value)| format!(", CAST({value} AS TEXT) AS {name}")).collect();
        format!("SELECT CAST({} AS TEXT) AS row_key{columns} FROM {}", self.key, self.from.replace("{}", set))
    }

    /// How many texts a row has.
    fn width(&self) -> usize {
        self.columns.len() + 1
    }
}

/// The tables in use, or the next ones.
#[derive(Clone, Copy)]
enum Side {
    InUse,
    Next,
}

/// A transaction that sees both sets as they are at one moment.
#[async_trait]
pub(crate) trait Snapshot: Send {
    type Row: StoredRow;

    /// The one row of a query.
    async fn row(&mut self, sql: String) -> Result<Self::Row, StoreError>;

    /// All rows of a query, each with so many texts.
    async fn texts(&mut self, sql: String, width: usize) -> Result<Vec<Texts>, StoreError>;
}

/// Compares all tables of both sets.
pub(crate) async fn compare(snapshot: &mut impl Snapshot, sets: &Sets) -> Result<Comparison, StoreError> {
    let mut comparison = Comparison::default();
    // Whether all tables before have the same rows with the same keys.
    let mut all_same = true;
    for compared in &COMPARED {
        let table = compared.table;
        let counts = snapshot.row(compared.count(sets)).await?;
        let (in_use, next) = (counts.number("in_use")?, counts.number("next")?);
        comparison.rows.push(TableRows { table, in_use, next });
        all_same = all_same
            && in_use == next
            && snapshot.row(compared.same(sets)).await?.number::<u64>("same")? == next;
        if all_same && compared.table != COMPARED_AS_TEXT {
            continue;
        }
        let differing: u64 = snapshot.row(compared.differing(sets)).await?.number("differing")?;
        if differing > 0 {
            comparison.differing += differing;
            let in_use = snapshot.texts(compared.first(sets, Side::InUse), compared.width()).await?;
            let next = snapshot.texts(compared.first(sets, Side::Next), compared.width()).await?;
            name_differences(&mut comparison.differences, compared, in_use, next);
        }
    }
    Ok(comparison)
}

/// Adds the differences between some rows, as long as there is room.
fn name_differences(named: &mut Vec<Difference>, compared: &Compared, in_use: Vec<Texts>, next: Vec<Texts>) {
    let mut by_key: BTreeMap<String, (Option<Texts>, Option<Texts>)> = BTreeMap::new();
    for row in in_use {
        let key = key(&row);
        by_key.entry(key).or_default().0 = Some(row);
    }
    for row in next {
        let key = key(&row);
        by_key.entry(key).or_default().1 = Some(row);
    }
    let room = DIFFERENCES_NAMED_MAX.saturating_sub(named.len());
    let found = by_key.into_iter().map(|(key, (in_use, next))| difference(compared, key, in_use, next));
    named.extend(found.take(room));
}

fn key(row: &Texts) -> String {
    row.first().cloned().flatten().unwrap_or_default()
}

fn difference(compared: &Compared, key: String, in_use: Option<Texts>, next: Option<Texts>) -> Difference {
    let table = compared.table;
    if let (Some(in_use), Some(next)) = (&in_use, &next)
        && let Some(at) = (1..in_use.len().min(next.len())).find(|&at| in_use[at] != next[at])
    {
        let column = compared.columns.get(at - 1).map(|(name, _)| *name);
        return Difference { table, key, column, in_use: in_use[at].clone(), next: next[at].clone() };
    }
    let text =
        |row: Option<Texts>| row.map(|row| row.into_iter().skip(1).flatten().collect::<Vec<_>>().join(", "));
    Difference { table, key, column: None, in_use: text(in_use), next: text(next) }
}

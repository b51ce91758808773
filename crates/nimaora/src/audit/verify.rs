//! `nimaora audit verify`: the whole log, each event against the chain, then each battle against tables and boards.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use nimaora_domain::{BattleId, Event};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, Filter, Position, ReadError, RecordedEvent, Revision, envelope};
use nimaora_read_models::{AuditedTables, Leaderboard};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::compare::Compared;
use super::error::AuditError;
use super::rows::{OfBattle, Rows};
use super::sent::{self, SENT};
use super::source::{Source, SourceArgs};
use super::walk::{Fold, Opened, fold_to};
use super::{battle_id, compare, print, print_json, stores};

/// Events in one read of the whole log.
const PAGE_EVENTS: usize = 4_096;
/// Pages that are read ahead. When so many wait, reading waits for the checks.
const PAGES_AHEAD_MAX: usize = 4;

/// What was not compared. An audit that does not say so would promise too much.
const NOT_COMPARED: [&str; 2] = [IN_MEMORY, SENT];
/// What only the server itself can compare.
const IN_MEMORY: &str = "boards in a server's memory";
/// What only other nodes of a cluster can tell.
const ELSEWHERE: &str = "what other servers last sent, if there are any (name them with --realtime)";
/// What only an audit of the whole log finds.
const OUTSIDE: &str = "rows that stand for these battles before their first or after their last event";

/// What `nimaora audit verify` is asked.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Only these battles [default: the whole log].
    #[arg(value_parser = battle_id)]
    battles: Vec<BattleId>,
    /// The servers with the role 'realtime', as http://HOST:PORT, to ask what they last sent; with commas or repeated [default: the
    /// server that is asked].
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    realtime: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// What was found in order.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) head: Position,
    pub(super) events: u64,
    pub(super) foreign_events: u64,
    pub(super) battles: usize,
    pub(super) compared: Compared,
    pub(super) answer_rows: u64,
    pub(super) attack_rows: u64,
    pub(super) sent_boards: usize,
    pub(super) sent_lines: usize,
    pub(super) notes: Vec<String>,
    pub(super) not_compared: Vec<String>,
}

pub(super) async fn run(args: VerifyArgs) -> Result<(), AuditError> {
    let began = Instant::now();
    match asked(&args).await {
        Ok(report) if args.json => print_json(&report.json()),
        Ok(report) => print(&report.text(began)),
        Err(error) => {
            if args.json
                && let AuditError::Differs(difference) = &error
            {
                print_json(&json!({ "clean": false, "difference": difference }))?;
            }
            Err(error)
        }
    }
}

async fn asked(args: &VerifyArgs) -> Result<Report, AuditError> {
    let bar = ProgressBar::new(0).with_style(style());
    let told = |progress: Progress| {
        bar.set_length(progress.head);
        bar.set_position(progress.events);
    };
    let source = args.source.open().await?;
    let report = match &source {
        Source::Log(config, log, notes) => {
            let opened = stores::tables(config).await?;
            let stores = match &opened {
                Some((tables, _)) => {
                    Some(Stores { tables: Arc::clone(tables), leaderboard: stores::leaderboard(config)? })
                }
                None => None,
            };
            verify(log, stores.as_ref(), &args.battles, &told).await.map(|mut report| {
                report.notes.extend_from_slice(notes);
                report
            })
        }
        Source::Server(server) => server.verify(&args.battles, &told).await,
    };
    bar.finish_and_clear();
    let mut report = report?;
    match (&source, &*args.realtime) {
        (Source::Log(..), []) => {}
        (Source::Server(server), []) => {
            let node = std::slice::from_ref(&**server);
            let asked = sent::compare(&source, node, &args.battles, &mut report).await?;
            if asked && args.source.names_server() {
                report.not_compared.push(ELSEWHERE.to_owned());
            }
        }
        (_, urls) => {
            let nodes = args.source.others(urls).await?;
            sent::compare(&source, &nodes, &args.battles, &mut report).await?;
        }
    }
    Ok(report)
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Events that were checked.
    pub(super) events: u64,
    /// Where the log ended when it began.
    pub(super) head: Position,
}

/// Whoever wants to know how far it is.
pub(super) type Told<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Checks the log, or these battles of it, and compares the stores with it.
pub(super) async fn verify(
    log: &SharedLog,
    stores: Option<&Stores>,
    battles: &[BattleId],
    told: Told<'_>,
) -> Result<Report, AuditError> {
    let mut report = Report { head: log.status().await?.head, ..Report::default() };
    let in_memory = stores.is_none_or(|stores| stores.leaderboard.is_none());
    let not_compared = NOT_COMPARED.into_iter().filter(|&what| in_memory || what != IN_MEMORY);
    report.not_compared = not_compared.map(str::to_owned).collect();
    let seen = match stores {
        Some(stores) => Some(seen(log, &*stores.tables, &report).await?),
        None => None,
    };
    let compared = stores.zip(seen);
    let folds = match battles {
        [] => whole_log(log, compared, &mut report, told).await?,
        battles => some_battles(log, battles, compared, &mut report).await?,
    };
    let Some((stores, seen)) = compared else {
        report.notes.push("there are no tables, so nothing was compared with the log".to_owned());
        return Ok(report);
    };
    if seen < report.head {
        report.notes.push(format!(
            "the tables stand at position {seen}, {} behind the log: each battle is compared as of there",
            report.head - seen
        ));
    }
    if battles.is_empty() {
        compare::strangers(log, &*stores.tables, &folds).await?;
    }
    stores.compare(log, seen, folds, &mut report).await?;
    Ok(report)
}

/// What the log is compared with.
pub(super) struct Stores {
    pub(super) tables: Arc<dyn AuditedTables>,
    /// `None` where it is in the memory of a server that is not asked.
    pub(super) leaderboard: Option<Arc<dyn Leaderboard>>,
}

/// How far the tables have looked at the log.
async fn seen(log: &SharedLog, tables: &dyn AuditedTables, report: &Report) -> Result<Position, AuditError> {
    let failed = |source| AuditError::Store { what: "the tables", source };
    let seen = tables.checkpoints().await.map_err(failed)?.tables;
    if seen > report.head {
        let now = log.status().await?.head;
        if seen > now {
            return Err(AuditError::Differs(format!(
                "the tables have seen the log up to position {seen}, but it ends at position {now}; events were removed"
            )));
        }
    }
    Ok(seen)
}

/// Checks every event of the log, and the rows of answers and attacks beside it. Answers each battle, folded; those that are over and
/// were compared rest.
async fn whole_log(
    log: &SharedLog,
    stores: Option<(&Stores, Position)>,
    report: &mut Report,
    told: Told<'_>,
) -> Result<HashMap<BattleId, Fold>, AuditError> {
    let (pages, mut arrived) = mpsc::channel(PAGES_AHEAD_MAX);
    let reading = tokio::spawn(read_ahead(SharedLog::clone(log), pages));
    let mut rows = stores.map(|(stores, seen)| Rows::begin(Arc::clone(&stores.tables), seen, None));
    let mut folds: HashMap<BattleId, Fold> = HashMap::new();
    while let Some(page) = arrived.recv().await {
        let mut ended = Vec::new();
        for (event, opened) in page?.await? {
            let Some(battle_id) = BattleId::from_stream(&event.stream) else {
                report.foreign_events += 1;
                continue;
            };
            let recorded = folds.entry(battle_id).or_default().opened(&event, opened)?;
            report.events += 1;
            if let Some(rows) = &mut rows {
                rows.event(battle_id, event.position, &recorded).await?;
            }
            if matches!(recorded.event, Event::BattleFinished(_) | Event::BattleCancelled(_)) {
                ended.push(battle_id);
            }
        }
        for battle_id in ended {
            if let (Some((stores, seen)), Some(fold)) = (stores, folds.get_mut(&battle_id)) {
                stores.compare_ended(log, seen, battle_id, fold, report).await?;
            }
        }
        told(Progress { events: report.events + report.foreign_events, head: report.head });
    }
    if let Some(rows) = rows {
        finish(rows, report).await?;
    }
    reading.await?;
    report.battles = folds.len();
    Ok(folds)
}

/// A page whose events are being opened, each by itself: pages are opened on all cores, and linked one after the other.
type Page = JoinHandle<Vec<(RecordedEvent, Opened)>>;

/// Reads the log from its beginning, page by page, until nobody takes them any more.
async fn read_ahead(log: SharedLog, pages: mpsc::Sender<Result<Page, ReadError>>) {
    let mut next = Some(1);
    while let Some(from) = next {
        let read = log.read_all(from, Direction::Forwards, PAGE_EVENTS, &Filter::default()).await;
        next = read.as_ref().ok().and_then(|page| page.next);
        let page = read.map(|page| spawn_blocking(move || page.events.into_iter().map(open).collect()));
        if pages.send(page).await.is_err() {
            return;
        }
    }
}

/// What the event says was taken from its bytes, which are let go here and not by whoever folds.
fn open(mut event: RecordedEvent) -> (RecordedEvent, Opened) {
    let opened = envelope::open_unlinked(&event);
    (event.data, event.metadata) = (Bytes::new(), Bytes::new());
    (event, opened)
}

/// Checks every event of these battles, and their rows of answers and attacks. One that is named twice is checked once.
async fn some_battles(
    log: &SharedLog,
    battles: &[BattleId],
    stores: Option<(&Stores, Position)>,
    report: &mut Report,
) -> Result<HashMap<BattleId, Fold>, AuditError> {
    let mut folds = HashMap::new();
    for &battle_id in battles {
        if folds.contains_key(&battle_id) {
            continue;
        }
        let fold = one_battle(log, battle_id, stores, report).await?;
        report.events += fold.next_revision;
        folds.insert(battle_id, fold);
    }
    report.battles = folds.len();
    if stores.is_some() {
        report.not_compared.push(OUTSIDE.to_owned());
    }
    Ok(folds)
}

/// Where in the log a battle is.
async fn place(log: &SharedLog, id: BattleId) -> Result<OfBattle, AuditError> {
    let stream = id.stream();
    let first = log.read_stream(&stream, 0, Direction::Forwards, 1).await?;
    let last = log.read_stream(&stream, Revision::MAX, Direction::Backwards, 1).await?;
    match (first.first(), last.first()) {
        (Some(first), Some(last)) => Ok(OfBattle { id, first: first.position, last: last.position }),
        _ => Err(AuditError::NoBattle(id)),
    }
}

async fn one_battle(
    log: &SharedLog,
    battle_id: BattleId,
    stores: Option<(&Stores, Position)>,
    report: &mut Report,
) -> Result<Fold, AuditError> {
    let of = place(log, battle_id).await?;
    let mut rows = stores.map(|(stores, seen)| Rows::begin(Arc::clone(&stores.tables), seen, Some(of)));
    let mut fold = Fold::begin(&**log, battle_id).await?;
    let stream = battle_id.stream();
    loop {
        let page = log.read_stream(&stream, fold.next_revision, Direction::Forwards, PAGE_EVENTS).await?;
        if page.is_empty() {
            break;
        }
        for event in &page {
            let recorded = fold.event(event)?;
            if let Some(rows) = &mut rows {
                rows.event(battle_id, event.position, &recorded).await?;
            }
        }
    }
    if let Some(rows) = rows {
        finish(rows, report).await?;
    }
    Ok(fold)
}

async fn finish(mut rows: Rows, report: &mut Report) -> Result<(), AuditError> {
    rows.finish().await?;
    report.answer_rows += rows.answer_rows;
    report.attack_rows += rows.attack_rows;
    Ok(())
}

impl Stores {
    /// A battle that is over hardly ever moves on, so that it is compared at once, and held no longer. One of which the stores are not
    /// where the log is waits for the others.
    async fn compare_ended(
        &self,
        log: &SharedLog,
        seen: Position,
        battle_id: BattleId,
        fold: &mut Fold,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        let failed = |source| AuditError::Store { what: "the tables", source };
        let stored = self.tables.battle(battle_id).await.map_err(failed)?;
        if stored.is_some_and(|view| view.as_of == fold.position) {
            self.compare_one(log, seen, battle_id, fold, report).await?;
            fold.compared = true;
        }
        fold.rest();
        Ok(())
    }

    async fn compare_one(
        &self,
        log: &SharedLog,
        seen: Position,
        battle_id: BattleId,
        fold: &mut Fold,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        // Tables of a running server may be ahead of the folds, and these are what they are compared with.
        let seen = seen.min(report.head);
        fold.open_names(&**log, battle_id).await?;
        compare::tables(log, battle_id, fold, &*self.tables, seen, &mut report.compared).await?;
        match &self.leaderboard {
            Some(leaderboard) => {
                compare::board(log, battle_id, fold, &**leaderboard, &mut report.compared).await
            }
            None => Ok(()),
        }
    }

    /// Compares the battles that were not compared yet.
    async fn compare(
        &self,
        log: &SharedLog,
        seen: Position,
        folds: HashMap<BattleId, Fold>,
        report: &mut Report,
    ) -> Result<(), AuditError> {
        let mut folds: Vec<_> = folds.into_iter().filter(|(_, fold)| !fold.compared).collect();
        // In the order of the log, so that the first difference is the same each time.
        folds.sort_unstable_by_key(|(_, fold)| fold.first_position);
        for (battle_id, mut fold) in folds {
            if fold.rests {
                fold = fold_to(&**log, battle_id, fold.position).await?;
            }
            self.compare_one(log, seen, battle_id, &mut fold, report).await?;
        }
        Ok(())
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} events, {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Report {
    fn json(&self) -> serde_json::Value {
        json!({
            "clean": true,
            "head": self.head,
            "events": self.events,
            "foreignEvents": self.foreign_events,
            "battles": self.battles,
            "battleRows": self.compared.battle_rows,
            "participantRows": self.compared.participant_rows,
            "tableBoardLines": self.compared.table_lines,
            "leaderboardLines": self.compared.leaderboard_lines,
            "answerRows": self.answer_rows,
            "attackRows": self.attack_rows,
            "sentBoards": self.sent_boards,
            "sentLines": self.sent_lines,
            "notes": self.notes,
            "notCompared": self.not_compared,
        })
    }

    fn text(&self, began: Instant) -> String {
        let seconds = began.elapsed().as_secs_f64();
        let mut text = format!(
            "CLEAN: {} events of {} battles, unbroken up to position {} ({seconds:.2} s)\n",
            self.events, self.battles, self.head
        );
        let compared = &self.compared;
        text += &format!(
            "equal to the fold: {} rows of battles, {} rows of participants, {} lines of boards in the tables, {} in the leaderboard\n\
             equal to the events: {} rows of answers, {} rows of attacks\n",
            compared.battle_rows,
            compared.participant_rows,
            compared.table_lines,
            compared.leaderboard_lines,
            self.answer_rows,
            self.attack_rows
        );
        if self.not_compared.iter().all(|what| what != SENT) {
            text += &format!(
                "equal to the fold: {} lines of {} boards that realtime last sent\n",
                self.sent_lines, self.sent_boards
            );
        }
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text + &format!("not compared: {}\n", self.not_compared.join("; "))
    }
}

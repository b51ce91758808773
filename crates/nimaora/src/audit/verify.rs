//! `nimaora audit verify`: the whole log, each event against the chain, then each battle against tables and boards.

use std::collections::HashMap;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use nimaora_domain::BattleId;
use nimaora_event_log::log::{AllPage, SharedLog};
use nimaora_event_log::{Direction, Filter, Position, ReadError};
use nimaora_read_models::{Leaderboard, ReadModels};
use serde_json::json;
use tokio::sync::mpsc;

use super::compare::Compared;
use super::error::AuditError;
use super::walk::{Fold, fold_to};
use super::{compare, print, print_json, stores};
use crate::cli::Settings;

/// Events in one read of the whole log.
const PAGE_EVENTS: usize = 4_096;
/// Pages that are read ahead. When so many wait, reading waits for the checks.
const PAGES_AHEAD_MAX: usize = 4;

/// What was not compared. An audit that does not say so would promise too much.
const NOT_COMPARED: [&str; 3] =
    ["rows of answers and attacks", "boards in a server's memory", "what realtime last sent"];

/// What `nimaora audit verify` is asked.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Only these battles [default: the whole log].
    battles: Vec<BattleId>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What was found in order.
#[derive(Debug, Default)]
struct Report {
    head: Position,
    events: u64,
    foreign_events: u64,
    battles: usize,
    compared: Compared,
    notes: Vec<String>,
}

pub(super) async fn run(args: VerifyArgs) -> Result<(), AuditError> {
    let began = Instant::now();
    match verify(&args).await {
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

async fn verify(args: &VerifyArgs) -> Result<Report, AuditError> {
    let config = args.settings.clone().resolve()?;
    let log = stores::log(&config).await?;
    let mut report = Report { head: log.status().await?.head, ..Report::default() };
    let folds = match args.battles.as_slice() {
        [] => whole_log(&log, &mut report).await?,
        battles => some_battles(&log, battles, &mut report).await?,
    };
    report.battles = folds.len();
    let leaderboard = stores::leaderboard(&config)?;
    match stores::tables(&config).await? {
        Some(tables) => {
            let whole = args.battles.is_empty();
            read_models(&log, folds, &*tables, leaderboard.as_deref(), whole, &mut report).await?;
        }
        None => report.notes.push("there are no tables, so nothing was compared with the log".to_owned()),
    }
    Ok(report)
}

/// Checks every event of the log. Answers each battle, folded.
async fn whole_log(log: &SharedLog, report: &mut Report) -> Result<HashMap<BattleId, Fold>, AuditError> {
    let bar = ProgressBar::new(report.head).with_style(style());
    let (pages, mut arrived) = mpsc::channel(PAGES_AHEAD_MAX);
    let reading = tokio::spawn(read_ahead(SharedLog::clone(log), pages));
    let mut folds: HashMap<BattleId, Fold> = HashMap::new();
    while let Some(page) = arrived.recv().await {
        for event in &page?.events {
            let Some(battle_id) = BattleId::from_stream(&event.stream) else {
                report.foreign_events += 1;
                continue;
            };
            folds.entry(battle_id).or_default().event(event)?;
            report.events += 1;
        }
        bar.set_position(report.events + report.foreign_events);
    }
    bar.finish_and_clear();
    reading.await?;
    Ok(folds)
}

/// Reads the log from its beginning, page by page, until nobody takes them any more.
async fn read_ahead(log: SharedLog, pages: mpsc::Sender<Result<AllPage, ReadError>>) {
    let mut next = Some(1);
    while let Some(from) = next {
        let page = log.read_all(from, Direction::Forwards, PAGE_EVENTS, &Filter::default()).await;
        next = page.as_ref().ok().and_then(|page| page.next);
        if pages.send(page).await.is_err() {
            return;
        }
    }
}

async fn some_battles(
    log: &SharedLog,
    battles: &[BattleId],
    report: &mut Report,
) -> Result<HashMap<BattleId, Fold>, AuditError> {
    let mut folds = HashMap::new();
    for &battle_id in battles {
        let fold = fold_to(&**log, battle_id, Position::MAX).await?;
        report.events += fold.next_revision;
        folds.insert(battle_id, fold);
    }
    Ok(folds)
}

async fn read_models(
    log: &SharedLog,
    folds: HashMap<BattleId, Fold>,
    tables: &dyn ReadModels,
    leaderboard: Option<&dyn Leaderboard>,
    whole: bool,
    report: &mut Report,
) -> Result<(), AuditError> {
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
    if seen < report.head {
        report.notes.push(format!(
            "the tables stand at position {seen}, {} behind the log: each battle is compared as of there",
            report.head - seen
        ));
    }
    if whole {
        compare::strangers(log, tables, &folds).await?;
    }
    let mut folds: Vec<_> = folds.into_iter().collect();
    // In the order of the log, so that the first difference is the same each time.
    folds.sort_unstable_by_key(|(_, fold)| fold.first_position);
    // Tables of a running server may be ahead of the folds, and these are what they are compared with.
    let seen = seen.min(report.head);
    for (battle_id, fold) in folds {
        compare::tables(log, battle_id, &fold, tables, seen, &mut report.compared).await?;
        if let Some(leaderboard) = leaderboard {
            compare::board(log, battle_id, &fold, leaderboard, &mut report.compared).await?;
        }
    }
    report.notes.append(&mut report.compared.notes);
    Ok(())
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
            "notes": self.notes,
            "notCompared": NOT_COMPARED,
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
            "equal to the fold: {} rows of battles, {} rows of participants, {} lines of boards in the tables, {} in the leaderboard\n",
            compared.battle_rows, compared.participant_rows, compared.table_lines, compared.leaderboard_lines
        );
        for note in &self.notes {
            text += &format!("note: {note}\n");
        }
        text + &format!("not compared: {}\n", NOT_COMPARED.join("; "))
    }
}

//! The final standings and what came of the battle.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::screen::millis;
use super::stage::Played;

/// Lines of the standings that are shown.
const LINES: usize = 10;

/// What is printed at the end.
pub(super) fn text(played: &Played) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["rank", "player", "points"]);
    for entry in played.standings.entries.iter().take(LINES) {
        table.add_row([entry.rank.to_string(), entry.username.clone(), entry.points.to_string()]);
    }
    for column in [0, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let more = (played.standings.total as usize).saturating_sub(LINES);
    let rest = if more > 0 { format!("and {more} more\n") } else { String::new() };
    let counts = played.view.counts;
    format!(
        "Final standings\n{table}\n{rest}\n\
         {} commands from {} players in {:.0} s, each durable before its answer; {} refused by the rules, {} failed\n\
         {} attacks: {} landed, {} blocked by a shield; {} alerts reached their target's socket\n\
         alert latency, from the attack sent to the frame received: {:.1} ms (P50), {:.1} ms (P99)\n",
        counts.commands,
        played.players,
        played.took.as_secs_f64(),
        counts.refused,
        counts.failed,
        counts.attacks,
        counts.attacks - counts.blocked,
        counts.blocked,
        counts.alerts,
        millis(played.view.alert_p50),
        millis(played.view.alert_p99),
    )
}

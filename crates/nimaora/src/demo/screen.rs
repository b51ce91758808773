//! The board in the terminal, drawn over itself; or a line every few seconds where there is no terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::DemoError;
use super::scene::{Hit, Line, View};

/// Lines of the board and of the feed.
const ROWS: usize = 10;
/// Columns of a name, and of the longest bar.
const NAME_COLUMNS: usize = 14;
const BAR_COLUMNS: usize = 22;
/// Columns that the board takes, and that the feed takes at most.
const BOARD_COLUMNS: usize = 50;
const FEED_COLUMNS_MAX: usize = 44;
/// The width that is assumed when the terminal does not tell.
const COLUMNS: usize = 96;
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BLUE: &str = "\x1b[34m";
const PLAIN: &str = "\x1b[0m";
const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// How far the battle is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) players: u32,
    /// The question that opened last, from 1.
    pub(super) question: usize,
    pub(super) questions: usize,
    pub(super) left: Duration,
    /// From 0 to 1.
    pub(super) done: f64,
}

/// Where the battle is shown.
pub(super) enum Screen {
    /// Lines that were drawn last and will be drawn over.
    Terminal { drawn: usize },
    /// When the last line was printed.
    Lines { last: Option<Instant> },
}

impl Screen {
    pub(super) fn new() -> Self {
        if std::io::stdout().is_terminal() { Self::Terminal { drawn: 0 } } else { Self::Lines { last: None } }
    }

    /// Shows this moment.
    pub(super) fn draw(&mut self, view: &View, progress: Progress) -> Result<(), DemoError> {
        match self {
            Self::Terminal { drawn } => {
                let lines = picture(view, progress, columns());
                let mut text = String::from(HIDE_CURSOR);
                if *drawn > 0 {
                    let _ = write!(text, "\x1b[{drawn}A");
                }
                for line in &lines {
                    let _ = writeln!(text, "{line}{CLEAR_TO_END_OF_LINE}");
                }
                *drawn = lines.len();
                super::print(&text)
            }
            Self::Lines { last } => {
                if last.is_some_and(|last| last.elapsed() < LINE_EVERY) {
                    return Ok(());
                }
                *last = Some(Instant::now());
                super::print(&line(view, progress))
            }
        }
    }

    /// Leaves the last picture where it is.
    pub(super) fn end(&self) -> Result<(), DemoError> {
        restore();
        super::print("\n")
    }
}

/// Gives the terminal its cursor back. Does nothing where there is no terminal.
pub(super) fn restore() {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        let _ = out.write_all(SHOW_CURSOR.as_bytes()).and_then(|()| out.flush());
    }
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(COLUMNS, |size| usize::from(size.ws_col).max(1))
}

fn line(view: &View, progress: Progress) -> String {
    let leader =
        view.board.entries.first().map_or_else(String::new, |line| {
            format!(", {} leads with {} points", line.username, line.points)
        });
    format!("{:>3} s to go: {}{leader}\n", progress.left.as_secs(), figures(view))
}

fn figures(view: &View) -> String {
    let counts = view.counts;
    let landed = counts.attacks - counts.blocked;
    format!(
        "{} answers ({} right), {} attacks ({landed} landed, {} blocked), alerts in {:.1} ms (P50), {:.1} ms (P99)",
        counts.answers,
        counts.right,
        counts.attacks,
        counts.blocked,
        millis(view.alert_p50),
        millis(view.alert_p99),
    )
}

/// A duration in milliseconds.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The picture, line by line, none wider than `columns`.
fn picture(view: &View, progress: Progress, columns: usize) -> Vec<String> {
    let feed_columns = columns.saturating_sub(BOARD_COLUMNS + 2).min(FEED_COLUMNS_MAX);
    let head = format!(
        "{} players   question {} of {}   {:>2} s to go",
        progress.players,
        progress.question,
        progress.questions,
        progress.left.as_secs()
    );
    let mut lines = vec![
        format!("{BOLD}{}{PLAIN}", cut(&head, columns)),
        format!("{DIM}{}{PLAIN}", bar(progress.done, columns.min(BOARD_COLUMNS + FEED_COLUMNS_MAX))),
        String::new(),
        format!(
            "{DIM}{}  {}{PLAIN}",
            padded("  #  player          points", BOARD_COLUMNS.min(columns)),
            cut("attacks as they land", feed_columns)
        ),
    ];
    let most = view.board.entries.iter().map(|line| line.points).max().unwrap_or(0);
    for row in 0..ROWS {
        let left = match view.board.entries.get(row) {
            Some(line) if columns >= BOARD_COLUMNS => place(line, most),
            Some(line) => cut(&format!("{:>3}  {} {}", line.rank, line.username, line.points), columns),
            None => " ".repeat(BOARD_COLUMNS.min(columns)),
        };
        let right = view.feed.get(row).map_or_else(String::new, |hit| attack(hit, feed_columns, row));
        lines.push(format!("{left}  {right}"));
    }
    lines.push(String::new());
    lines.push(cut(&figures(view), columns));
    lines
}

fn place(line: &Line, most: u32) -> String {
    let colour = if line.rank == 1 { YELLOW } else { GREEN };
    let share = f64::from(line.points) / f64::from(most.max(1));
    let name = padded(&line.username, NAME_COLUMNS);
    let bar = bar(share, BAR_COLUMNS).replace('░', " ");
    // 3 + 2 + 14 + 1 + 7 + 1 + 22 columns.
    format!("{:>3}  {BOLD}{name}{PLAIN} {:>7} {colour}{bar}{PLAIN}", line.rank, line.points)
}

fn attack(hit: &Hit, columns: usize, row: usize) -> String {
    let (colour, outcome) = match hit.alert.blocked {
        true => (BLUE, "blocked by a shield".to_owned()),
        false => (RED, format!("-{}", hit.alert.points_lost)),
    };
    let text = cut(&format!("{} → {}  {outcome}", hit.alert.attacker, hit.target), columns);
    // The newest stands out.
    let weight = if row == 0 { BOLD } else { "" };
    format!("{weight}{colour}{text}{PLAIN}")
}

fn bar(share: f64, columns: usize) -> String {
    let full = ((share * columns as f64).round() as usize).min(columns);
    "█".repeat(full) + &"░".repeat(columns - full)
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

fn padded(text: &str, columns: usize) -> String {
    format!("{:<columns$}", cut(text, columns))
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Alert, Board, Counts};
    use super::*;

    fn view() -> View {
        let line = |rank: u32| Line {
            rank,
            participant_id: String::new(),
            username: "a_player_with_a_very_long_name".to_owned(),
            points: 1_000 - rank,
        };
        let alert = Alert { attacker: "ada".to_owned(), blocked: false, points_lost: 5, position: 1 };
        View {
            board: Board { as_of: 1, entries: (1..=10).map(line).collect() },
            feed: vec![Hit { target: "linus".to_owned(), alert }; 20],
            counts: Counts { attacks: 3, blocked: 1, ..Counts::default() },
            alert_p50: Duration::from_micros(1_500),
            alert_p99: Duration::from_millis(20),
        }
    }

    const PROGRESS: Progress =
        Progress { players: 50, question: 3, questions: 10, left: Duration::from_secs(9), done: 0.5 };

    /// The columns that a line takes: its characters without the colours.
    fn width(line: &str) -> usize {
        let mut width = 0;
        let mut escaped = false;
        for character in line.chars() {
            match (escaped, character) {
                (false, '\x1b') => escaped = true,
                (false, _) => width += 1,
                (true, 'm') => escaped = false,
                (true, _) => {}
            }
        }
        width
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in [52, 60, 80, 96, 200] {
            for line in picture(&view(), PROGRESS, columns) {
                assert!(width(line.trim_end()) <= columns, "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn the_picture_keeps_its_height() {
        let mut empty = view();
        empty.board.entries.clear();
        empty.feed.clear();
        assert_eq!(picture(&view(), PROGRESS, 96).len(), picture(&empty, PROGRESS, 96).len());
    }

    #[test]
    fn a_line_says_who_leads() {
        let line = line(&view(), PROGRESS);
        assert!(line.contains("2 landed, 1 blocked"), "{line}");
        assert!(line.contains("leads with 999 points"), "{line}");
    }
}

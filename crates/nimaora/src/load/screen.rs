//! What is seen while a load runs: a progress bar on a terminal, else a plain line every few seconds.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::crew::Progress;

/// How often a plain line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A part of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Joining,
    Playing,
    Settling,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Playing => "playing",
            Self::Settling => "settling",
        }
    }
}

/// Shows how it goes, on standard error: standard output is for the report.
pub(super) struct Screen {
    bar: Option<ProgressBar>,
    phase: Phase,
    began: Instant,
    length: Duration,
    users: u64,
    last_line: Option<Instant>,
}

impl Screen {
    pub(super) fn new(users: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // A template of our own is right, or nothing but the looks would suffer.
            if let Ok(style) = ProgressStyle::with_template("{prefix:>9} [{bar:30}] {msg}") {
                bar.set_style(style);
            }
            bar
        });
        let (began, users) = (Instant::now(), u64::from(users));
        Self { bar, phase: Phase::Joining, began, length: Duration::ZERO, users, last_line: None }
    }

    /// Writes a line that stays.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }

    /// A phase begins; `length` is how long it will last, if that is known.
    pub(super) fn begin(&mut self, phase: Phase, length: Duration) {
        self.phase = phase;
        self.began = Instant::now();
        self.length = length;
        self.last_line = None;
    }

    pub(super) fn show(&mut self, progress: Progress) {
        let Progress { joined, sockets, done, errors, alerts, boards, .. } = progress;
        let words = format!(
            "{joined}/{} joined, {sockets} sockets, {done} operations, {errors} errors, {alerts} alerts, {boards} boards",
            self.users
        );
        let elapsed = self.began.elapsed();
        if let Some(bar) = &self.bar {
            let (at, of) = match self.phase {
                Phase::Joining => (joined, self.users),
                Phase::Playing | Phase::Settling => (elapsed.as_secs(), self.length.as_secs()),
            };
            bar.set_prefix(self.phase.name());
            bar.set_length(of.max(1));
            bar.set_position(at.min(of));
            bar.set_message(words);
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            write_line(&format!("{} {:>4} s: {words}", self.phase.name(), elapsed.as_secs()));
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn write_line(line: &str) {
    // Nobody may be reading any more, which changes nothing of the load.
    let _ = writeln!(std::io::stderr(), "{line}");
}

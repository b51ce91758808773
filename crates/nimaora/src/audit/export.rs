//! `nimaora audit export`: a battle's stream in a file. Of lines, whatever a killed export left is checked, a half line that the
//! log would write there is cut off, and the export goes on behind it: the file is the same as of one that ran through. A Parquet
//! file is put in its place whole.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use nimaora_domain::BattleId;
use nimaora_event_log::{Direction, Position, RecordedEvent};

use super::error::AuditError;
use super::ndjson::Line;
use super::parquet::ParquetFile;
use super::source::Source;
use super::walk::{Fold, stream};
use super::{BattleArgs, file_error, files, print};

/// Longer than any line: an event of 1 MiB, each of its bytes written as six.
const LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How an export is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object on a line.
    Ndjson,
    /// Columns, for those who ask with SQL.
    Parquet,
}

/// What `nimaora audit export` is asked.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    battle: BattleArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// The file. One that is there already is gone on with.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// From this position on (inclusive).
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: Position,
    /// Up to this position (inclusive) [default: the end].
    #[arg(long, value_name = "POSITION")]
    to: Option<Position>,
}

pub(super) async fn run(args: ExportArgs) -> Result<(), AuditError> {
    let battle_id = args.battle.battle;
    let path = args.output.as_path();
    let range = args.from..=args.to.unwrap_or(Position::MAX);
    if range.is_empty() {
        return Err(AuditError::Range { from: *range.start(), to: *range.end() });
    }
    files::regular(path)?;
    let export = match args.battle.source.open().await? {
        Source::Log(_, log, _) => {
            if log.read_stream(&battle_id.stream(), 0, Direction::Forwards, 1).await?.is_empty() {
                return Err(AuditError::NoBattle(battle_id));
            }
            let mut export = Export::begin(args.format, path, battle_id, range)?;
            stream(&*log, battle_id, 0, |event| export.event(event, path)).await?;
            export
        }
        Source::Server(server) => {
            // From its beginning, whatever is kept of it: the chain is checked here too.
            let mut events = server.export(battle_id, *range.end()).await?;
            let mut export = Export::begin(args.format, path, battle_id, range)?;
            while let Some(page) = events.next().await? {
                for event in &page {
                    export.event(event, path)?;
                }
            }
            export
        }
    };
    let Export { file, fold, rows, .. } = export;
    match file {
        Output::Ndjson(file) => file.finish(path)?,
        Output::Parquet(file) => file.finish(path)?,
    }
    print(&format!(
        "{rows} events up to position {} in {}; head hash {}\n",
        fold.position,
        path.display(),
        fold.chain
    ))
}

/// An export under way.
struct Export {
    file: Output,
    fold: Fold,
    range: RangeInclusive<Position>,
    rows: u64,
}

/// The file that is written.
enum Output {
    Ndjson(There),
    Parquet(Box<ParquetFile>),
}

impl Export {
    fn begin(
        format: Format,
        path: &Path,
        battle_id: BattleId,
        range: RangeInclusive<Position>,
    ) -> Result<Self, AuditError> {
        let file = match format {
            Format::Ndjson => Output::Ndjson(There::open(path, battle_id)?),
            Format::Parquet => Output::Parquet(Box::new(ParquetFile::begin(path)?)),
        };
        Ok(Self { file, fold: Fold::default(), range, rows: 0 })
    }

    /// The battle's next event. Answers whether those behind it are wanted.
    fn event(&mut self, event: &RecordedEvent, path: &Path) -> Result<bool, AuditError> {
        if event.position > *self.range.end() {
            return Ok(false);
        }
        // The chain is checked from its beginning, whatever is exported of it.
        let recorded = self.fold.event(event)?;
        if event.position >= *self.range.start() {
            match &mut self.file {
                Output::Ndjson(file) => file.take(event, path)?,
                Output::Parquet(file) => file.take(event, &recorded)?,
            }
            self.rows += 1;
        }
        Ok(true)
    }
}

/// The file, and what is there from an earlier run.
struct There {
    earlier: std::iter::Peekable<std::vec::IntoIter<String>>,
    /// What follows the last whole line.
    half: Vec<u8>,
    whole_bytes: u64,
    out: BufWriter<File>,
}

impl There {
    /// Changes nothing yet: whether the half line is of this export is known only when the log says what belongs there.
    fn open(path: &Path, battle_id: BattleId) -> Result<Self, AuditError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(file_error("open", path))?;
        let (mut lines, mut whole_bytes) = (Vec::new(), 0_u64);
        let mut reader = BufReader::new(&file);
        let half = loop {
            // Bytes, because a kill may leave half a character.
            let mut line = Vec::new();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if read.map_err(file_error("read", path))? as u64 == LINE_BYTES_MAX {
                return Err(foreign(path));
            }
            if !line.ends_with(b"\n") {
                break line;
            }
            whole_bytes += line.len() as u64;
            lines.push(line_of(line, battle_id).ok_or_else(|| foreign(path))?);
        };
        Ok(Self { earlier: lines.into_iter().peekable(), half, whole_bytes, out: BufWriter::new(file) })
    }

    /// Writes the event, unless it is there already.
    fn take(&mut self, event: &RecordedEvent, path: &Path) -> Result<(), AuditError> {
        let line = Line::of(event).map_err(|error| content(path, error.to_string()))?;
        let text = serde_json::to_string(&line)? + "\n";
        match self.earlier.next() {
            Some(earlier) if earlier == text => Ok(()),
            Some(_) => Err(AuditError::Differs(format!(
                "{}: it does not hold the event at position {} where the log has it; was it made with another range?",
                path.display(),
                event.position
            ))),
            None => {
                self.cut(&text, path)?;
                self.out.write_all(text.as_bytes()).map_err(file_error("write", path))
            }
        }
    }

    /// Cuts off the half line, if there is one and it is the beginning of `text`.
    fn cut(&mut self, text: &str, path: &Path) -> Result<(), AuditError> {
        if self.half.is_empty() {
            return Ok(());
        }
        if !text.as_bytes().starts_with(&self.half) {
            return Err(foreign(path));
        }
        self.half.clear();
        let file = self.out.get_mut();
        file.set_len(self.whole_bytes).map_err(file_error("cut", path))?;
        file.seek(SeekFrom::Start(self.whole_bytes)).map(drop).map_err(file_error("cut", path))
    }

    fn finish(mut self, path: &Path) -> Result<(), AuditError> {
        if self.earlier.peek().is_some() {
            let reason = "it holds events behind the range; name another file".to_owned();
            return Err(content(path, reason));
        }
        if !self.half.is_empty() {
            return Err(foreign(path));
        }
        self.out.flush().map_err(file_error("write", path))?;
        self.out.get_ref().sync_all().map_err(file_error("sync", path))
    }
}

fn content(path: &Path, reason: String) -> AuditError {
    AuditError::Content { path: path.to_owned(), reason }
}

/// A whole line of an export of this battle.
fn line_of(line: Vec<u8>, battle_id: BattleId) -> Option<String> {
    let text = String::from_utf8(line).ok()?;
    let parsed: Line = serde_json::from_str(&text).ok()?;
    (parsed.stream == battle_id.stream()).then_some(text)
}

/// A file of something else must not be cut or continued.
fn foreign(path: &Path) -> AuditError {
    content(path, "it holds something else than an export of this battle in this range".to_owned())
}

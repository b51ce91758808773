//! A battle's events as a Parquet file, for those who ask with SQL.
//!
//! A file of this kind ends with an index of all that is in it, so that half of one cannot be gone on with: it is written beside its
//! place and moved there whole. The same events come to the same bytes, so that an export that was killed is begun again, and one
//! that is there already is compared.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nimaora_domain::{Event, ParticipantId, Recorded};
use nimaora_event_log::envelope;
use nimaora_event_log::{Envelope, RecordedEvent};
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::error::AuditError;
use super::file_error;

/// The columns. `docs/auditor.md` says what each holds.
const SCHEMA: &str = "message event {
    REQUIRED INT64 position;
    REQUIRED BINARY battle_id (STRING);
    REQUIRED INT64 revision;
    REQUIRED BINARY event_id (STRING);
    REQUIRED BINARY event_type (STRING);
    REQUIRED INT64 decided_at (TIMESTAMP(MILLIS,true));
    REQUIRED INT64 stored_at (TIMESTAMP(MILLIS,true));
    REQUIRED BINARY command_id (STRING);
    REQUIRED BINARY actor (STRING);
    OPTIONAL BINARY participant_id (STRING);
    OPTIONAL BINARY target_id (STRING);
    REQUIRED BINARY data (STRING);
    REQUIRED BINARY metadata (STRING);
}";
/// Events in one group of rows, which is held in memory until it is written.
const GROUP_EVENTS: usize = 10_000;
/// Who made it: always the same, so that the bytes are.
const CREATED_BY: &str = "nimaora audit export, columns of version 1";
/// What the file is called until it is whole.
const PARTIAL: &str = "partial";
/// Bytes that are compared at a time.
const COMPARED_BYTES: usize = 64 * 1024;

/// A file on its way.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<File>,
    partial: PathBuf,
    rows: Rows,
}

/// A group of rows, column by column.
#[derive(Default)]
struct Rows {
    count: usize,
    columns: Vec<Column>,
}

enum Column {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
    /// Those that are there, and for each row whether it is.
    Some(Vec<ByteArray>, Vec<i16>),
}

fn failed(path: &Path) -> impl Fn(ParquetError) -> AuditError {
    move |error| AuditError::File {
        action: "write",
        path: path.to_owned(),
        source: io::Error::other(error.to_string()),
    }
}

impl ParquetFile {
    /// Begins a file beside the place where it will be.
    pub(super) fn begin(path: &Path) -> Result<Self, AuditError> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{PARTIAL}"));
        let partial = PathBuf::from(name);
        let file = File::create(&partial).map_err(file_error("create", &partial))?;
        let schema = parse_message_type(SCHEMA).map_err(failed(&partial))?;
        let properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties));
        Ok(Self { writer: writer.map_err(failed(&partial))?, partial, rows: Rows::default() })
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: &RecordedEvent, recorded: &Recorded) -> Result<(), AuditError> {
        let envelope = envelope::peek(event).map_err(|error| AuditError::Differs(error.to_string()))?;
        self.rows.push(event, recorded, &envelope);
        if self.rows.count < GROUP_EVENTS {
            return Ok(());
        }
        self.write_group()
    }

    fn write_group(&mut self) -> Result<(), AuditError> {
        let rows = std::mem::take(&mut self.rows);
        write_rows(&mut self.writer, rows).map_err(failed(&self.partial))
    }

    /// Puts the whole file in its place. One that is there already and holds something else is left alone.
    pub(super) fn finish(mut self, path: &Path) -> Result<(), AuditError> {
        if self.rows.count > 0 {
            self.write_group()?;
        }
        let Self { writer, partial, .. } = self;
        let file = writer.into_inner().map_err(failed(&partial))?;
        file.sync_all().map_err(file_error("sync", &partial))?;
        if !path.try_exists().map_err(file_error("look for", path))? {
            return fs::rename(&partial, path).map_err(file_error("put in place", path));
        }
        let same = are_same(&partial, path).map_err(file_error("compare", path));
        fs::remove_file(&partial).map_err(file_error("remove", &partial))?;
        match same? {
            true => Ok(()),
            false => Err(AuditError::Content {
                path: path.to_owned(),
                reason: "it holds something else than these events; name another file".to_owned(),
            }),
        }
    }
}

fn are_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, BufReader::new(File::open(other)?));
    if one.metadata()?.len() != other.get_ref().metadata()?.len() {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    loop {
        let read = one.read(&mut ours)?;
        if read == 0 {
            return Ok(true);
        }
        other.read_exact(&mut theirs[..read])?;
        if ours[..read] != theirs[..read] {
            return Ok(false);
        }
    }
}

fn write_rows(writer: &mut SerializedFileWriter<File>, rows: Rows) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in rows.columns {
        let Some(mut place) = group.next_column()? else { break };
        match (place.untyped(), column) {
            (ColumnWriter::Int64ColumnWriter(out), Column::Numbers(values)) => {
                out.write_batch(&values, None, None)?;
            }
            (ColumnWriter::ByteArrayColumnWriter(out), Column::Texts(values)) => {
                out.write_batch(&values, None, None)?;
            }
            (ColumnWriter::ByteArrayColumnWriter(out), Column::Some(values, there)) => {
                out.write_batch(&values, Some(&there), None)?;
            }
            _ => return Err(ParquetError::General("a column is of another type".to_owned())),
        }
        place.close()?;
    }
    group.close().map(drop)
}

impl Rows {
    fn push(&mut self, event: &RecordedEvent, recorded: &Recorded, envelope: &Envelope) {
        let battle_id = event.stream.split_once('-').map_or("", |(_, id)| id);
        let (participant_id, target_id) = people(&recorded.event);
        let mut row = Row { columns: &mut self.columns, at: 0 };
        row.number(event.position.cast_signed());
        row.text(battle_id);
        row.number(event.revision.cast_signed());
        row.text(&event.id.to_string());
        row.text(&event.event_type);
        row.number(recorded.time.as_millis());
        row.number(event.created_ms);
        row.text(&recorded.command_id.0.to_string());
        row.text(&envelope.actor);
        row.maybe(participant_id);
        row.maybe(target_id);
        row.bytes(&event.data);
        row.bytes(&event.metadata);
        self.count += 1;
    }
}

/// Fills the columns of one row from left to right.
struct Row<'a> {
    columns: &'a mut Vec<Column>,
    at: usize,
}

impl Row<'_> {
    fn next(&mut self, empty: impl FnOnce() -> Column) -> &mut Column {
        if self.columns.len() == self.at {
            self.columns.push(empty());
        }
        self.at += 1;
        &mut self.columns[self.at - 1]
    }

    fn number(&mut self, number: i64) {
        if let Column::Numbers(values) = self.next(|| Column::Numbers(Vec::new())) {
            values.push(number);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Column::Texts(values) = self.next(|| Column::Texts(Vec::new())) {
            values.push(bytes.to_vec().into());
        }
    }

    fn maybe(&mut self, id: Option<ParticipantId>) {
        if let Column::Some(values, there) = self.next(|| Column::Some(Vec::new(), Vec::new())) {
            there.push(i16::from(id.is_some()));
            values.extend(id.map(|id| id.to_string().into_bytes().into()));
        }
    }
}

/// Who did something, or whom it happened to; and whom it was done to, if that is somebody else.
fn people(event: &Event) -> (Option<ParticipantId>, Option<ParticipantId>) {
    let who = match event {
        Event::BattleCreated(_)
        | Event::BattleStarted(_)
        | Event::BattleFinished(_)
        | Event::BattleCancelled(_)
        // Several at once; `data` names them.
        | Event::ParticipantsLapsed(_) => return (None, None),
        Event::AttackLanded(attack) => return (Some(attack.attacker_id), Some(attack.target_id)),
        Event::ParticipantJoined(joined) => joined.participant_id,
        Event::SessionReplaced(replaced) => replaced.participant_id,
        Event::AnswerSubmitted(answer) => answer.participant_id,
        Event::AnswerJudged(judged) => judged.participant_id,
        Event::ParticipantLeft(left) => left.participant_id,
        Event::ParticipantRemoved(removed) => removed.participant_id,
        Event::ParticipantReturned(returned) => returned.participant_id,
        Event::NameErased(erased) => erased.participant_id,
    };
    (Some(who), None)
}

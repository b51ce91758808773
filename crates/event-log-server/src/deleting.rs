//! Deleting a stream, and ending it for ever. Nothing leaves the log: both are events of the stream's metadata.

use nimaora_event_log::{AppendError, Appended, Expected, Position, Revision};

use crate::marks::Mark;
use crate::standing::{self, Fate, Standing};
use crate::writing::{self, Refused, Writer};

/// The type of the event that ends a stream.
pub(crate) const ENDED_TYPE: &str = "$streamDeleted";
/// How often it is tried again because another server wrote the stream's metadata at the same time.
const RACES_MAX: usize = 5;

/// Hides all events of the stream. Answers where that was written, if it had to be.
pub(crate) async fn delete(
    writer: &Writer,
    stream: &str,
    expected: Expected,
) -> Result<Option<Position>, Refused> {
    let _lock = writer.alone(stream).await;
    let mut races = 0;
    loop {
        let Found { standing, last, is_gone } = look(writer, stream).await?;
        let Some(last) = last else { return Err(wrong(None)) };
        if is_gone {
            return match expected {
                Expected::Exists => Err(Refused::Deleted),
                Expected::Exact(revision) if revision != last => Err(wrong(Some(last))),
                Expected::Exact(_) | Expected::Any | Expected::NoStream => Ok(None),
            };
        }
        if matches!(expected, Expected::NoStream) || is_other(expected, last) {
            return Err(wrong(Some(last)));
        }
        let (mark, metadata) = (Mark::Deleted(last + 1), standing.metadata.deleting());
        let written = writing::set(&writer.log, stream, standing.metadata_revision, mark, metadata).await;
        if let Some(appended) = unless_raced(written, &mut races)? {
            return Ok(Some(appended.last_position));
        }
    }
}

/// Ends the stream. Answers where that was written.
pub(crate) async fn end(writer: &Writer, stream: &str, expected: Expected) -> Result<Position, Refused> {
    let _lock = writer.alone(stream).await;
    let mut races = 0;
    loop {
        let Found { standing, last, is_gone } = look(writer, stream).await?;
        match (expected, last) {
            (Expected::Exists, _) if is_gone => return Err(Refused::Deleted),
            (Expected::Exists | Expected::Exact(_), None) => return Err(wrong(None)),
            (Expected::NoStream, Some(last)) if !is_gone => return Err(wrong(Some(last))),
            (_, Some(last)) if is_other(expected, last) => return Err(wrong(Some(last))),
            _ => {}
        }
        let event = writing::event_of(ENDED_TYPE, Mark::Ended, bytes::Bytes::new());
        let written = writing::put(&writer.log, stream, standing.metadata_revision, event).await;
        if let Some(appended) = unless_raced(written, &mut races)? {
            return Ok(appended.last_position);
        }
    }
}

struct Found {
    standing: Standing,
    last: Option<Revision>,
    /// Whether all events that are there were deleted.
    is_gone: bool,
}

/// # Errors
/// The stream is over, or the log cannot be read.
async fn look(writer: &Writer, stream: &str) -> Result<Found, Refused> {
    let standing = Standing::look(&writer.log, stream).await?;
    let last = standing::last(&writer.log, stream).await?.map(|last| last.revision);
    let is_gone = match standing.fate {
        Fate::Ended => return Err(Refused::Deleted),
        Fate::Deleted(before) => last.is_some_and(|last| last < before),
        Fate::Open => false,
    };
    Ok(Found { standing, last, is_gone })
}

fn is_other(expected: Expected, last: Revision) -> bool {
    matches!(expected, Expected::Exact(revision) if revision != last)
}

fn wrong(actual: Option<Revision>) -> Refused {
    Refused::Log(AppendError::WrongExpectedRevision { actual })
}

/// What was written, or nothing if it must be looked at again.
fn unless_raced(
    written: Result<Appended, AppendError>,
    races: &mut usize,
) -> Result<Option<Appended>, Refused> {
    match written {
        Err(AppendError::WrongExpectedRevision { .. }) if *races < RACES_MAX => {
            *races += 1;
            Ok(None)
        }
        // The expectation was about metadata, of which the client said nothing.
        Err(AppendError::WrongExpectedRevision { .. }) => {
            let reason = "others write the stream's metadata all the time".to_owned();
            Err(Refused::Log(AppendError::Unavailable { reason }))
        }
        outcome => Ok(Some(outcome?)),
    }
}

//! Files that are read and written: regular ones only. A device has no end, and a pipe waits for ever.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use super::error::AuditError;
use super::file_error;

/// More than any receipt has: the standings of a battle of 20,000 take 3 MB.
const WHOLE_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Refuses what is there and is no regular file.
///
/// # Errors
/// [`AuditError::Content`].
pub(super) fn regular(path: &Path) -> Result<(), AuditError> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(AuditError::Content {
            path: path.to_owned(),
            reason: "it is no regular file; name one".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Opens a regular file to read it.
///
/// # Errors
/// It is none, or cannot be opened.
pub(super) fn open(path: &Path) -> Result<File, AuditError> {
    regular(path)?;
    File::open(path).map_err(file_error("read", path))
}

/// The text of a small regular file.
///
/// # Errors
/// It is none, cannot be read, or is larger than anything that is read so.
pub(super) fn read(path: &Path) -> Result<String, AuditError> {
    let mut text = String::new();
    let read = open(path)?.take(WHOLE_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(file_error("read", path))?;
    if text.len() as u64 > WHOLE_FILE_BYTES_MAX {
        let reason = format!("it is larger than {WHOLE_FILE_BYTES_MAX} bytes");
        return Err(AuditError::Content { path: path.to_owned(), reason });
    }
    Ok(text)
}

/// Writes a new file, and answers it. Whatever is there stays as it is.
///
/// # Errors
/// It is there already, or cannot be written.
pub(super) fn write_new(path: &Path, text: &str) -> Result<File, AuditError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(path).map_err(file_error("create", path))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(file_error("write", path))?;
    Ok(file)
}

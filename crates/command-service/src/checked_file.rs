//! Files of caches beside the log. Each is written beside its place and moved there, so that a reader finds the old one or the new
//! one. None is synced: the checksum at the end finds what a loss of power leaves.

use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::path::Path;

/// CRC-32C, big-endian, at the end of the file.
const CHECKSUM_BYTES: usize = 4;

/// A file, and the checksum of what was written to it.
pub(crate) struct Summed {
    file: BufWriter<File>,
    crc32c: u32,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file with what `fill` writes to it, as it is made, by way of the path `beside`. Blocks.
pub(crate) fn write(
    path: &Path,
    beside: &Path,
    fill: impl FnOnce(&mut Summed) -> io::Result<()>,
) -> io::Result<()> {
    let mut summed = Summed { file: BufWriter::new(File::create(beside)?), crc32c: 0 };
    fill(&mut summed)?;
    let Summed { mut file, crc32c } = summed;
    file.write_all(&crc32c.to_be_bytes())?;
    file.into_inner().map_err(IntoInnerError::into_error)?;
    fs::rename(beside, path)
}

/// What was written to the file. Blocks.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where it is not whole, and what the system says.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(path)?;
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    let (text, checksum) =
        bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(|| invalid("it is cut off"))?;
    if crc32c::crc32c(text) != u32::from_be_bytes(*checksum) {
        return Err(invalid("its checksum does not match"));
    }
    bytes.truncate(bytes.len() - CHECKSUM_BYTES);
    Ok(bytes)
}

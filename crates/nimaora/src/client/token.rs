//! The admin token's file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nimaora_sessions::token::TOKEN_BYTES_MAX;

/// What is read of the file, in bytes; a token is shorter. What is behind it is not read.
const FILE_BYTES_MAX: u64 = 4 * TOKEN_BYTES_MAX as u64;

/// The token in the file, without what surrounds it.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> io::Result<String> {
    let mut token = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut token)?;
    Ok(token.trim().to_owned())
}

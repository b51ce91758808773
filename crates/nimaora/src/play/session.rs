//! A participant's token between two calls: a file in the current folder that only its owner can read.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tonic::metadata::{Ascii, MetadataValue};

use super::ClientError;
use crate::client::bearer;

/// More than any session has.
const SESSION_BYTES_MAX: u64 = 64 * 1024;

/// Who a participant is, and the proof of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) battle_id: String,
    pub(super) participant_id: String,
    pub(super) username: String,
    pub(super) token: String,
}

/// The file of a name. A name may not lead out of the folder.
pub(super) fn file(name: &str) -> Result<PathBuf, ClientError> {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(ClientError::Name(name.to_owned()));
    }
    Ok(PathBuf::from(format!("{name}.session")))
}

impl Session {
    pub(super) fn load(name: &str) -> Result<Self, ClientError> {
        let path = file(name)?;
        let text = fs::read_to_string(&path)
            .map_err(|error| ClientError::Session { path: path.clone(), reason: error.to_string() })?;
        serde_json::from_str(&text).map_err(|error| ClientError::Session { path, reason: error.to_string() })
    }

    pub(super) fn bearer(&self) -> Result<MetadataValue<Ascii>, ClientError> {
        bearer(&self.token).ok_or(ClientError::Token)
    }
}

/// A file that takes a session, opened before there is one: a token that cannot be kept is lost with its name.
pub(super) struct Place {
    path: PathBuf,
    file: File,
}

impl Place {
    /// Makes the file of a name, or finds it there with an older session.
    ///
    /// # Errors
    /// It cannot be written, or holds something else.
    pub(super) fn reserve(path: PathBuf) -> Result<Self, ClientError> {
        let failed = |reason: String| ClientError::Session { path: path.clone(), reason };
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(|error| failed(error.to_string()))?;
        let mut held = String::new();
        let read = (&mut file).take(SESSION_BYTES_MAX).read_to_string(&mut held);
        let is_session = read.is_ok() && (held.is_empty() || serde_json::from_str::<Session>(&held).is_ok());
        if !is_session {
            return Err(failed("it holds something else; move it away".to_owned()));
        }
        Ok(Self { path, file })
    }

    /// Writes the session in the place of what was there.
    pub(super) fn store(mut self, session: &Session) -> Result<PathBuf, ClientError> {
        let failed = |reason: String| ClientError::Session { path: self.path.clone(), reason };
        let text = serde_json::to_string_pretty(session).map_err(|error| failed(error.to_string()))?;
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        let written = emptied.and_then(|()| self.file.write_all(text.as_bytes()));
        written.map_err(|error| failed(error.to_string()))?;
        Ok(self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        for wrong in ["", "../ada", "a/b", ".", "ada lovelace"] {
            assert!(matches!(file(wrong), Err(ClientError::Name(_))), "{wrong}");
        }
        assert_eq!(file("ada_1-ü").unwrap(), PathBuf::from("ada_1-ü.session"));
    }

    #[test]
    fn only_the_owner_can_read_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ada.session");
        let [battle_id, participant_id, username, token] = ["b", "p", "ada", "t"].map(str::to_owned);
        let session = Session { battle_id, participant_id, username, token };
        Place::reserve(path.clone()).unwrap().store(&session).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(serde_json::from_str::<Session>(&fs::read_to_string(&path).unwrap()).unwrap(), session);
    }
    #[test]
    fn a_session_takes_the_place_of_an_older_one_and_of_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let session = |token: &str| Session {
            battle_id: "b".to_owned(),
            participant_id: "p".to_owned(),
            username: "ada".to_owned(),
            token: token.to_owned(),
        };
        let path = folder.path().join("ada.session");
        for token in ["a longer token", "short"] {
            Place::reserve(path.clone()).unwrap().store(&session(token)).unwrap();
            let stored: Session = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(stored.token, token);
        }
        fs::write(&path, "a diary").unwrap();
        for path in [path, folder.path().to_owned()] {
            assert!(matches!(Place::reserve(path), Err(ClientError::Session { .. })));
        }
        assert_eq!(fs::read_to_string(folder.path().join("ada.session")).unwrap(), "a diary");
    }
}

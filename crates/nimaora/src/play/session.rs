//! A participant's token between two calls: a file in the current folder that only its owner can read.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tonic::metadata::{Ascii, MetadataValue};

use super::ClientError;
use crate::client::bearer;

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

    pub(super) fn store(&self, path: &PathBuf) -> Result<(), ClientError> {
        let failed = |reason: String| ClientError::Session { path: path.clone(), reason };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(error.to_string()))
    }

    pub(super) fn bearer(&self) -> Result<MetadataValue<Ascii>, ClientError> {
        bearer(&self.token).ok_or(ClientError::Token)
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
        session.store(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(serde_json::from_str::<Session>(&fs::read_to_string(&path).unwrap()).unwrap(), session);
    }
}

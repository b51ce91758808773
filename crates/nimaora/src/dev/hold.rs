//! One cluster to a folder: two would start servers on each other's files.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;

use super::DevError;

/// The file in the folder that a running cluster holds, and writes its process id into.
const LOCK_FILE: &str = "cluster.lock";

/// The folder, for as long as this lives. It ends with the process, however that ends.
pub(super) struct Hold {
    _locked: File,
}

impl Hold {
    /// Makes the folder, if it is not there, and keeps others out of it.
    ///
    /// # Errors
    /// Another cluster runs in it, or it cannot be made or written.
    pub(super) fn take(dir: &Path) -> Result<Self, DevError> {
        fs::create_dir_all(dir).map_err(DevError::io("make the cluster's folder"))?;
        let path = dir.join(LOCK_FILE);
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(DevError::io("write into the cluster's folder"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(&path).unwrap_or_default();
                return Err(DevError::InUse { dir: dir.to_owned(), process: process.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(DevError::io("lock the cluster's folder")(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(DevError::io("write into the cluster's folder"))?;
        Ok(Self { _locked: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_cluster_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = Hold::take(dir.path()).unwrap();
        let refused = Hold::take(dir.path()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        Hold::take(dir.path()).unwrap();
    }
}

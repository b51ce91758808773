//! Keys that are made at first start and kept in the data folder, readable by their owner only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file system refused.
    #[error("cannot {action} the secret {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("{} has mode {mode:03o}, so others can read it; run: chmod 600 {}", .path.display(), .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// `N` random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
    Ok(bytes)
}

/// The text of the secret in `path`. Where there is none yet, `make` makes it and it is stored with mode 0600 before it is
/// answered; a file that others can read is refused.
pub fn load_or_create(
    path: &Path,
    make: impl FnOnce() -> Result<String, SecretError>,
) -> Result<String, SecretError> {
    load_or_store(path, make, |_| Ok(()))
}

/// Like [`load_or_create`], but what is made belongs to whom its folder belongs to: root may make what a service is to read.
pub fn load_or_create_for_owner(
    path: &Path,
    make: impl FnOnce() -> Result<String, SecretError>,
) -> Result<String, SecretError> {
    load_or_store(path, make, |file| give_to_owner(file, folder_of(path)))
}

/// Gives a file that was just made in a folder to the folder's owner. Whoever owns the folder may have put something else under the
/// file's name since, so it is given by its handle.
pub fn give_to_owner(made: &File, folder: &Path) -> io::Result<()> {
    let owner = File::open(folder)?.metadata()?;
    match made.metadata()?.uid() == owner.uid() {
        true => Ok(()),
        false => fchown(made, Some(owner.uid()), Some(owner.gid())),
    }
}

fn load_or_store(
    path: &Path,
    make: impl FnOnce() -> Result<String, SecretError>,
    made: impl FnOnce(&File) -> io::Result<()>,
) -> Result<String, SecretError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let metadata = fs::metadata(path).map_err(io_error("read", path))?;
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(SecretError::Exposed { path: path.to_owned(), mode });
            }
            Ok(text.trim_end().to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            store(path, &text, made).map_err(io_error("store", path))?;
            Ok(text)
        }
        Err(source) => Err(SecretError::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// Puts another text in the place of a secret, with mode 0600.
pub fn replace(path: &Path, text: &str) -> Result<(), SecretError> {
    store(path, text, |_| Ok(())).map_err(io_error("store", path))
}

/// Written beside its place and moved there, so that a crash leaves either no secret or a whole one.
fn store(path: &Path, text: &str, made: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What an earlier crash left there keeps its mode, and somebody else's file its owner: neither is written to.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    made(&file)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = load_or_create(&path, || Ok("one".to_owned())).unwrap();
        let second = load_or_create(&path, || Ok("two".to_owned())).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_crash_left_beside_it_lends_it_no_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let beside = path.with_extension("new");
        fs::write(&beside, "half").unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(load_or_create(&path, || Ok("one".to_owned())).unwrap(), "one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_made_for_the_owner_of_its_folder_belongs_to_it() {
        let folder = tempfile::tempdir().unwrap();
        // Only root can give anything away.
        let owner = fs::metadata(folder.path()).unwrap().uid();
        let owner = if owner == 0 { 12_345 } else { owner };
        std::os::unix::fs::chown(folder.path(), Some(owner), None).unwrap();
        let path = folder.path().join("key");
        load_or_create_for_owner(&path, || Ok("one".to_owned())).unwrap();
        let made = fs::metadata(&path).unwrap();
        assert_eq!((made.uid(), made.permissions().mode() & 0o777), (owner, 0o600));
    }

    #[test]
    fn is_refused_when_others_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        load_or_create(&path, || Ok("one".to_owned())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path, || Ok("two".to_owned())).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

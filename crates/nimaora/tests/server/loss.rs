//! A server whose files are not all there: it says so and leaves everything as it is, before it takes a command.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nimaora::serve::{self, ServeError};
use nimaora_api::v1::{GetBattleRequest, get_battle_request};

use crate::host::{Host, config, start_in};

/// A folder with one battle in the log and in the tables.
async fn folder_of_a_battle() -> tempfile::TempDir {
    let host = Host::start(&[]).await;
    battle_in_tables(&host).await;
    let Host { folder, server } = host;
    server.stop().await;
    folder
}

/// Makes a battle of three events and waits until the tables hold all of them.
async fn battle_in_tables(host: &Host) {
    let connection = host.connection().await;
    let (battle_id, joined) = host.battle(&connection).await;
    let battle = Some(get_battle_request::Battle::BattleId(battle_id));
    let get = GetBattleRequest { battle, min_position: joined.position, wait_ms: 10_000 };
    connection.queries().get_battle(get).await.unwrap();
}

/// Why a server does not start in a folder. It leaves everything there as it is.
async fn refused(folder: &Path) -> ServeError {
    let before = contents(folder);
    let config = config(folder, &[]);
    let listener = serve::bind(config.listen).unwrap();
    let error = serve::start(config, listener).await.err().unwrap();
    let after = contents(folder);
    assert!(before.keys().eq(after.keys()), "{:?} became {:?}", before.keys(), after.keys());
    let changed: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(*bytes)).collect();
    assert!(changed.is_empty(), "a refused start has changed {:?}", changed.iter().map(|(path, _)| path));
    error
}

/// Everything in a folder, but for what SQLite's processes share in memory.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else if !path.to_string_lossy().ends_with("-shm") {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

/// Copies a folder, as a kill would leave it if its server runs.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

#[tokio::test]
async fn a_lost_key_is_not_made_again() {
    let folder = folder_of_a_battle().await;
    for file in ["answer-key", "token-signing-key"] {
        let key = folder.path().join("secrets").join(file);
        let kept = folder.path().join("kept");
        fs::rename(&key, &kept).unwrap();
        let error = refused(folder.path()).await.to_string();
        assert!(error.contains(file) && error.contains("from a copy"), "{error}");
        assert!(!key.exists());
        fs::rename(&kept, &key).unwrap();
    }
    start_in(folder.path(), &[]).await.stop().await;
}

#[tokio::test]
async fn tables_of_a_longer_log_are_refused_until_they_are_moved_away() {
    let folder = folder_of_a_battle().await;
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    let error = refused(folder.path()).await;
    let ServeError::TablesAhead { head: 0, tables, ref file, .. } = error else { panic!("{error}") };
    let told = error.to_string();
    for words in [&format!("reached position {tables}"), "ends at position 0", "Restore the log from a copy"]
    {
        assert!(told.contains(words), "'{words}' is not in {told}");
    }
    fs::remove_file(file).unwrap();
    start_in(folder.path(), &[]).await.stop().await;
}

#[tokio::test]
async fn a_log_that_was_rolled_back_is_refused_and_stays_as_it_is() {
    let folder = folder_of_a_battle().await;
    let (log, kept) = (folder.path().join("log"), tempfile::tempdir().unwrap());
    copy(&log, kept.path());
    let host = Host { server: start_in(folder.path(), &[]).await, folder };
    battle_in_tables(&host).await;
    let Host { folder, server } = host;
    server.stop().await;

    let newest = tempfile::tempdir().unwrap();
    copy(&log, newest.path());
    fs::remove_dir_all(&log).unwrap();
    copy(kept.path(), &log);
    for gone in ["", "acknowledged", "lock"] {
        if !gone.is_empty() {
            fs::remove_file(log.join(gone)).unwrap();
        }
        let error = refused(folder.path()).await;
        assert!(matches!(error, ServeError::TablesAhead { head: 3, tables: 6, .. }), "{error}");
    }
    fs::remove_dir_all(&log).unwrap();
    copy(newest.path(), &log);
    start_in(folder.path(), &[]).await.stop().await;
}

#[tokio::test]
async fn a_log_that_was_lost_in_a_crash_is_not_begun_anew() {
    let host = Host::start(&[]).await;
    battle_in_tables(&host).await;
    let killed = tempfile::tempdir().unwrap();
    copy(host.folder.path(), killed.path());
    let log = killed.path().join("log");
    fs::remove_dir_all(&log).unwrap();
    let error = refused(killed.path()).await;
    assert!(matches!(error, ServeError::TablesAhead { head: 0, .. }), "{error}");
    // An empty folder in its place makes no difference.
    fs::create_dir(&log).unwrap();
    let error = refused(killed.path()).await;
    assert!(matches!(error, ServeError::TablesAhead { head: 0, .. }), "{error}");
    host.server.stop().await;
}

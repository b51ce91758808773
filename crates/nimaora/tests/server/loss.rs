//! A server whose files are not all there: it says so and leaves everything as it is, before it takes a command.

use std::fs;
use std::path::Path;

use nimaora::serve::{self, ServeError};

use crate::host::{Host, config, start_in};

/// A folder with one battle in the log and in the tables.
async fn folder_of_a_battle() -> tempfile::TempDir {
    let host = Host::start(&[]).await;
    host.battle(&host.connection().await).await;
    let Host { folder, server } = host;
    server.stop().await;
    folder
}

async fn refused(folder: &Path) -> ServeError {
    let config = config(folder, &[]);
    let listener = serve::bind(config.listen).unwrap();
    serve::start(config, listener).await.err().unwrap()
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

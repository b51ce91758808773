//! The keys of names in a folder, a file for each battle, readable by their owner only. For the one process that has the log open.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::BattleId;
use nimaora_runtime::secrets::{self, SecretError};
use parking_lot::Mutex;

use super::{KeyTree, NameKeys, NamesError};

/// The folder beside the log's own.
pub const NAMES_DIR: &str = "names";

/// Keys in a folder, which is made when the first ones are.
#[derive(Clone)]
pub struct FileKeys {
    dir: Arc<Path>,
    /// Who makes or changes keys does so alone.
    changing: Arc<Mutex<()>>,
}

impl FileKeys {
    /// Keys in this folder.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: dir.into(), changing: Arc::default() }
    }

    fn path(&self, battle_id: BattleId) -> PathBuf {
        self.dir.join(format!("{battle_id}.keys"))
    }

    fn read(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        match fs::read_to_string(self.path(battle_id)) {
            Ok(text) => parse(battle_id, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    fn make(&self, battle_id: BattleId) -> Result<KeyTree, NamesError> {
        let _alone = self.changing.lock();
        if let Some(tree) = self.read(battle_id)? {
            return Ok(tree);
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| self.unavailable(&error))?;
        let random = || KeyTree::random().map(|tree| tree.to_string());
        let text = secrets::load_or_create(&self.path(battle_id), random);
        parse(battle_id, &text.map_err(|error| self.unavailable(&error))?)
    }

    fn change(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError> {
        let _alone = self.changing.lock();
        let Some(mut tree) = self.read(battle_id)?.filter(|tree| tree.holds(number)) else { return Ok(()) };
        tree.forget(number);
        self.write(&self.path(battle_id), &tree).map_err(|error| self.unavailable(&error))
    }

    /// What the file held is overwritten where it lay, as far as the file system lets it, and not only left behind.
    fn write(&self, path: &Path, tree: &KeyTree) -> Result<(), SecretError> {
        let io_error = |source| SecretError::Io { action: "overwrite", path: path.to_owned(), source };
        let mut before = OpenOptions::new().write(true).open(path).map_err(io_error)?;
        let length = before.metadata().map_err(io_error)?.len();
        secrets::replace(path, tree.to_string().trim_end())?;
        let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
        before.write_all(&zeros).and_then(|()| before.sync_all()).map_err(io_error)
    }

    fn unavailable(&self, error: &dyn std::error::Error) -> NamesError {
        NamesError::Unavailable { reason: format!("{}: {error}", self.dir.display()) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, NamesError> + Send + 'static,
    ) -> Result<T, NamesError> {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || work(&this)).await {
            Ok(done) => done,
            Err(error) => Err(self.unavailable(&error)),
        }
    }
}

fn parse(battle_id: BattleId, text: &str) -> Result<KeyTree, NamesError> {
    text.parse()
        .map_err(|error: super::tree::NoTree| NamesError::Damaged { battle_id, reason: error.to_string() })
}

#[async_trait]
impl NameKeys for FileKeys {
    async fn load(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        // What is overwritten in this moment is not read half.
        self.blocking(move |this| {
            let _alone = this.changing.lock();
            this.read(battle_id)
        })
        .await
    }

    async fn load_or_make(&self, battle_id: BattleId) -> Result<KeyTree, NamesError> {
        self.blocking(move |this| this.make(battle_id)).await
    }

    async fn forget(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError> {
        self.blocking(move |this| this.change(battle_id, number)).await
    }
}

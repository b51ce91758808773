//! The keys that participants' names are sealed under, so that a name can be erased from a log in which no byte ever changes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tree`] | [`KeyTree`]: the keys of one battle, which can forget single ones; sealing and reading a name |
//! | [`files`] | the keys in a folder beside the embedded log |
//! | [`nats`] | the keys in a NATS key-value bucket beside the log in JetStream |
//!
//! A name is sealed before its event is, so that the chain of hashes goes over what is sealed and holds whatever becomes of the key. All
//! keys of a battle grow from one secret, which is kept once, before the battle's first event: who joins costs no write here. To erase
//! a name is to put what all other keys grow from in the place of that secret.
//!
//! The keys are never in the log. Whoever loses them loses the names, and nothing else.

pub mod files;
pub mod nats;
#[cfg(test)]
mod tests;
pub mod tree;

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use async_trait::async_trait;
use nimaora_domain::{BattleId, Event, ParticipantId, SealedName};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

pub use tree::KeyTree;

use crate::error::ReadError;

/// Battles whose keys are held in memory. When it is reached, those that nobody uses are let go, and read again when they are next needed.
const BATTLES_HELD_MAX: usize = 4_096;
/// How often keys are read again because one was forgotten meanwhile.
const TRIES_MAX: usize = 16;
/// After how long keys that are held are read again. What another process has forgotten is held here for no longer.
const HELD_MAX: Duration = Duration::from_secs(60);

/// Why keys could not be had or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamesError {
    /// They cannot be reached now. Try again after a while.
    #[error("the keys of names cannot be used now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// What is kept is no set of keys. Trying again cannot help; an operator must restore it.
    #[error("the keys of the names of battle {battle_id} are damaged: {reason}; restore them from a copy")]
    Damaged {
        /// The battle.
        battle_id: BattleId,
        /// What does not fit.
        reason: String,
    },
}

impl From<NamesError> for ReadError {
    fn from(error: NamesError) -> Self {
        match error {
            NamesError::Unavailable { .. } => Self::Unavailable { reason: error.to_string() },
            NamesError::Damaged { battle_id, reason } => {
                Self::Damaged { place: format!("the keys of the names of battle {battle_id}"), reason }
            }
        }
    }
}

/// Where the keys of all battles are kept. Every call answers in bounded time.
#[async_trait]
pub trait NameKeys: Send + Sync + 'static {
    /// The keys of a battle; `None` where there are none, because they were never made or are lost.
    async fn load(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError>;

    /// The same, of a battle whose keys were made: an event is sealed under one. `None` is believed only when they are lost for sure.
    async fn load_made(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        self.load(battle_id).await
    }

    /// The keys of a battle, durably made if there are none. Of several that make them at once, all get the same.
    async fn load_or_make(&self, battle_id: BattleId) -> Result<KeyTree, NamesError>;

    /// Durably forgets the key with this number. Done before, or where there are no keys, it changes nothing.
    async fn forget(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError>;
}

/// The keys of names, as those who write and read a log have them. Cheap to clone. The default keeps none: names stand in clear.
#[derive(Clone, Default)]
pub struct Names(Option<Arc<Kept>>);

struct Kept {
    keys: Arc<dyn NameKeys>,
    held: Mutex<Held>,
}

/// What is held of the keys that are kept.
#[derive(Default)]
struct Held {
    battles: AHashMap<BattleId, (Instant, Arc<BattleKeys>)>,
    /// How many were forgotten by this process. Keys that were read before one was are not believed.
    forgotten: u64,
}

/// The keys of one battle.
#[derive(Debug)]
pub struct BattleKeys {
    battle_id: BattleId,
    tree: RwLock<KeyTree>,
}

impl BattleKeys {
    /// Seals the name of the participant with this number. `None` where the number's key was forgotten, or the name is longer than any
    /// that is taken.
    pub fn seal(&self, participant_id: ParticipantId, number: u32, name: &str) -> Option<SealedName> {
        let text = self.tree.read().seal(self.battle_id, participant_id, number, name)?;
        Some(SealedName { number, text: text.into() })
    }

    /// Reads a sealed name. `None` where its key was forgotten, or it was sealed under another one.
    pub fn open(&self, participant_id: ParticipantId, sealed: &SealedName) -> Option<String> {
        self.tree.read().open(self.battle_id, participant_id, sealed.number, &sealed.text)
    }

    /// Reads the name that an event brings, if it brings one that is sealed.
    pub fn open_event(&self, event: &mut Event) {
        let name = event.closed_name().and_then(|(who, sealed)| self.open(who, sealed));
        if let Some(name) = name {
            event.open_name(&name);
        }
    }

    /// Whether the key with this number is there.
    pub fn holds(&self, number: u32) -> bool {
        self.tree.read().holds(number)
    }
}

impl Names {
    /// Names are sealed under keys that are kept there.
    pub fn kept_by(keys: Arc<dyn NameKeys>) -> Self {
        Self(Some(Arc::new(Kept { keys, held: Mutex::default() })))
    }

    /// The keys of a battle; `None` where there are none.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn of(&self, battle_id: BattleId) -> Result<Option<Arc<BattleKeys>>, NamesError> {
        let Some(kept) = &self.0 else { return Ok(None) };
        if let Some(held) = kept.held(battle_id) {
            return Ok(Some(held));
        }
        self.read_again(battle_id).await
    }

    /// The same, as they are kept at this moment: another process may have forgotten one just now.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn read_again(&self, battle_id: BattleId) -> Result<Option<Arc<BattleKeys>>, NamesError> {
        let Some(kept) = &self.0 else { return Ok(None) };
        kept.read(battle_id, false).await
    }

    /// The keys of a battle of which an event is sealed.
    async fn of_sealed(&self, battle_id: BattleId) -> Result<Option<Arc<BattleKeys>>, NamesError> {
        let found = self.of(battle_id).await?;
        match (&self.0, found) {
            (Some(kept), None) if kept.keys.load_made(battle_id).await?.is_some() => {
                self.read_again(battle_id).await
            }
            (_, found) => Ok(found),
        }
    }

    /// The keys of a battle, made if there are none; `None` where names stand in clear.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn made_for(&self, battle_id: BattleId) -> Result<Option<Arc<BattleKeys>>, NamesError> {
        let Some(kept) = &self.0 else { return Ok(None) };
        if let Some(held) = kept.held(battle_id) {
            return Ok(Some(held));
        }
        kept.read(battle_id, true).await
    }

    /// Forgets a key for ever.
    ///
    /// # Errors
    /// [`NamesError`]; it is not known then whether the key is forgotten.
    pub async fn forget(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError> {
        let Some(kept) = &self.0 else { return Ok(()) };
        kept.keys.forget(battle_id, number).await?;
        let mut held = kept.held.lock();
        held.forgotten += 1;
        if let Some((_, keys)) = held.battles.get(&battle_id) {
            keys.tree.write().forget(number);
        }
        Ok(())
    }

    /// Whether names are sealed at all.
    pub fn are_sealed(&self) -> bool {
        self.0.is_some()
    }

    /// Reads the name that an event brings, if it brings one that is sealed and its key is there.
    ///
    /// # Errors
    /// [`NamesError`]; the name is still closed then.
    pub async fn open(&self, battle_id: BattleId, event: &mut Event) -> Result<(), NamesError> {
        if event.closed_name().is_none() {
            return Ok(());
        }
        match self.of_sealed(battle_id).await? {
            Some(keys) => keys.open_event(event),
            None => {
                tracing::warn!(%battle_id, "there are no keys for the names of a battle; its players are shown by number")
            }
        }
        Ok(())
    }
}

impl Kept {
    fn held(&self, battle_id: BattleId) -> Option<Arc<BattleKeys>> {
        let held = self.held.lock();
        held.battles
            .get(&battle_id)
            .filter(|(since, _)| since.elapsed() < HELD_MAX)
            .map(|(_, keys)| Arc::clone(keys))
    }

    /// Reads keys, made if `makes` and there are none, and holds them; again when one was forgotten meanwhile.
    async fn read(&self, battle_id: BattleId, makes: bool) -> Result<Option<Arc<BattleKeys>>, NamesError> {
        for _ in 0..TRIES_MAX {
            let forgotten = self.forgotten();
            let found = match makes {
                true => Some(self.keys.load_or_make(battle_id).await?),
                false => self.keys.load(battle_id).await?,
            };
            let Some(tree) = found else { return Ok(None) };
            if let Some(keys) = self.hold(battle_id, tree, forgotten) {
                return Ok(Some(keys));
            }
        }
        Err(NamesError::Unavailable { reason: "names were erased all the while".to_owned() })
    }

    /// How many were forgotten so far.
    fn forgotten(&self) -> u64 {
        self.held.lock().forgotten
    }

    /// There is one set of keys for each battle, so that whoever has it forgets what is forgotten. `None` when one was forgotten since
    /// `forgotten` was read: the tree may be older.
    fn hold(&self, battle_id: BattleId, tree: KeyTree, forgotten: u64) -> Option<Arc<BattleKeys>> {
        let mut held = self.held.lock();
        if held.forgotten != forgotten {
            return None;
        }
        let held = &mut held.battles;
        if held.len() >= BATTLES_HELD_MAX {
            held.retain(|_, (_, keys)| Arc::strong_count(keys) > 1);
        }
        if let Some((since, keys)) = held.get_mut(&battle_id) {
            *since = Instant::now();
            *keys.tree.write() = tree;
            return Some(Arc::clone(keys));
        }
        let keys = Arc::new(BattleKeys { battle_id, tree: RwLock::new(tree) });
        held.insert(battle_id, (Instant::now(), Arc::clone(&keys)));
        Some(keys)
    }
}

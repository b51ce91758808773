//! Boards that are watched. However many watch a battle, one task follows its changes and reads its board, at most once in a
//! tick; each watcher gets the newest state when it is ready for it, and never a backlog.

mod reader;

use std::sync::Arc;

use ahash::AHashMap;
use futures::{Stream, stream};
use nimaora_change_bus::ChangeBus;
use nimaora_domain::{BattleId, Phase};
use nimaora_runtime::Shutdown;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::reader::Reader;
use crate::boards::{Boards, Top};
use crate::config::Config;
use crate::error::QueryError;
use crate::metrics;
use crate::tables::Tables;

/// What the watchers of a battle see.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) top: Arc<Top>,
    /// Where the battle is in its life. One that is over is shown with its final board only.
    pub(crate) phase: Phase,
}

impl Scene {
    /// Whether nothing will change any more.
    fn is_last(&self) -> bool {
        is_over(self.phase)
    }

    /// Whether it is no older than what was shown, and looks another way as far as its first `limit` lines go.
    fn is_news_after(&self, shown: &Self, limit: u32) -> bool {
        let looks_alike = self.phase == shown.phase
            && self.top.total == shown.top.total
            && self.top.first(limit) == shown.top.first(limit);
        self.top.as_of >= shown.top.as_of && !looks_alike
    }
}

pub(crate) fn is_over(phase: Phase) -> bool {
    match phase {
        Phase::Finished | Phase::Cancelled => true,
        Phase::Absent | Phase::Created | Phase::Running => false,
    }
}

/// Nothing until the board was read for the first time.
type Scenes = watch::Sender<Option<Arc<Scene>>>;

/// The battles that are watched, and what is needed to watch one more.
pub(crate) struct Watches {
    sources: Arc<Sources>,
    shutdown: Shutdown,
    /// A permit for each that watches.
    watchers: Arc<Semaphore>,
}

/// What the readers of all battles share.
struct Sources {
    boards: Arc<Boards>,
    tables: Tables,
    bus: Arc<dyn ChangeBus>,
    config: Config,
    /// The battles that somebody watches. Held while a watcher comes, and while a reader without watchers goes.
    watched: Mutex<AHashMap<BattleId, Scenes>>,
}

impl Watches {
    pub(crate) fn new(
        boards: Arc<Boards>,
        tables: Tables,
        bus: Arc<dyn ChangeBus>,
        config: &Config,
        shutdown: &Shutdown,
    ) -> Self {
        let sources = Sources { boards, tables, bus, config: config.clone(), watched: Mutex::default() };
        Self {
            sources: Arc::new(sources),
            shutdown: shutdown.clone(),
            watchers: Arc::new(Semaphore::new(config.watchers_max)),
        }
    }

    /// The board as it is now, and as it is whenever its first `limit` lines or the battle's phase change. Ends after the
    /// final board, or with an error when the server stops. Where a `first` board is given, that one is shown first and none that is
    /// older is shown after it.
    pub(crate) fn watch(
        &self,
        battle_id: BattleId,
        limit: u32,
        first: Option<Arc<Scene>>,
    ) -> Result<impl Stream<Item = Result<Arc<Scene>, QueryError>> + Send + 'static, QueryError> {
        let permit =
            Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| QueryError::TooManyWatchers)?;
        let watcher = Watcher {
            scenes: self.subscribe(battle_id),
            limit,
            first,
            shown: None,
            shutdown: self.shutdown.clone(),
            ended: false,
            _place: Place::taken(permit),
        };
        Ok(stream::unfold(watcher, |mut watcher| async move {
            let shown = watcher.next().await?;
            Some((shown, watcher))
        }))
    }

    fn subscribe(&self, battle_id: BattleId) -> watch::Receiver<Option<Arc<Scene>>> {
        let mut watched = self.sources.watched.lock();
        if let Some(scenes) = watched.get(&battle_id) {
            return scenes.subscribe();
        }
        let (scenes, receiver) = watch::channel(None);
        watched.insert(battle_id, scenes.clone());
        metrics::watched_battles(watched.len());
        let reader = Reader::new(battle_id, Arc::clone(&self.sources), scenes);
        self.shutdown.spawn(reader.run(self.shutdown.clone()));
        receiver
    }
}

impl Sources {
    /// Forgets a battle unless somebody watches it. Answers whether it was forgotten.
    fn forget_unwatched(&self, battle_id: BattleId) -> bool {
        let mut watched = self.watched.lock();
        let unwatched = watched.get(&battle_id).is_none_or(|scenes| scenes.receiver_count() == 0);
        if unwatched {
            watched.remove(&battle_id);
            metrics::watched_battles(watched.len());
        }
        unwatched
    }

    /// Forgets a battle that is over: whoever comes to watch it next gets a reader of its own.
    fn forget(&self, battle_id: BattleId) {
        let mut watched = self.watched.lock();
        watched.remove(&battle_id);
        metrics::watched_battles(watched.len());
    }
}

/// One who watches.
struct Watcher {
    scenes: watch::Receiver<Option<Arc<Scene>>>,
    limit: u32,
    /// What is to be shown before anything else.
    first: Option<Arc<Scene>>,
    shown: Option<Arc<Scene>>,
    shutdown: Shutdown,
    ended: bool,
    _place: Place,
}

impl Watcher {
    /// What to show next; `None` when that was all.
    async fn next(&mut self) -> Option<Result<Arc<Scene>, QueryError>> {
        if self.ended {
            return None;
        }
        let scene = self.next_scene().await;
        self.ended = scene.as_ref().map_or(true, |scene| scene.is_last());
        Some(scene)
    }

    async fn next_scene(&mut self) -> Result<Arc<Scene>, QueryError> {
        if let Some(first) = self.first.take() {
            self.shown = Some(Arc::clone(&first));
            return Ok(first);
        }
        loop {
            let newest = self.scenes.borrow_and_update().clone();
            if let Some(scene) = newest
                && self.shown.as_ref().is_none_or(|shown| scene.is_news_after(shown, self.limit))
            {
                self.shown = Some(Arc::clone(&scene));
                return Ok(scene);
            }
            tokio::select! {
                changed = self.scenes.changed() => {
                    // The reader goes before its watchers only when the server stops.
                    changed.map_err(|_| QueryError::Draining)?;
                }
                () = self.shutdown.requested() => return Err(QueryError::Draining),
            }
        }
    }
}

/// A watcher's place among those that the server takes, and its share of the metric.
struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn taken(permit: OwnedSemaphorePermit) -> Self {
        metrics::watcher_came();
        Self { _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::watcher_went();
    }
}

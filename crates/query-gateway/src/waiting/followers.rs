//! News of the battles that queries wait for: one follower on the bus for each battle, however many wait.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use nimaora_change_bus::{BusMessage, ChangeBus, Changes, Lane};
use nimaora_domain::BattleId;
use nimaora_read_models::Position;
use nimaora_runtime::Shutdown;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

/// The battles that are followed now, and what is needed to follow one more.
pub(crate) struct Followers {
    shared: Arc<Shared>,
    shutdown: Shutdown,
}

struct Shared {
    bus: Arc<dyn ChangeBus>,
    follow_timeout: Duration,
    /// Held while somebody begins to listen, and while a follower that nobody listens to goes.
    followed: Mutex<AHashMap<BattleId, watch::Sender<Heard>>>,
}

/// What was heard of a battle.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// Whether the battle is followed, so that whatever changes from now on is heard of.
    follows: bool,
    /// How far the battle is.
    position: Position,
    /// How often changes were lost, which may have said more.
    losses: u64,
}

/// News of one battle for one that waits.
pub(crate) struct News {
    heard: watch::Receiver<Heard>,
    losses: u64,
}

impl Followers {
    pub(crate) fn new(bus: Arc<dyn ChangeBus>, follow_timeout: Duration, shutdown: &Shutdown) -> Self {
        let shared = Shared { bus, follow_timeout, followed: Mutex::default() };
        Self { shared: Arc::new(shared), shutdown: shutdown.clone() }
    }

    /// News of a battle, from whoever follows it already, or from a new follower.
    pub(crate) fn listen(&self, battle_id: BattleId) -> News {
        let mut followed = self.shared.followed.lock();
        if let Some(heard) = followed.get(&battle_id) {
            return News { heard: heard.subscribe(), losses: 0 };
        }
        let (heard, receiver) = watch::channel(Heard::default());
        followed.insert(battle_id, heard.clone());
        let (shared, shutdown) = (Arc::clone(&self.shared), self.shutdown.clone());
        self.shutdown.spawn(async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = shared.follow(battle_id, &heard) => {}
            }
            shared.forget(battle_id, &heard);
        });
        News { heard: receiver, losses: 0 }
    }
}

impl Shared {
    /// Follows the battle until nobody listens any more or the bus is down.
    async fn follow(&self, battle_id: BattleId, heard: &watch::Sender<Heard>) {
        let followed = timeout(self.follow_timeout, self.bus.follow(battle_id, &[Lane::Leaderboard])).await;
        let Ok(Ok(mut changes)) = followed else { return };
        heard.send_modify(|heard| heard.follows = true);
        loop {
            tokio::select! {
                is_up = tell(changes.as_mut(), heard) => if !is_up { return },
                () = heard.closed() => if self.is_forgotten(battle_id, heard) { return },
            }
        }
    }

    /// Forgets a battle that nobody listens to; answers whether it is forgotten. Whoever comes next gets a follower of its own.
    fn is_forgotten(&self, battle_id: BattleId, heard: &watch::Sender<Heard>) -> bool {
        let mut followed = self.followed.lock();
        let unheard = heard.receiver_count() == 0;
        if unheard {
            followed.remove(&battle_id);
        }
        unheard
    }

    /// Forgets a battle whose follower ends, unless it is another's by now.
    fn forget(&self, battle_id: BattleId, heard: &watch::Sender<Heard>) {
        let mut followed = self.followed.lock();
        if followed.get(&battle_id).is_some_and(|current| current.same_channel(heard)) {
            followed.remove(&battle_id);
        }
    }
}

/// Hands on the next message. Answers whether more may come.
async fn tell(changes: &mut dyn Changes, heard: &watch::Sender<Heard>) -> bool {
    match changes.next().await {
        Ok(BusMessage::Changes(batch)) => {
            heard.send_modify(|heard| heard.position = heard.position.max(batch.position));
            true
        }
        Ok(BusMessage::Lagged { .. }) => {
            heard.send_modify(|heard| heard.losses += 1);
            true
        }
        Err(_) => false,
    }
}

impl News {
    /// Resolves when whatever changes from now on is heard of, or nothing ever will be.
    pub(crate) async fn begun(&mut self) {
        // An error says that the follower is gone; then there is no news.
        if let Ok(heard) = self.heard.wait_for(|heard| heard.follows).await {
            self.losses = heard.losses;
        }
    }

    /// Resolves when the battle has reached the position since this was last asked, as its changes say, or when some were lost.
    /// Without a bus it never does.
    pub(crate) async fn reached(&mut self, position: Position) {
        while self.heard.changed().await.is_ok() {
            let Heard { position: at, losses, .. } = *self.heard.borrow_and_update();
            if at >= position || losses != self.losses {
                self.losses = losses;
                return;
            }
        }
        std::future::pending().await
    }
}

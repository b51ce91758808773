//! Presence that tells when somebody was heard of, and can be held up, in front of a real one.

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_sessions::{MemoryPresence, Presence, PresenceError};
use tokio::sync::watch;

pub(crate) struct WatchedPresence {
    presence: MemoryPresence,
    /// How many signs of life have arrived.
    arrived: watch::Sender<usize>,
    /// How many of them were noted.
    noted: watch::Sender<usize>,
    /// Whether signs of life have to wait.
    held: watch::Sender<bool>,
    /// How often somebody was to be forgotten.
    forgets: watch::Sender<usize>,
    /// Whether that has to wait.
    forgets_held: watch::Sender<bool>,
    /// How often it was asked who is silent.
    checks: watch::Sender<usize>,
    /// Whether nothing can be asked.
    down: watch::Sender<bool>,
    /// How often somebody asked in vain.
    in_vain: watch::Sender<usize>,
}

impl WatchedPresence {
    pub(crate) fn new() -> Self {
        Self {
            presence: MemoryPresence::new(),
            arrived: watch::Sender::new(0),
            noted: watch::Sender::new(0),
            held: watch::Sender::new(false),
            forgets: watch::Sender::new(0),
            forgets_held: watch::Sender::new(false),
            checks: watch::Sender::new(0),
            down: watch::Sender::new(false),
            in_vain: watch::Sender::new(0),
        }
    }

    /// Lets signs of life wait, or go on.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Lets nobody be forgotten for now, or goes on.
    pub(crate) fn hold_forgets(&self, held: bool) {
        self.forgets_held.send_replace(held);
    }

    pub(crate) async fn wait_for_forgets(&self, count: usize) {
        wait_for(&self.forgets, count).await;
    }

    /// Waits until it is asked once more who is silent.
    pub(crate) async fn wait_for_next_check(&self) {
        let checks = *self.checks.borrow();
        wait_for(&self.checks, checks + 1).await;
    }

    /// Takes presence down, or brings it back.
    pub(crate) fn down(&self, down: bool) {
        self.down.send_replace(down);
    }

    /// How many signs of life have arrived so far.
    pub(crate) fn arrived(&self) -> usize {
        *self.arrived.borrow()
    }

    pub(crate) async fn wait_for_arrived(&self, count: usize) {
        wait_for(&self.arrived, count).await;
    }

    pub(crate) async fn wait_for_noted(&self, count: usize) {
        wait_for(&self.noted, count).await;
    }

    pub(crate) async fn wait_for_in_vain(&self, count: usize) {
        wait_for(&self.in_vain, count).await;
    }

    fn up(&self) -> Result<(), PresenceError> {
        if !*self.down.borrow() {
            return Ok(());
        }
        self.in_vain.send_modify(|in_vain| *in_vain += 1);
        Err(PresenceError::Unavailable { reason: "it is down".to_owned() })
    }
}

async fn wait_for(counter: &watch::Sender<usize>, count: usize) {
    let mut seen = counter.subscribe();
    let wait = seen.wait_for(|seen| *seen >= count);
    tokio::time::timeout(super::PATIENCE, wait).await.expect("presence was not asked").unwrap();
}

#[async_trait]
impl Presence for WatchedPresence {
    async fn touch_all(
        &self,
        battle_id: BattleId,
        participant_ids: &[ParticipantId],
        now_ms: i64,
    ) -> Result<(), PresenceError> {
        self.up()?;
        self.arrived.send_modify(|arrived| *arrived += participant_ids.len());
        let mut held = self.held.subscribe();
        held.wait_for(|held| !*held).await.unwrap();
        self.presence.touch_all(battle_id, participant_ids, now_ms).await?;
        self.noted.send_modify(|noted| *noted += participant_ids.len());
        Ok(())
    }

    async fn last_seen_ms(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<Option<i64>, PresenceError> {
        self.up()?;
        self.presence.last_seen_ms(battle_id, participant_id).await
    }

    async fn silent_since(
        &self,
        battle_id: BattleId,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<ParticipantId>, PresenceError> {
        self.up()?;
        self.checks.send_modify(|checks| *checks += 1);
        self.presence.silent_since(battle_id, before_ms, limit).await
    }

    async fn forget(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<(), PresenceError> {
        self.up()?;
        self.forgets.send_modify(|forgets| *forgets += 1);
        let mut held = self.forgets_held.subscribe();
        held.wait_for(|held| !*held).await.unwrap();
        self.presence.forget(battle_id, participant_id).await
    }

    async fn forget_battle(&self, battle_id: BattleId) -> Result<(), PresenceError> {
        self.up()?;
        self.presence.forget_battle(battle_id).await
    }
}

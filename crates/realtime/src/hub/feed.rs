//! The changes of a battle, through any trouble with the bus.

use std::sync::Arc;
use std::time::Duration;

use nimaora_change_bus::{BusError, BusMessage, ChangeBatch, Changes, Lane};
use nimaora_domain::BattleId;

use super::Hub;

/// How long to wait before the bus is tried again; up to as much again is added by chance.
const RETRY_PAUSE_MS: u64 = 250;

/// Follows some lanes of a battle, and follows them again when the bus fails.
pub(super) struct Feed {
    hub: Arc<Hub>,
    battle_id: BattleId,
    lanes: Vec<Lane>,
    /// None while the bus cannot be used.
    changes: Option<Box<dyn Changes>>,
}

/// What a feed tells.
pub(super) enum FeedMessage {
    /// Changes, in their order.
    Changes(Arc<ChangeBatch>),
    /// Changes were lost; what they said must be read.
    Missed,
}

impl Feed {
    pub(super) async fn follow(
        hub: &Arc<Hub>,
        battle_id: BattleId,
        lanes: &[Lane],
    ) -> Result<Self, BusError> {
        let changes = hub.bus.follow(battle_id, lanes).await?;
        Ok(Self { hub: Arc::clone(hub), battle_id, lanes: lanes.to_vec(), changes: Some(changes) })
    }

    /// Waits for the next message. Cancel safe.
    pub(super) async fn next(&mut self) -> FeedMessage {
        loop {
            let Some(changes) = &mut self.changes else {
                let pause_ms = RETRY_PAUSE_MS + fastrand::u64(..RETRY_PAUSE_MS);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                if let Ok(changes) = self.hub.bus.follow(self.battle_id, &self.lanes).await {
                    self.changes = Some(changes);
                    return FeedMessage::Missed;
                }
                continue;
            };
            match changes.next().await {
                Ok(BusMessage::Changes(batch)) => return FeedMessage::Changes(batch),
                Ok(BusMessage::Lagged { missed }) => {
                    tracing::debug!(battle = %self.battle_id, missed, "changes were lost");
                    return FeedMessage::Missed;
                }
                Err(error) => {
                    tracing::warn!(battle = %self.battle_id, %error, "the change bus failed and is tried again");
                    self.changes = None;
                }
            }
        }
    }
}

//! One row update for each participant, whatever happened to it.

use ahash::AHashMap;
use nimaora_domain::{BattleId, ParticipantId, Timestamp};
use nimaora_read_models::ParticipantUpdate;

/// The updates, in the order in which the participants first came up.
#[derive(Debug, Default)]
pub(super) struct Participants {
    updates: Vec<ParticipantUpdate>,
    index: AHashMap<ParticipantId, usize>,
}

impl Participants {
    /// The update of somebody to whom something happened at this time.
    pub(super) fn row(
        &mut self,
        battle_id: BattleId,
        id: ParticipantId,
        updated_at: Timestamp,
    ) -> &mut ParticipantUpdate {
        let place = *self.index.entry(id).or_insert_with(|| {
            self.updates.push(ParticipantUpdate {
                battle_id,
                id,
                balance: None,
                reached_revision: None,
                username: None,
                session_id: None,
                is_active: None,
                has_left: false,
                removed: false,
                last_activity_at: None,
                updated_at,
            });
            self.updates.len() - 1
        });
        let update = &mut self.updates[place];
        update.updated_at = updated_at;
        update
    }

    /// All of them.
    pub(super) fn into_updates(self) -> Vec<ParticipantUpdate> {
        self.updates
    }
}

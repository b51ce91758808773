//! The alerts that a participant missed while it had no socket, read from the tables when it returns.
//!
//! The protocol has no position in it, and what was written to a socket may never have been read. So whoever listens anew is told
//! the alerts of the recent past: at least once, in their order. Who says which alert it had last is told those after it only.

use std::collections::VecDeque;

use nimaora_domain::{BattleId, ParticipantId};

use super::Hub;
use super::inbox::Missed;
use crate::Position;
use crate::error::Refusal;
use crate::pusher::events::{self, News};

impl Hub {
    /// The newest alerts after `after` that are not too old, as many as may be told at once.
    pub(crate) async fn missed_alerts(
        &self,
        battle_id: BattleId,
        id: ParticipantId,
        after: Option<Position>,
    ) -> Result<Missed, Refusal> {
        let age_max_ms = i64::try_from(self.config.missed_alerts_age_max_s.saturating_mul(1_000));
        let since_ms = self.clock.now_ms().saturating_sub(age_max_ms.unwrap_or(i64::MAX));
        // No log gets as far as that.
        let from = after.filter(|position| i64::try_from(*position).is_ok()).unwrap_or(0);
        let limit = u32::try_from(self.config.missed_alerts_max).unwrap_or(u32::MAX);
        if limit == 0 {
            return Ok(Missed::default());
        }
        let newest = self.ask(self.read_models.last_attacks_on(battle_id, id, from, limit)).await?;
        // A position that the log has not reached yet is no reason to be told nothing from here on: only rows that were read count.
        let read_up_to = newest.first().map_or(0, |view| view.attack.position);
        let recent = newest.iter().take_while(|view| view.attack.attacked_at.as_millis() >= since_ms);
        let mut alerts = VecDeque::new();
        for view in recent {
            let frame = events::of_participant(battle_id, id, &News::Attack(view.into()));
            alerts.push_front((view.attack.position, frame));
        }
        Ok(Missed { alerts, read_up_to })
    }
}

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
        let limit = self.config.alerts_page_max.max(1);
        let mut recent = VecDeque::new();
        // A position that the log has not reached yet is no reason to be told nothing from here on: only rows that were read count.
        let mut read_up_to = 0;
        // No log gets as far as that.
        let mut from = after.filter(|position| i64::try_from(*position).is_ok()).unwrap_or(0);
        loop {
            let page = self.ask(self.read_models.attacks_on(battle_id, id, from, limit)).await?;
            for view in &page {
                from = view.attack.position;
                read_up_to = from;
                if view.attack.attacked_at.as_millis() >= since_ms {
                    recent
                        .push_back((from, events::of_participant(battle_id, id, &News::Attack(view.into()))));
                }
                if recent.len() > self.config.missed_alerts_max {
                    recent.pop_front();
                }
            }
            if page.len() < limit as usize {
                return Ok(Missed { alerts: recent, read_up_to });
            }
        }
    }
}

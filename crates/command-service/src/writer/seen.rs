//! The commands that a battle's newest events belong to: more than its state remembers.
//!
//! The state remembers 16 commands of each participant. An older one that comes again is decided anew, and the log, which
//! knows the ids of its newest events, turns the whole batch away; so it does when somebody uses the id of somebody else's command.
//! That is right and seldom; but somebody could do it on purpose and so keep everybody else waiting. After the first time,
//! therefore, the writer keeps its own memory, as deep as the log's.

use std::collections::{HashSet, VecDeque};

use ahash::RandomState;
use nimaora_domain::{BattleId, CommandId};
use nimaora_event_log::{EventLog, Revision, envelope};

use crate::error::CommandError;
use crate::history;

/// How many commands are remembered; the log promises to know the ids of its newest 100,000 and may know more. This many take
/// about 6 MB, and only in battles where an old command came again.
const SEEN_COMMANDS_MAX: u64 = 131_072;

/// Command ids in the order of their events.
#[derive(Default)]
pub(crate) struct Seen {
    ids: HashSet<CommandId, RandomState>,
    order: VecDeque<CommandId>,
}

impl Seen {
    /// Reads the newest events up to and including `head`.
    pub(crate) async fn read(
        log: &dyn EventLog,
        battle_id: BattleId,
        head: Option<Revision>,
    ) -> Result<Self, CommandError> {
        let mut seen = Self::default();
        let Some(head) = head else { return Ok(seen) };
        let mut from = (head + 1).saturating_sub(SEEN_COMMANDS_MAX);
        while from <= head {
            let page = history::page(log, battle_id, from).await?;
            let Some(last) = page.last() else { break };
            from = last.revision + 1;
            for event in &page {
                seen.push(envelope::peek(event).map_err(history::damaged)?.command_id);
            }
        }
        Ok(seen)
    }

    /// Whether an event of this command is among the newest.
    pub(crate) fn has(&self, command_id: CommandId) -> bool {
        self.ids.contains(&command_id)
    }

    /// Takes note of the command of one more event.
    pub(crate) fn push(&mut self, command_id: CommandId) {
        if self.ids.insert(command_id) {
            self.order.push_back(command_id);
        }
        if self.order.len() as u64 > SEEN_COMMANDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn forgets_the_oldest_first() {
        let mut seen = Seen::default();
        let id = |n: u64| CommandId(Uuid::from_u128(u128::from(n)));
        for n in 0..=SEEN_COMMANDS_MAX {
            seen.push(id(n));
            seen.push(id(n));
        }
        assert!(!seen.has(id(0)));
        assert!(seen.has(id(1)));
        assert_eq!(seen.ids.len() as u64, SEEN_COMMANDS_MAX);
    }
}

//! The attacks of a battle for those who look on, as on a big screen: some at a time, behind everything that concerns players.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::follower::Follower;
use super::halls::Shown;
use crate::Position;
use crate::channel::Name;
use crate::pusher::events::{self, Landed};

/// Attacks in one event; nobody reads more in a tick. When there are more, the newest are told, and how many are left out.
const ATTACKS_AT_ONCE_MAX: usize = 20;

/// Attacks that are to be shown.
#[derive(Debug, Default)]
pub(super) struct Spectators {
    gathered: Mutex<Gathered>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    attacks: VecDeque<Landed>,
    left_out: usize,
    /// The position of the newest; a repeat is not past it.
    up_to: Position,
}

impl Gathered {
    /// Answers whether it was new.
    fn add(&mut self, attack: Landed) -> bool {
        if attack.position <= self.up_to {
            return false;
        }
        self.up_to = attack.position;
        if self.attacks.len() == ATTACKS_AT_ONCE_MAX {
            self.attacks.pop_front();
            self.left_out += 1;
        }
        self.attacks.push_back(attack);
        true
    }

    fn take(&mut self) -> (Vec<Landed>, usize) {
        (std::mem::take(&mut self.attacks).into(), std::mem::take(&mut self.left_out))
    }
}

impl Follower {
    /// An attack is shown soon.
    pub(super) fn gather(&self, attack: Landed) {
        if self.room.spectators.gathered.lock().add(attack) {
            self.room.spectators.came.notify_one();
        }
    }

    /// Shows attacks whenever there were some, at most once a tick. Never ends.
    pub(super) async fn show_attacks(&self) {
        let tick = Duration::from_millis(self.hub.config.board_tick_ms);
        let spectators = &self.room.spectators;
        let channel = Name::attacks_of(self.room.battle_id);
        loop {
            spectators.came.notified().await;
            let shown = self.hub.halls.show(&channel, "attacks", || {
                let (attacks, left_out) = spectators.gathered.lock().take();
                events::landed(channel.text(), self.room.battle_id, &attacks, left_out)
            });
            match shown {
                Shown::ToAll => {}
                Shown::ToNobody => drop(spectators.gathered.lock().take()),
                Shown::NotYet => spectators.came.notify_one(),
            }
            tokio::time::sleep(tick).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use nimaora_domain::{ParticipantId, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn attack(position: Position) -> Landed {
        Landed {
            attacker_id: ParticipantId(Uuid::from_u128(1)),
            attacker: "ada".into(),
            target_id: ParticipantId(Uuid::from_u128(2)),
            target: "bob".into(),
            blocked: false,
            points_lost: 1,
            timestamp: Timestamp::from_millis(0),
            event_id: Uuid::from_u128(position.into()),
            position,
        }
    }

    #[test]
    fn of_a_burst_the_newest_are_shown_and_the_others_counted() {
        let mut gathered = Gathered::default();
        let many = ATTACKS_AT_ONCE_MAX as u64 + 5;
        for position in 1..=many {
            assert!(gathered.add(attack(position)));
            assert!(!gathered.add(attack(position)), "the bus may repeat itself");
        }
        let (attacks, left_out) = gathered.take();
        let positions: Vec<_> = attacks.iter().map(|attack| attack.position).collect();
        assert_eq!((positions, left_out), ((6..=many).collect(), 5));
        assert!(!gathered.add(attack(many)));
        assert!(gathered.add(attack(many + 1)));
        assert_eq!(gathered.take().1, 0);
    }
}

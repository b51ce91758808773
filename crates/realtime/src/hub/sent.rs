//! The boards that were last sent, for whoever holds them against the log.

use std::collections::VecDeque;

use ahash::AHashMap;
use bytes::Bytes;
use nimaora_domain::BattleId;
use parking_lot::Mutex;

use super::room::EncodedBoard;
use crate::Position;
use crate::websocket::encode;

/// Battles that nobody follows here any more and whose last board is known, about 10 KB each. When it is reached, the one that was left
/// first is forgotten, and nothing is said of it.
const LEFT_BATTLES_MAX: usize = 256;

/// What was last sent of a battle's board.
#[derive(Clone, Debug)]
pub struct SentBoard {
    /// The battle.
    pub battle_id: BattleId,
    /// The board's position in the log.
    pub as_of: Position,
    /// The message as it was sent, JSON.
    pub message: Bytes,
}

/// The boards of battles that nobody follows here any more, those that were left last at the end.
#[derive(Default)]
pub(super) struct Left(Mutex<VecDeque<SentBoard>>);

impl SentBoard {
    pub(super) fn new(battle_id: BattleId, board: &EncodedBoard) -> Self {
        Self { battle_id, as_of: board.as_of, message: encode::payload(&board.frame) }
    }
}

impl Left {
    pub(super) fn keep(&self, board: SentBoard) {
        let mut boards = self.0.lock();
        boards.retain(|left| left.battle_id != board.battle_id);
        if boards.len() >= LEFT_BATTLES_MAX {
            boards.pop_front();
        }
        boards.push_back(board);
    }

    /// With those of battles that are followed, which are newer where both are there.
    pub(super) fn and(&self, followed: impl IntoIterator<Item = SentBoard>) -> Vec<SentBoard> {
        let left: Vec<_> = self.0.lock().iter().cloned().collect();
        let mut all = AHashMap::new();
        for board in left.into_iter().chain(followed) {
            all.insert(board.battle_id, board);
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn board(battle: u128, as_of: Position) -> SentBoard {
        SentBoard { battle_id: BattleId(Uuid::from_u128(battle)), as_of, message: Bytes::new() }
    }

    #[test]
    fn the_newest_board_of_each_battle_is_told_and_the_oldest_battles_are_forgotten() {
        let left = Left::default();
        let many = LEFT_BATTLES_MAX as u128;
        for battle in 0..=many {
            left.keep(board(battle, 1));
        }
        left.keep(board(1, 2));
        left.keep(board(many + 1, 1));
        let mut told: Vec<_> = left
            .and([board(3, 9)])
            .into_iter()
            .map(|sent| (sent.battle_id.0.as_u128(), sent.as_of))
            .collect();
        told.sort_unstable();
        assert_eq!(told.len(), LEFT_BATTLES_MAX);
        assert_eq!(told[..2], [(1, 2), (3, 9)]);
    }
}

//! A player's socket: the client's own, with boards told by their first bytes and mostly not read further.

use serde::Deserialize;

use crate::client::{Event, PusherSocket, SocketError};

/// How frames begin that are only counted.
const BOARD_PREFIX: &[u8] = br#"{"event":"leaderboard.updated""#;
const SCORE_PREFIX: &[u8] = br#"{"event":"score.changed""#;

/// Something the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A board, read.
    Board(BoardSaid),
    /// A board or a score that was not read.
    Unread,
    Attacked(AttackReceived),
    /// A subscription was taken.
    Subscribed,
    /// A subscription was refused, or the socket has a fault.
    Error(String),
    /// Anything else.
    Other,
}

/// The alert, as far as it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct AttackReceived {
    pub(super) attacker: String,
    pub(super) blocked: bool,
    pub(super) points_lost: u32,
    pub(super) position: u64,
}

/// A board, as far as it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct BoardSaid {
    pub(super) as_of: u64,
    pub(super) entries: Vec<BoardLine>,
}

/// A line of a board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct BoardLine {
    pub(super) rank: u32,
    pub(super) points: u32,
}

/// Waits for what the server says next; boards are read only with `reads_boards`.
pub(super) async fn next(socket: &mut PusherSocket, reads_boards: bool) -> Result<Said, SocketError> {
    let is_skipped =
        |text: &[u8]| text.starts_with(SCORE_PREFIX) || (!reads_boards && text.starts_with(BOARD_PREFIX));
    match socket.next_event_unless(is_skipped).await? {
        Some(event) => Ok(Said::read(event)?),
        None => Ok(Said::Unread),
    }
}

impl Said {
    fn read(event: Event) -> Result<Self, serde_json::Error> {
        Ok(match event.name.as_str() {
            "attack.received" => Self::Attacked(event.read()?),
            "leaderboard.updated" => Self::Board(event.read()?),
            "pusher_internal:subscription_succeeded" => Self::Subscribed,
            "pusher:subscription_error" | "pusher:error" => Self::Error(event.data),
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, data: &str) -> Said {
        let event = Event { name: name.to_owned(), channel: None, data: data.to_owned() };
        Said::read(event).unwrap()
    }

    #[test]
    fn alerts_and_boards_are_read() {
        let alert = r#"{"attacker":"ali","blocked":false,"points_lost":1,"position":7,"event_id":"x"}"#;
        let attacker = "ali".to_owned();
        let expected = AttackReceived { attacker, blocked: false, points_lost: 1, position: 7 };
        assert_eq!(said("attack.received", alert), Said::Attacked(expected));
        let board = r#"{"as_of":7,"total":1,"entries":[{"rank":1,"points":3,"username":"ali"}]}"#;
        let entries = vec![BoardLine { rank: 1, points: 3 }];
        assert_eq!(said("leaderboard.updated", board), Said::Board(BoardSaid { as_of: 7, entries }));
    }

    #[test]
    fn a_refused_subscription_is_an_error() {
        let error = said("pusher:subscription_error", r#"{"error":"no such battle"}"#);
        assert_eq!(error, Said::Error(r#"{"error":"no such battle"}"#.to_owned()));
    }
}

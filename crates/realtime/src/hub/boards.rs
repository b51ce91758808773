//! Boards: read once a tick and battle, encoded once, and sent by a thread of their own that gives way to everything else.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nimaora_change_bus::Change;
use nimaora_read_models::Position;
use tokio::time::Instant;

use super::Hub;
use super::feed::{Feed, FeedMessage};
use super::queue::Turn;
use super::room::{Room, SLICE_SOCKETS};
use crate::error::Refusal;
use crate::metrics;

/// Reads the battle's board whenever it has moved, at most once a tick, and has it sent. Ends with the room.
///
/// A board on which nothing happens is read now and then all the same: one that was read while the read models were being
/// built is older than what they show later, and a rebuild tells nobody.
pub(super) async fn follow(hub: Arc<Hub>, room: Arc<Room>, mut feed: Feed, mut is_stale: bool) {
    let tick = Duration::from_millis(hub.config.board_tick_ms);
    let poll = Duration::from_millis(hub.config.board_poll_ms);
    let mut next_at = Instant::now();
    let mut poll_at = next_at + poll;
    // The position of the last change that was heard of.
    let mut heard = 0;
    loop {
        tokio::select! {
            biased;
            () = room.closed() => return,
            () = tokio::time::sleep_until(if is_stale { next_at } else { poll_at }) => {
                next_at = Instant::now() + tick;
                poll_at = Instant::now() + poll;
                is_stale = match refresh(&hub, &room, heard).await {
                    Ok(is_newer) => {
                        if is_newer {
                            hub.boards.push(&room);
                        }
                        false
                    }
                    Err(_) => {
                        metrics::board_failed();
                        true
                    }
                };
            }
            message = feed.next() => {
                if let FeedMessage::Changes(batch) = &message {
                    heard = heard.max(batch.position);
                }
                is_stale |= moves_board(&message);
            }
        }
    }
}

/// Reads the board and keeps it; answers whether it is newer than the one that was kept.
pub(super) async fn refresh(hub: &Hub, room: &Room, at_least: Position) -> Result<bool, Refusal> {
    let board = hub.top(room.battle_id, at_least).await?;
    Ok(room.keep_board(&board))
}

fn moves_board(message: &FeedMessage) -> bool {
    match message {
        FeedMessage::Missed => true,
        FeedMessage::Changes(batch) => {
            batch.changes.iter().any(|change| matches!(change, Change::Applied { board: true }))
        }
    }
}

impl Turn for Room {
    fn is_queued(&self) -> &AtomicBool {
        &self.is_queued
    }

    fn send(&self) -> bool {
        send(self);
        false
    }
}

/// Sends the newest board to all viewers that do not have it, in slices, so that nobody who comes or goes waits for all of them. Whoever
/// else needs the processor takes it: this thread gives way by its priority.
fn send(room: &Room) {
    let Some(board) = room.board() else { return };
    let (mut sent, mut bytes) = (0, 0);
    let mut first = 0;
    while let Some(sockets) = room.viewers_without(board.as_of, first) {
        for socket in &sockets {
            let frame = board.frame_for(socket);
            socket.send_board(room.board_key(), frame);
            bytes += frame.len();
        }
        sent += sockets.len();
        first += SLICE_SOCKETS;
    }
    if sent > 0 {
        room.note_sent(&board);
    }
    metrics::sent("board", sent, bytes);
}

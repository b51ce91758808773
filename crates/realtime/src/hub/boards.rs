//! Boards: read once a tick and battle, encoded once, and sent by a thread of their own that gives way to everything else.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nimaora_change_bus::Change;
use nimaora_read_models::Position;
use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;

use super::Hub;
use super::feed::{Feed, FeedMessage};
use super::room::{Room, SLICE_SOCKETS};
use crate::error::Refusal;
use crate::metrics;
use crate::os;

/// By how much the thread that sends boards gives way to those that serve commands and alerts.
const NICE: i32 = 5;

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
                            hub.boards.push(Arc::clone(&room));
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

/// The battles whose newest board is to be sent, each at most once. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct BoardQueue {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    rooms: VecDeque<Arc<Room>>,
    is_stopped: bool,
}

impl BoardQueue {
    /// Starts the thread that sends. It ends after [`BoardQueue::stop`].
    pub(crate) fn start(&self) -> io::Result<std::thread::JoinHandle<()>> {
        let queue = self.clone();
        std::thread::Builder::new().name("nimaora-boards".to_owned()).spawn(move || {
            if let Err(error) = os::lower_thread_priority(NICE) {
                tracing::debug!(%error, "boards are sent with ordinary priority");
            }
            while let Some(room) = queue.pop() {
                send(&room);
            }
        })
    }

    /// Ends the thread after the board that it sends.
    pub(crate) fn stop(&self) {
        self.inner.waiting.lock().is_stopped = true;
        self.inner.came.notify_one();
    }

    /// Has the battle's newest board sent.
    fn push(&self, room: Arc<Room>) {
        if !room.is_queued.swap(true, Ordering::AcqRel) {
            self.inner.waiting.lock().rooms.push_back(room);
            self.inner.came.notify_one();
        }
    }

    fn pop(&self) -> Option<Arc<Room>> {
        let mut waiting = self.inner.waiting.lock();
        loop {
            if waiting.is_stopped {
                return None;
            }
            if let Some(room) = waiting.rooms.pop_front() {
                // From here on a newer board queues the battle again.
                room.is_queued.store(false, Ordering::Release);
                return Some(room);
            }
            self.inner.came.wait(&mut waiting);
        }
    }
}

/// Sends the newest board to all viewers that do not have it, in slices, so that others get the processor in between.
fn send(room: &Room) {
    let Some(board) = room.board() else { return };
    let mut sent = 0;
    let mut first = 0;
    while let Some(sockets) = room.viewers_without(board.as_of, first) {
        for socket in &sockets {
            socket.send_board(room.board_key(), &board.frame);
        }
        sent += sockets.len();
        first += SLICE_SOCKETS;
        std::thread::yield_now();
    }
    metrics::sent("board", sent, board.frame.len());
}

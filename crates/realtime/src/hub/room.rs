//! A battle that somebody on this node follows: its viewers, its participants' inboxes and its newest board.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use nimaora_change_bus::Lane;
use nimaora_domain::{BattleId, Phase};
use nimaora_read_models::Board;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::catch_up::Owed;
use super::feed::Feed;
use super::follower::{Feeds, Follower};
use super::inbox::Inboxes;
use super::scores::Scores;
use super::sent::SentBoard;
use super::slots::{Slot, Slots};
use super::spectators::Spectators;
use super::{Hub, boards};
use crate::Position;
use crate::channel::Channel;
use crate::error::Refusal;
use crate::pusher::events::{self, News};
use crate::socket::Socket;
use crate::socket::outbox::{BoardKey, Class};
use crate::websocket::encode;

/// Sockets that are looked up at a time: few enough that they are still in the processor's cache when they are written to.
pub(super) const SLICE_SOCKETS: usize = 64;

/// A battle on this node.
pub(crate) struct Room {
    pub(crate) battle_id: BattleId,
    viewers: Mutex<Slots<Viewer>>,
    pub(super) inboxes: Mutex<Inboxes>,
    /// What was lost, and is to be told from the tables.
    pub(super) owed: Owed,
    /// What participants hold now, and are to be told.
    pub(super) scores: Scores,
    /// Attacks that those who look on are to be shown.
    pub(super) spectators: Spectators,
    /// Whether the battle is over.
    pub(super) is_over: AtomicBool,
    /// The newest board that was read.
    board: Mutex<Option<EncodedBoard>>,
    /// The newest board that somebody got.
    sent: Mutex<Option<EncodedBoard>>,
    /// Whether the board stands in the queue of those to be sent.
    pub(super) is_queued: AtomicBool,
    opening: Mutex<Option<Opening>>,
    closed: CancellationToken,
}

/// How the opening went, once it is over.
type Opening = watch::Receiver<Option<Result<(), Refusal>>>;

struct Viewer {
    socket: Arc<Socket>,
    /// The newest board that was sent to it.
    board_as_of: Option<Position>,
}

/// A board as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct EncodedBoard {
    pub(crate) as_of: Position,
    pub(super) frame: Bytes,
    /// Made when the first socket takes it, once for all.
    compressed: Arc<OnceLock<Bytes>>,
}

impl EncodedBoard {
    /// The frame for this socket.
    pub(super) fn frame_for(&self, socket: &Socket) -> &Bytes {
        match socket.deflates {
            true => self.compressed.get_or_init(|| encode::compressed(&self.frame)),
            false => &self.frame,
        }
    }
}

impl Room {
    pub(super) fn new(hub: &Hub, battle_id: BattleId) -> Self {
        Self {
            battle_id,
            viewers: Mutex::default(),
            inboxes: Mutex::default(),
            owed: Owed::default(),
            scores: Scores::default(),
            spectators: Spectators::default(),
            is_over: AtomicBool::new(false),
            board: Mutex::default(),
            sent: Mutex::default(),
            is_queued: AtomicBool::new(false),
            opening: Mutex::default(),
            closed: hub.shutdown.token().child_token(),
        }
    }

    /// Begins to follow the battle, if nobody has before. All others wait for that, and share its success or failure; who comes
    /// after a failure tries again.
    pub(super) async fn open(self: &Arc<Self>, hub: &Arc<Hub>) -> Result<(), Refusal> {
        let mut opening = self.opening(hub);
        // Without an answer when the room was closed meanwhile.
        let opened = opening.wait_for(Option::is_some).await.ok().and_then(|opened| *opened);
        opened.unwrap_or(Err(Refusal::Unavailable))
    }

    /// The opening that is under way or went well; a new one when there is none. It has a task of its own, because whoever asked
    /// for it first may be the first to leave.
    fn opening(self: &Arc<Self>, hub: &Arc<Hub>) -> Opening {
        let mut current = self.opening.lock();
        if let Some(opening) = &*current
            && !matches!(*opening.borrow(), Some(Err(_)))
        {
            return opening.clone();
        }
        let (done, opening) = watch::channel(None);
        *current = Some(opening.clone());
        let (room, hub) = (Arc::clone(self), Arc::clone(hub));
        hub.shutdown.clone().spawn(async move {
            tokio::select! {
                () = room.closed() => {}
                opened = room.begin(&hub) => drop(done.send(Some(opened))),
            }
        });
        opening
    }

    async fn begin(self: &Arc<Self>, hub: &Arc<Hub>) -> Result<(), Refusal> {
        // Followed first and read then, so that nothing falls in between.
        let patience = Duration::from_millis(hub.config.store_timeout_ms);
        let feeds = async {
            let news = Feeds::follow(hub, self).await?;
            let boards = Feed::follow(hub, self.battle_id, &[Lane::Leaderboard]).await?;
            Ok::<_, nimaora_change_bus::BusError>((news, boards))
        };
        let Ok(Ok((news, boards))) = tokio::time::timeout(patience, feeds).await else {
            return Err(Refusal::Unavailable);
        };
        let battle = hub.battle(self.battle_id).await?;
        self.entered(battle.phase);
        let is_fresh = boards::refresh(hub, self, battle.as_of).await.is_ok();
        let follower = Follower::new(Arc::clone(hub), Arc::clone(self), battle.phase);
        hub.shutdown.spawn(follower.run(news));
        hub.shutdown.spawn(boards::follow(Arc::clone(hub), Arc::clone(self), boards, !is_fresh));
        Ok(())
    }

    /// The battle is in this phase.
    pub(super) fn entered(&self, phase: Phase) {
        let is_over = matches!(phase, Phase::Finished | Phase::Cancelled);
        self.is_over.store(is_over, Ordering::Relaxed);
    }

    /// Ends what [`Room::open`] began.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Resolves when nobody listens any more, or the server stops.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// The key of this battle's board in a socket's outbox.
    pub(super) fn board_key(&self) -> BoardKey {
        self.battle_id.0.as_u128()
    }

    /// Confirms a viewer's subscription, sends it the current board, and lets it get what comes.
    pub(super) fn add_viewer(&self, socket: &Arc<Socket>) -> Slot {
        let mut viewers = self.viewers.lock();
        // Sent here, under the lock, so that nothing overtakes the confirmation and no board falls in between.
        socket.send(Class::Answer, &events::subscribed(&Channel::Battle(self.battle_id).to_string()));
        let board = self.board();
        if let Some(board) = &board {
            socket.send_board(self.board_key(), board.frame_for(socket));
            self.note_sent(board);
        }
        viewers.insert(Viewer { socket: Arc::clone(socket), board_as_of: board.map(|board| board.as_of) })
    }

    pub(super) fn viewers_count(&self) -> usize {
        self.viewers.lock().len()
    }

    pub(super) fn remove_viewer(&self, slot: Slot) {
        self.viewers.lock().remove(slot);
    }

    /// The newest board.
    pub(super) fn board(&self) -> Option<EncodedBoard> {
        self.board.lock().clone()
    }

    /// Keeps a board that was read; answers whether it is newer than the one that was kept.
    pub(super) fn keep_board(&self, board: &Board) -> bool {
        let mut kept = self.board.lock();
        if kept.as_ref().is_some_and(|kept| kept.as_of >= board.as_of) {
            return false;
        }
        let frame = events::of_battle(self.battle_id, &News::Board(board));
        *kept = Some(EncodedBoard { as_of: board.as_of, frame, compressed: Arc::default() });
        true
    }

    /// Somebody got this board.
    pub(super) fn note_sent(&self, board: &EncodedBoard) {
        let mut sent = self.sent.lock();
        if sent.as_ref().is_none_or(|sent| sent.as_of < board.as_of) {
            *sent = Some(board.clone());
        }
    }

    /// What was last sent of the board, if anything was.
    pub(super) fn sent(&self) -> Option<SentBoard> {
        self.sent.lock().as_ref().map(|board| SentBoard::new(self.battle_id, board))
    }

    /// The next viewers, from `first` on, that do not have this board yet; `None` behind the last.
    pub(super) fn viewers_without(&self, as_of: Position, first: Slot) -> Option<Vec<Arc<Socket>>> {
        let mut viewers = self.viewers.lock();
        let piece = viewers.piece(first, SLICE_SOCKETS)?;
        let lacking = piece.filter_map(|viewer| {
            let lacks = viewer.board_as_of.is_none_or(|sent| sent < as_of);
            lacks.then(|| {
                viewer.board_as_of = Some(as_of);
                Arc::clone(&viewer.socket)
            })
        });
        Some(lacking.collect())
    }

    /// Sends a frame to all viewers; answers to how many. Others get their turn in between.
    pub(super) async fn broadcast(&self, frame: &Bytes) -> usize {
        let mut sent = 0;
        let mut first = 0;
        while let Some(sockets) = self.viewers_from(first) {
            for socket in &sockets {
                socket.send(Class::Broadcast, frame);
            }
            sent += sockets.len();
            first += SLICE_SOCKETS;
            tokio::task::yield_now().await;
        }
        sent
    }

    fn viewers_from(&self, first: Slot) -> Option<Vec<Arc<Socket>>> {
        let mut viewers = self.viewers.lock();
        let piece = viewers.piece(first, SLICE_SOCKETS)?;
        Some(piece.map(|viewer| Arc::clone(&viewer.socket)).collect())
    }
}

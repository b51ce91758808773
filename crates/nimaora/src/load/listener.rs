//! A player's ear: holds its socket open, and takes alerts. What was missed while
//! the socket was away, the server tells when it is back; at the end of a load, what is missing still is fetched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nimaora_api::v1;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::api::{with_token, within_deadline};
use super::crew::{Crew, Identity};
use super::facts::{Alert, Arrival, Slot};
use super::socket::{AttackReceived, BoardSaid, Said, next};
use super::time::now_us;
use crate::client::{PusherSocket, SocketError};

/// Sockets of one process that may be opening at a time.
pub(super) const OPENING_MAX: usize = 64;
/// How often a player tries to open its first socket: for a quarter of a minute, in which a store may come back.
const FIRST_TRIES: u32 = 20;
/// The pause before a socket is opened again; it doubles up to the longest, and half of it is drawn. Browsers wait a second.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Of so many sockets one reads its boards in full and checks them.
const BOARD_CHECKED_ONE_OF: Slot = 64;
/// Attacks that are fetched in one call.
const ATTACKS_PAGE: u32 = 1_000;
/// Channels of a player.
const CHANNELS: u32 = 2;
/// Faults of boards that are kept.
const BOARD_FAULTS_MAX: usize = 10;

/// Says once whether the first socket could be opened.
pub(super) type Ready = oneshot::Sender<Result<(), Lost>>;

/// Why a socket is no more, or never was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error("the server refused: {0}")]
    Refused(String),
}

/// One player's listening.
pub(super) struct Listener {
    pub(super) crew: Arc<Crew>,
    pub(super) player: u32,
    pub(super) opening: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Listener {
    /// Listens until it is stopped.
    pub(super) async fn run(self, ready: Ready) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.listen(ready)).await;
    }

    async fn listen(&self, ready: Ready) {
        let player = &self.crew.players[self.player as usize];
        let Some(identity) = player.identity.get() else {
            return;
        };
        let mut ready = Some(ready);
        let (mut pause, mut tries) = (PAUSE_MIN, 0);
        let mut lost_us = None;
        loop {
            let error = match self.open(identity, tries).await {
                Ok(mut socket) => {
                    pause = PAUSE_MIN;
                    if let Some(ready) = ready.take() {
                        // Whoever asked may have given up; the socket is of use all the same.
                        let _ = ready.send(Ok(()));
                    }
                    if let Some(lost_us) = lost_us {
                        self.crew.record.lock().socket_returns.record(now_us().saturating_sub(lost_us));
                    }
                    self.crew.counters.sockets.fetch_add(1, Ordering::Relaxed);
                    let error = self.serve(&mut socket).await;
                    lost_us = Some(now_us());
                    self.crew.counters.sockets.fetch_sub(1, Ordering::Relaxed);
                    player.reconnects.fetch_add(1, Ordering::Relaxed);
                    error
                }
                Err(error) => error,
            };
            tries += 1;
            if tries >= FIRST_TRIES
                && let Some(ready) = ready.take()
            {
                let _ = ready.send(Err(error));
                return;
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Opens a socket that listens to both channels. Alerts that come meanwhile are taken.
    async fn open(&self, identity: &Identity, tries: u32) -> Result<PusherSocket, Lost> {
        let setup = &self.crew.setup;
        let _permit = self.opening.acquire().await;
        // After a loss the next server is tried, as after a failure: this one may be gone for longer.
        let authority = setup.targets.socket_authority((self.player + tries) as usize);
        let mut socket = PusherSocket::connect(authority, &setup.app_key).await?;
        socket.subscribe(&format!("battle.{}", setup.battle_id), None).await?;
        let private = format!("private-participant.{}", identity.participant_id);
        let signature = socket.authorise(&private, &identity.token_text).await?;
        socket.subscribe(&private, Some(&signature)).await?;
        let mut subscribed = 0;
        while subscribed < CHANNELS {
            match next(&mut socket, false).await? {
                Said::Subscribed => subscribed += 1,
                Said::Attacked(attack) => self.take(attack),
                Said::Error(reason) => return Err(Lost::Refused(reason)),
                Said::Board(_) | Said::Unread | Said::Other => {}
            }
        }
        Ok(socket)
    }

    /// Listens until the socket is lost, and says why it was.
    async fn serve(&self, socket: &mut PusherSocket) -> Lost {
        let checks_boards = self.crew.slot(self.player).is_multiple_of(BOARD_CHECKED_ONE_OF);
        let boards = &self.crew.counters.boards;
        let mut last_board = 0;
        loop {
            match next(socket, checks_boards).await {
                Ok(Said::Attacked(attack)) => self.take(attack),
                Ok(Said::Board(board)) => {
                    boards.fetch_add(1, Ordering::Relaxed);
                    self.check_board(&board, &mut last_board);
                }
                Ok(Said::Unread) => {
                    boards.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Said::Subscribed | Said::Other) => {}
                Ok(Said::Error(reason)) => return Lost::Refused(reason),
                Err(error) => return error.into(),
            }
        }
    }

    fn take(&self, attack: AttackReceived) {
        let received_us = now_us();
        self.crew.counters.alerts.fetch_add(1, Ordering::Relaxed);
        self.crew.players[self.player as usize].inbox.lock().take(Alert {
            position: attack.position,
            player: self.crew.slot(self.player),
            attacker: attack.attacker,
            blocked: attack.blocked,
            points_lost: attack.points_lost,
            arrival: Arrival::OnSocket(received_us),
            repeats: 0,
        });
    }

    fn check_board(&self, board: &BoardSaid, last_board: &mut u64) {
        self.crew.counters.boards_checked.fetch_add(1, Ordering::Relaxed);
        let last = std::mem::replace(last_board, board.as_of);
        let Some(fault) = fault_of(board, last) else {
            return;
        };
        let mut faults = self.crew.board_faults.lock();
        if faults.len() < BOARD_FAULTS_MAX {
            faults.push(format!("a board at position {} on a socket {fault}", board.as_of));
        }
    }
}

/// What is wrong with a board that follows one at position `last`.
fn fault_of(board: &BoardSaid, last: u64) -> Option<String> {
    if board.as_of < last {
        return Some(format!("is older than the one before it, at {last}"));
    }
    let ranks_count = board.entries.iter().zip(1..).all(|(line, rank)| line.rank == rank);
    let points_fall = board.entries.windows(2).all(|two| two[0].points >= two[1].points);
    (!ranks_count || !points_fall).then(|| format!("is out of order: {:?}", board.entries))
}

impl Crew {
    /// Fetches all attacks on a player, from a list that has reached `min_position`. What the socket lost need not lie behind the
    /// newest alert that the player knows of.
    pub(super) async fn fetch_attacks(
        &self,
        player: u32,
        identity: &Identity,
        min_position: u64,
    ) -> Result<(), tonic::Status> {
        let inbox = &self.players[player as usize].inbox;
        let mut after_position = 0;
        loop {
            let request = v1::ListAttacksRequest {
                battle_id: self.setup.battle_id.clone(),
                participant_id: identity.participant_id.clone(),
                after_position,
                page_size: ATTACKS_PAGE,
                min_position,
                wait_ms: 0,
            };
            let request = with_token(request, &identity.token);
            let attacks = within_deadline(self.api.queries().list_attacks(request)).await?.attacks;
            let mut inbox = inbox.lock();
            let count = attacks.len();
            for attack in attacks {
                after_position = after_position.max(attack.position);
                inbox.take(Alert {
                    position: attack.position,
                    player: self.slot(player),
                    attacker: attack.attacker,
                    blocked: attack.blocked,
                    points_lost: attack.points_lost,
                    arrival: Arrival::Fetched,
                    repeats: 0,
                });
            }
            if count < ATTACKS_PAGE as usize {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::socket::BoardLine;
    use super::*;

    fn board(as_of: u64, points: &[u32]) -> BoardSaid {
        let entries =
            points.iter().zip(1..).map(|(points, rank)| BoardLine { rank, points: *points }).collect();
        BoardSaid { as_of, entries }
    }

    #[test]
    fn boards_only_move_on_and_are_in_order() {
        assert_eq!(fault_of(&board(5, &[3, 3, 1]), 5), None);
        assert!(fault_of(&board(4, &[3]), 5).unwrap().contains("older"));
        assert!(fault_of(&board(6, &[1, 3]), 5).unwrap().contains("out of order"));
    }
}

//! A player who attacks on and on, asks each command node in turn, and takes each answer at its word.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use nimaora_api::details;
use nimaora_api::v1::{AttackRequest, AttackResponse, Balance, HeartbeatRequest, JoinResponse};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::players::{Commands, command_id, create_battle, join, start_battle, with_token};
use crate::server::PATIENCE;

/// What both begin with: enough for any bad day, so that no rule refuses an attack.
const BEGINNING: Balance = Balance { points: 1_000_000, shields: 0, arrows: 1_000_000 };
/// After so long a node that says nothing is left, and the same command is sent to the next one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between attacks, and before a command that was refused is sent again.
const PAUSE: Duration = Duration::from_millis(20);
/// How many attacks a node is left out that gave no answer, as a client would that goes to another one.
const LEFT_OUT_ATTACKS: u32 = 30;
/// How often both tell that they live.
const HEARTBEAT_EVERY_ATTACKS: u32 = 50;

/// What has come of the attacks so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// Attacks that were answered.
    pub(super) landed: u32,
    /// The position of the last one.
    pub(super) position: u64,
    /// Refusals by their reason, for people who look.
    pub(super) refusals: BTreeMap<String, u32>,
}

impl Account {
    fn refused(&self) -> u32 {
        self.refusals.values().sum()
    }
}

/// A player who attacks until it is told to stop.
pub(super) struct Attacks {
    pub(super) battle_id: String,
    pub(super) target: JoinResponse,
    account: watch::Receiver<Account>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Attacks {
    /// Makes a battle of two at the first node, and begins.
    pub(super) async fn begin(mut nodes: Vec<Commands>, admin: &str) -> Self {
        let first = &mut nodes[0];
        let battle_id = create_battle(first, admin, BEGINNING).await;
        let attacker = join(first, &battle_id, "attacker").await;
        let target = join(first, &battle_id, "target").await;
        start_battle(first, admin, &battle_id).await;
        let (tell, account) = watch::channel(Account::default());
        let (stop, stopped) = watch::channel(false);
        let attacking = Attacking { nodes, attacker, target: target.clone(), turn: 0, stay: 0, tell };
        let running = tokio::spawn(attacking.run(stopped));
        Self { battle_id, target, account, stop, running }
    }

    /// Waits until so many more have landed.
    pub(super) async fn more(&mut self, attacks: u32) {
        let wanted = self.account.borrow().landed + attacks;
        let landed = async { self.account.wait_for(|account| account.landed >= wanted).await.map(drop) };
        match timeout(PATIENCE, landed).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => panic!("the attacks have ended with an answer that is wrong; it is told above"),
            Err(_) => panic!("no {attacks} attacks landed in time; so far: {:?}", *self.account.borrow()),
        }
    }

    /// Waits until no attack lands any more: so many were refused, or not answered, and none has landed in between.
    pub(super) async fn refused(&mut self, times: u32) {
        let mut since = self.account.borrow().clone();
        let refused = async {
            loop {
                self.account.changed().await.unwrap();
                let now = self.account.borrow_and_update().clone();
                if now.landed > since.landed {
                    since = now;
                } else if now.refused() >= since.refused() + times {
                    return;
                }
            }
        };
        timeout(PATIENCE, refused).await.expect("attacks are refused in time");
    }

    /// The position of the last one that landed.
    pub(super) fn position(&self) -> u64 {
        self.account.borrow().position
    }

    /// Ends, and tells what has come of it.
    pub(super) async fn end(self) -> (Account, String, JoinResponse) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.running).await.unwrap().unwrap();
        (self.account.borrow().clone(), self.battle_id, self.target)
    }
}

/// What the target must hold after so many attacks.
pub(super) fn points_after(attacks: u32) -> u32 {
    BEGINNING.points - attacks
}

struct Attacking {
    nodes: Vec<Commands>,
    attacker: JoinResponse,
    target: JoinResponse,
    /// Whose turn it is.
    turn: usize,
    /// For how many attacks it stays the turn of the same one.
    stay: u32,
    tell: watch::Sender<Account>,
}

impl Attacking {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut arrows = BEGINNING.arrows;
        while !*stopped.borrow_and_update() {
            if (BEGINNING.arrows - arrows).is_multiple_of(HEARTBEAT_EVERY_ATTACKS) {
                self.live().await;
            }
            let landed = self.attack().await;
            // Only this player spends these arrows, one command at a time: what was lost or done twice shows in the very next answer.
            arrows -= 1;
            assert_eq!((landed.blocked, landed.points_deducted), (false, 1));
            assert_eq!(landed.balance.unwrap().arrows, arrows, "an attack was lost, or done twice");
            self.tell.send_modify(|account| {
                assert!(landed.position > account.position, "positions go backwards");
                account.landed += 1;
                account.position = landed.position;
            });
            sleep(PAUSE).await;
        }
    }

    /// One attack, sent to one node after the other under the same id until it is answered.
    async fn attack(&mut self) -> AttackResponse {
        let wanted =
            AttackRequest { command_id: command_id(), target_id: self.target.participant_id.clone() };
        match self.stay.checked_sub(1) {
            Some(stay) => self.stay = stay,
            None => self.turn += 1,
        }
        loop {
            let node = self.turn % self.nodes.len();
            let request = with_token(&self.attacker.token, wanted.clone());
            match timeout(ANSWER_TIMEOUT, self.nodes[node].attack(request)).await {
                Ok(Ok(landed)) => return landed.into_inner(),
                Ok(Err(refused)) => self.note(reason_to_try_again(&refused)),
                Err(_) => {
                    self.note("no answer".to_owned());
                    self.stay = LEFT_OUT_ATTACKS;
                }
            }
            self.turn += 1;
            sleep(PAUSE).await;
        }
    }

    /// Both tell that they live. It is told again soon, so one that is not heard does not matter.
    async fn live(&mut self) {
        for token in [&self.attacker.token, &self.target.token] {
            let node = self.turn % self.nodes.len();
            let beat = self.nodes[node].heartbeat(with_token(token, HeartbeatRequest::default()));
            drop(timeout(ANSWER_TIMEOUT, beat).await);
        }
    }

    fn note(&self, reason: String) {
        self.tell.send_modify(|account| *account.refusals.entry(reason).or_default() += 1);
    }
}

/// The reason of a refusal, which must say that trying again helps, and when. Only where there is no server that answers, the client says
/// no more than that.
pub(super) fn reason_to_try_again(refused: &Status) -> String {
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let Some(reason) = details::reason(refused) else {
        // What a server says has no source here; what the client found out by itself has.
        assert!(refused.source().is_some(), "a server does not say why, nor when to try again: {refused:?}");
        return "no connection".to_owned();
    };
    let retry = refused.get_error_details().retry_info().and_then(|info| info.retry_delay);
    assert!(retry.is_some(), "it does not say when to try again: {refused:?}");
    reason
}

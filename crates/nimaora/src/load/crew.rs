//! The players of one process, and what they believe and remember.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::api::{Api, Token};
use super::error::LoadError;
use super::facts::{Fact, Holding, Slot};
use super::inbox::Inbox;
use super::plan::Offer;
use super::record::Record;
use super::targets::Targets;

/// What every process of a load is told at its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) targets: Targets,
    /// The key of the application that sockets name in their path.
    pub(super) app_key: String,
    pub(super) battle_id: String,
    /// All players of the load.
    pub(super) users: u32,
    /// The first player of this process.
    pub(super) first: Slot,
    /// How many players this process has.
    pub(super) players: u32,
    /// What is offered by all processes together.
    pub(super) offer: Offer,
    /// How long the measured phase lasts, in milliseconds.
    pub(super) duration_ms: u64,
    /// What this process's arrivals follow from.
    pub(super) seed: u64,
    /// What everybody holds on joining.
    pub(super) initial: Holding,
}

impl Setup {
    /// This process's share of what all offer.
    pub(super) fn share(&self) -> f64 {
        f64::from(self.players) / f64::from(self.users)
    }
}

/// Who a player is in the battle.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) participant_id: String,
    pub(super) token: Token,
    /// The token as the server gave it.
    pub(super) token_text: String,
}

/// One player.
#[derive(Debug, Default)]
pub(super) struct Player {
    /// Known once it has joined.
    pub(super) identity: OnceLock<Identity>,
    /// The arrows it believes to have.
    pub(super) arrows: AtomicI64,
    /// How many questions it has answered.
    pub(super) answered: AtomicU32,
    pub(super) inbox: Mutex<Inbox>,
    /// How often its socket was lost.
    pub(super) reconnects: AtomicU32,
}

/// The players of one process.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) setup: Setup,
    pub(super) api: Api,
    pub(super) players: Vec<Player>,
    /// The participant ids of all players of the load, by slot; known once all have joined.
    pub(super) everyone: OnceLock<Vec<String>>,
    /// The points that each player of the load is believed to have, by slot.
    pub(super) points: Vec<AtomicI64>,
    pub(super) facts: Mutex<Vec<Fact>>,
    pub(super) record: Mutex<Record>,
    /// When the measured phase began, in microseconds of the machine's clock; 0 before it.
    pub(super) began_us: AtomicU64,
    pub(super) counters: Counters,
    /// What was wrong with boards on sockets.
    pub(super) board_faults: Mutex<Vec<String>>,
}

/// What the progress bar shows.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) joined: AtomicU64,
    /// Sockets that are open and subscribed.
    pub(super) sockets: AtomicU64,
    pub(super) done: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) alerts: AtomicU64,
    pub(super) boards: AtomicU64,
    pub(super) boards_checked: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) joined: u64,
    pub(super) sockets: u64,
    pub(super) done: u64,
    pub(super) errors: u64,
    pub(super) alerts: u64,
    pub(super) boards: u64,
    pub(super) boards_checked: u64,
}

impl Progress {
    pub(super) fn add(&mut self, other: Self) {
        self.joined += other.joined;
        self.sockets += other.sockets;
        self.done += other.done;
        self.errors += other.errors;
        self.alerts += other.alerts;
        self.boards += other.boards;
        self.boards_checked += other.boards_checked;
    }
}

impl Counters {
    pub(super) fn progress(&self) -> Progress {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress {
            joined: read(&self.joined),
            sockets: read(&self.sockets),
            done: read(&self.done),
            errors: read(&self.errors),
            alerts: read(&self.alerts),
            boards: read(&self.boards),
            boards_checked: read(&self.boards_checked),
        }
    }
}

impl Crew {
    pub(super) fn new(setup: Setup) -> Result<Self, LoadError> {
        let points = || AtomicI64::new(i64::from(setup.initial.points));
        Ok(Self {
            api: Api::new(&setup.targets)?,
            players: (0..setup.players).map(|_| Player::default()).collect(),
            everyone: OnceLock::new(),
            points: (0..setup.users).map(|_| points()).collect(),
            facts: Mutex::default(),
            record: Mutex::default(),
            began_us: AtomicU64::new(0),
            counters: Counters::default(),
            board_faults: Mutex::default(),
            setup,
        })
    }

    /// The slot of a player of this process.
    pub(super) fn slot(&self, player: u32) -> Slot {
        self.setup.first + player
    }

    /// Remembers what a player was answered, and believes it.
    pub(super) fn learn(&self, fact: Fact) {
        let player = (fact.player - self.setup.first) as usize;
        self.points[fact.player as usize].store(i64::from(fact.balance.points), Ordering::Relaxed);
        self.players[player].arrows.store(i64::from(fact.balance.arrows), Ordering::Relaxed);
        self.facts.lock().push(fact);
    }

    /// The player that attacks: the first with an arrow among `from` and its neighbours, and the arrow is set aside. When none
    /// of them has one, `from` tries without.
    pub(super) fn attacker(&self, from: u32) -> u32 {
        const NEIGHBOURS: u32 = 32;
        let count = self.setup.players;
        for candidate in (from..from.saturating_add(NEIGHBOURS.min(count))).map(|player| player % count) {
            let arrows = &self.players[candidate as usize].arrows;
            if arrows.load(Ordering::Relaxed) > 0 {
                arrows.fetch_sub(1, Ordering::Relaxed);
                return candidate;
            }
        }
        from
    }

    /// Whom `attacker` attacks: anybody else of the load, with points as far as this process knows.
    pub(super) fn target(&self, attacker: Slot) -> Slot {
        const DRAWS: u32 = 8;
        let draw = || (attacker + fastrand::u32(1..self.setup.users)) % self.setup.users;
        let has_points = |slot: &Slot| self.points[*slot as usize].load(Ordering::Relaxed) > 0;
        (0..DRAWS).map(|_| draw()).find(has_points).unwrap_or_else(draw)
    }
}

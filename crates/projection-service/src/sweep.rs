//! Finds boards that were lost while nothing happened in their battles: it compares the boards' positions with those in the tables.
//!
//! Battles that are not over are gone over all the time. Those that are over only lack something when Redis was brought back from an old
//! dump, and the tables can answer for them for ever, so they are gone over slowly, and only the newest. A board of theirs that is
//! not there at all has had its time.

use std::time::Duration;

use nimaora_domain::{BattleId, Phase};
use nimaora_read_models::{BattleView, Position, StoreError};
use tokio::time::{Instant, timeout};

use crate::boards::BoardWriter;
use crate::config::{
    Config, ENDED_SWEEP_BATTLES_MAX, ENDED_SWEEP_PAGE_INTERVAL, SWEEP_INTERVAL, SWEEP_PAGE_BATTLES,
    SWEEP_PAGE_INTERVAL,
};

/// Both sweeps.
#[derive(Debug)]
pub(crate) struct Sweeps {
    open: Sweep,
    ended: Sweep,
}

/// Goes over the battles of some phases, page by page.
#[derive(Debug)]
struct Sweep {
    phases: [Phase; 2],
    /// Which of the phases is looked at.
    phase: usize,
    /// The position below which to go on.
    before: Option<Position>,
    /// How many battles of the phase were looked at, and how many are at most.
    seen: usize,
    seen_max: usize,
    at: Instant,
    page_interval: Duration,
    interval: Duration,
}

impl Sweeps {
    /// Both begin at once.
    pub(crate) fn new(config: &Config) -> Self {
        let sweep = |phases, seen_max, page_interval, interval| {
            let at = Instant::now();
            Sweep { phases, phase: 0, before: None, seen: 0, seen_max, at, page_interval, interval }
        };
        let open = [Phase::Running, Phase::Created];
        let ended = [Phase::Finished, Phase::Cancelled];
        Self {
            open: sweep(open, usize::MAX, SWEEP_PAGE_INTERVAL, SWEEP_INTERVAL),
            ended: sweep(
                ended,
                ENDED_SWEEP_BATTLES_MAX,
                ENDED_SWEEP_PAGE_INTERVAL,
                config.ended_sweep_interval,
            ),
        }
    }

    /// When one of them goes on.
    pub(crate) fn due_at(&self) -> Instant {
        self.open.at.min(self.ended.at)
    }

    /// The one that is due first, and whether its battles are over.
    fn due(&mut self) -> (&mut Sweep, bool) {
        match self.open.at <= self.ended.at {
            true => (&mut self.open, false),
            false => (&mut self.ended, true),
        }
    }
}

impl Sweep {
    fn swept(&mut self, battles: usize, next: Option<Position>) {
        self.seen += battles;
        self.before = next.filter(|_| self.seen < self.seen_max);
        let mut pause = self.page_interval;
        if self.before.is_none() {
            self.seen = 0;
            self.phase = (self.phase + 1) % self.phases.len();
            if self.phase == 0 {
                pause = self.interval;
            }
        }
        self.at = Instant::now() + pause;
    }

    fn put_off(&mut self) {
        self.at = Instant::now() + self.interval;
    }
}

impl BoardWriter {
    /// Compares one page of battles with the tables. A store that cannot answer now is asked again later.
    pub(crate) async fn sweep(&mut self) {
        let (sweep, are_over) = self.sweeps.due();
        let (phase, before) = (sweep.phases[sweep.phase], sweep.before);
        let limit = self.config.store_timeout;
        let found = timeout(limit, self.look(phase, before, are_over)).await;
        let (sweep, _) = self.sweeps.due();
        match found {
            Ok(Ok(page)) => {
                sweep.swept(page.battles, page.next);
                self.healing.lost(page.lost);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "boards cannot be compared with the tables now");
                sweep.put_off();
            }
            Err(_) => {
                tracing::warn!(?limit, "boards cannot be compared with the tables in time");
                sweep.put_off();
            }
        }
    }

    async fn look(&self, phase: Phase, before: Option<Position>, are_over: bool) -> Result<Page, StoreError> {
        let page = self.tables.battles(Some(phase), before, SWEEP_PAGE_BATTLES).await?;
        let ids: Vec<_> = page.battles.iter().map(|view| view.battle.id).collect();
        let held = match ids.is_empty() {
            true => Vec::new(),
            false => self.leaderboard.held(&ids).await?,
        };
        let differs = |(view, held): (&BattleView, Option<Position>)| {
            // What came since is in the tables and on its way to the boards; that nothing is lost shows when it is there.
            let lacks = match held {
                Some(position) => position < view.as_of && view.as_of <= self.upto,
                None => !are_over && view.battle.created_position <= self.upto,
            };
            lacks.then_some(view.battle.id)
        };
        let lost = page.battles.iter().zip(held).filter_map(differs).collect();
        Ok(Page { lost, battles: ids.len(), next: page.next })
    }
}

/// What a page of a sweep came to.
struct Page {
    lost: Vec<BattleId>,
    battles: usize,
    next: Option<Position>,
}

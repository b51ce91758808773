//! Lets boards go that differ from tables which were exchanged, when whoever exchanged them could not: the leaderboard was down, or the
//! process stopped. That it is still to be done stands in the tables since the exchange.

use std::sync::Arc;
use std::time::Duration;

use nimaora_read_models::{Position, StoreError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Config, NOTED_INTERVAL};
use crate::metrics;
use crate::parity::{BoardsBeside, LettingGo};
use crate::projection::Deps;
use crate::retry::Backoff;

/// Looks for the note, and does what it says.
pub(crate) struct Noted {
    boards: BoardsBeside,
    limit: Duration,
    patience: Duration,
    backoff: Backoff,
    seen: Option<Note>,
}

/// A note that was seen.
struct Note {
    exchanged: Position,
    /// Since when it is known.
    since: Instant,
    /// How far it was done.
    so_far: LettingGo,
}

impl Noted {
    /// Starts the task, which ends when the answer is dropped.
    pub(crate) fn start(deps: &Deps, config: &Config) -> JoinSet<()> {
        let (leaderboard, tables) = (Arc::clone(&deps.leaderboard), Arc::clone(&deps.read_models));
        let noted = Self {
            boards: BoardsBeside { leaderboard, tables },
            limit: config.store_timeout,
            patience: config.boards_noted_patience,
            backoff: Backoff::new(config, 6),
            seen: None,
        };
        let mut task = JoinSet::new();
        task.spawn(noted.run());
        task
    }

    async fn run(mut self) {
        loop {
            let wait = match self.look().await {
                Ok(()) => {
                    self.backoff.reset();
                    NOTED_INTERVAL.min(self.patience)
                }
                Err(error) => {
                    metrics::retried("leaderboard");
                    tracing::warn!(%error, "boards cannot be compared with the tables that were exchanged; trying again");
                    self.backoff.next_wait()
                }
            };
            sleep(wait).await;
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let found = timeout(self.limit, self.boards.tables.checkpoints()).await;
        // Tables that do not answer are told of by whoever writes them.
        let Ok(Ok(found)) = found else { return Ok(()) };
        let Some(exchanged) = found.exchanged else {
            self.seen = None;
            return Ok(());
        };
        let seen = self.seen.take().filter(|note| note.exchanged == exchanged);
        let begun = || Note { exchanged, since: Instant::now(), so_far: LettingGo::default() };
        let note = self.seen.insert(seen.unwrap_or_else(begun));
        match note.since.elapsed() >= self.patience {
            true => self.boards.let_go(exchanged, &mut note.so_far, self.limit).await,
            false => Ok(()),
        }
    }
}

//! Lets boards go that differ from tables which were exchanged, when whoever exchanged them could not: the leaderboard was down, or the
//! process stopped. That it is still to be done stands in the tables since the exchange.

use std::sync::Arc;
use std::time::Duration;

use nimaora_read_models::{Position, StoreError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Config, NOTED_INTERVAL};
use crate::metrics;
use crate::parity::BoardsBeside;
use crate::projection::Deps;

/// Looks for the note, and does what it says.
pub(crate) struct Noted {
    boards: BoardsBeside,
    limit: Duration,
    patience: Duration,
    /// The note, and since when it is known.
    seen: Option<(Position, Instant)>,
}

impl Noted {
    /// Starts the task, which ends when the answer is dropped.
    pub(crate) fn start(deps: &Deps, config: &Config) -> JoinSet<()> {
        let (leaderboard, tables) = (Arc::clone(&deps.leaderboard), Arc::clone(&deps.read_models));
        let noted = Self {
            boards: BoardsBeside { leaderboard, tables },
            limit: config.store_timeout,
            patience: config.boards_noted_patience,
            seen: None,
        };
        let mut task = JoinSet::new();
        task.spawn(noted.run());
        task
    }

    async fn run(mut self) {
        loop {
            if let Err(error) = self.look().await {
                metrics::retried("leaderboard");
                tracing::warn!(%error, "boards cannot be compared with the tables that were exchanged; trying again");
            }
            sleep(NOTED_INTERVAL.min(self.patience)).await;
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
        let since = match self.seen {
            Some((position, since)) if position == exchanged => since,
            _ => Instant::now(),
        };
        self.seen = Some((exchanged, since));
        match since.elapsed() >= self.patience {
            true => self.boards.let_go(exchanged).await,
            false => Ok(()),
        }
    }
}

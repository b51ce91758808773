//! Waiting until an answer has reached the position that its caller asked for.

use std::future::Future;
use std::time::Duration;

use nimaora_change_bus::{BusMessage, Changes, Lane};
use nimaora_domain::BattleId;
use nimaora_read_models::Position;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::error::QueryError;
use crate::gateway::Core;
use crate::metrics;

/// What an answer must have reached, and for how long to wait until it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// 0 is always reached.
    pub(crate) min_position: Position,
    pub(crate) patience: Duration,
}

/// Something that was read, and the position that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen<T> {
    pub(crate) value: T,
    pub(crate) as_of: Position,
}

/// What one look at the store came to.
enum Look<T> {
    Final(Result<Seen<T>, QueryError>),
    /// The store is at this position only.
    Behind(Position),
}

impl Core {
    /// Reads until the answer is fresh enough, or its caller's patience is over. `battle_id` is the battle whose changes say
    /// when to look again; without it, the store is asked again now and then.
    pub(crate) async fn read<T, F, R>(
        &self,
        battle_id: Option<BattleId>,
        wanted: Wanted,
        read: F,
    ) -> Result<Seen<T>, QueryError>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        match self.look(wanted, &read).await {
            Look::Final(answer) => answer,
            Look::Behind(_) => {
                let began = Instant::now();
                let answer = self.wait(battle_id, wanted, &read).await;
                metrics::waited(began.elapsed());
                answer
            }
        }
    }

    async fn wait<T, F, R>(
        &self,
        battle_id: Option<BattleId>,
        wanted: Wanted,
        read: &F,
    ) -> Result<Seen<T>, QueryError>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        let _permit = self.waiting.try_acquire().map_err(|_| QueryError::TooManyWaiting)?;
        let deadline = Instant::now() + wanted.patience;
        // Followed before the next look, so that what changes after that look is heard of.
        let mut changes = match battle_id {
            Some(battle_id) => {
                let follow = self.bus.follow(battle_id, &[Lane::Leaderboard]);
                timeout_at(deadline, follow).await.ok().and_then(Result::ok)
            }
            None => None,
        };
        loop {
            let reached = match self.look(wanted, read).await {
                Look::Final(answer) => return answer,
                Look::Behind(reached) => reached,
            };
            tokio::select! {
                () = self.moved(&mut changes, wanted.min_position) => {}
                () = self.shutdown.requested() => return Err(QueryError::Draining),
                () = sleep_until(deadline) => {
                    return Err(QueryError::PositionNotReached { wanted: wanted.min_position, reached });
                }
            }
        }
    }

    async fn look<T, F, R>(&self, wanted: Wanted, read: &F) -> Look<T>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        match self.in_time(read()).await {
            Ok(seen) if seen.as_of < wanted.min_position => Look::Behind(seen.as_of),
            Err(error) if error.is_absence() && (wanted.min_position > 0 || !self.wholeness.is_known()) => {
                self.look_for_absent(wanted, read).await
            }
            answer => Look::Final(answer),
        }
    }

    /// What is not there may not be there yet. Once the tables are whole and hold the log up to the position, it is not there
    /// for good.
    async fn look_for_absent<T, F, R>(&self, wanted: Wanted, read: &F) -> Look<T>
    where
        F: Fn() -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        let checkpoints = async { Ok(self.tables.checkpoints().await?) };
        match self.in_time(checkpoints).await {
            Ok(checkpoints) if checkpoints.tables < wanted.min_position => Look::Behind(checkpoints.tables),
            Ok(checkpoints) => match self.wholeness.judge(&checkpoints) {
                // It may have come between the two reads, so only a third one tells.
                Ok(()) => match self.in_time(read()).await {
                    Ok(seen) if seen.as_of < wanted.min_position => Look::Behind(seen.as_of),
                    answer => Look::Final(answer),
                },
                Err(error) => Look::Final(Err(error.into())),
            },
            Err(error) => Look::Final(Err(error)),
        }
    }

    /// Resolves when the battle has reached the position, as its changes say, and in any case after a while.
    async fn moved(&self, changes: &mut Option<Box<dyn Changes>>, position: Position) {
        let heard = async {
            match changes {
                Some(changes) => reached(changes.as_mut(), position).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = heard => {
                if !heard {
                    // A bus that is down tells nothing more; looking now and then goes on.
                    *changes = None;
                }
            }
            () = sleep(self.config.wait_poll()) => {}
        }
    }

    /// Refuses as long as the tables are built anew. What is read after this is not of the past.
    pub(crate) async fn require_whole(&self) -> Result<(), QueryError> {
        self.in_time(async { Ok(self.wholeness.require(&*self.tables).await?) }).await
    }

    pub(crate) async fn in_time<T>(
        &self,
        read: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        in_time(self.config.read_timeout(), read).await
    }
}

/// A read that takes too long is given up.
pub(crate) async fn in_time<T>(
    limit: Duration,
    read: impl Future<Output = Result<T, QueryError>>,
) -> Result<T, QueryError> {
    timeout(limit, read).await.unwrap_or_else(|_| {
        let millis = limit.as_millis();
        let reason = format!("the read models did not answer within {millis} ms; try again");
        Err(QueryError::Unavailable { reason })
    })
}

/// Resolves to true when the changes say that the position was reached, or that some were lost; to false when there will be
/// no more.
async fn reached(changes: &mut dyn Changes, position: Position) -> bool {
    loop {
        match changes.next().await {
            Ok(BusMessage::Changes(batch)) if batch.position < position => {}
            Ok(BusMessage::Changes(_) | BusMessage::Lagged { .. }) => return true,
            Err(_) => return false,
        }
    }
}

//! Waiting until an answer has reached the position that its caller asked for.

use std::future::Future;
use std::time::Duration;

use nimaora_domain::BattleId;
use nimaora_read_models::Position;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::config::{REPLICA_POLL, WAIT_POLL_MAX};
use crate::error::QueryError;
use crate::gateway::Core;
use crate::metrics;
use crate::tables::Ask;
use crate::waiting::{Caller, News};

/// What an answer must have reached, and for how long to wait until it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// 0 is always reached.
    pub(crate) min_position: Position,
    pub(crate) patience: Duration,
    /// Who waits.
    pub(crate) caller: Caller,
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
    /// when to look again; without it, the store is asked again now and then. `read` is told whom to ask: the first look is early as a
    /// rule, and asks for any position.
    pub(crate) async fn read<T, F, R>(
        &self,
        battle_id: Option<BattleId>,
        wanted: Wanted,
        read: F,
    ) -> Result<Seen<T>, QueryError>
    where
        F: Fn(Ask) -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        match self.look(wanted, &read, Ask::default()).await {
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
        F: Fn(Ask) -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        let place = self.places.take(wanted.caller, battle_id);
        let _place = place.ok_or(QueryError::TooManyWaiting)?;
        let deadline = Instant::now() + wanted.patience;
        let mut news = battle_id.map(|battle_id| self.followers.listen(battle_id));
        if let Some(news) = &mut news {
            // Followed before the next look, so that what changes after that look is heard of.
            let _ = timeout_at(deadline, news.begun()).await;
        }
        let mut poll = self.config.wait_poll();
        let replica_until = Instant::now() + self.replica_patience();
        let mut is_told = false;
        loop {
            let ask = Ask { at_least: wanted.min_position, newest: Instant::now() >= replica_until };
            let reached = match self.look(wanted, read, ask).await {
                Look::Final(answer) => return answer,
                Look::Behind(reached) => reached,
            };
            tokio::select! {
                // Who was told and asked the replica has nothing more to hear: it is there later, or not in time.
                () = reached_by(&mut news, wanted.min_position), if ask.newest || !is_told => is_told = true,
                () = sleep(REPLICA_POLL), if is_told && !ask.newest => {}
                () = sleep_until(replica_until), if !ask.newest => {}
                () = sleep(poll) => poll = (poll * 2).min(poll.max(WAIT_POLL_MAX)),
                () = self.shutdown.requested() => return Err(QueryError::Draining),
                () = sleep_until(deadline) => {
                    return Err(QueryError::PositionNotReached { wanted: wanted.min_position, reached });
                }
            }
        }
    }

    /// How long a replica is waited for before the tables themselves are asked.
    fn replica_patience(&self) -> Duration {
        if self.tables.has_replica() { self.config.replica_patience() } else { Duration::ZERO }
    }

    async fn look<T, F, R>(&self, wanted: Wanted, read: &F, ask: Ask) -> Look<T>
    where
        F: Fn(Ask) -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        match self.in_time(read(ask)).await {
            Ok(seen) if seen.as_of < wanted.min_position => Look::Behind(seen.as_of),
            Err(error) if error.is_absence() && (wanted.min_position > 0 || !self.wholeness.is_known()) => {
                self.look_for_absent(wanted, read, ask).await
            }
            answer => Look::Final(answer),
        }
    }

    /// What is not there may not be there yet. Once the tables are whole and hold the log up to the position, it is not there
    /// for good.
    async fn look_for_absent<T, F, R>(&self, wanted: Wanted, read: &F, ask: Ask) -> Look<T>
    where
        F: Fn(Ask) -> R,
        R: Future<Output = Result<Seen<T>, QueryError>>,
    {
        let checkpoints = async { Ok(self.tables.newest().checkpoints().await?) };
        match self.in_time(checkpoints).await {
            Ok(checkpoints) if checkpoints.tables < wanted.min_position => Look::Behind(checkpoints.tables),
            Ok(checkpoints) => match self.wholeness.judge(&checkpoints) {
                // It may have come between the two reads, so only a third one tells.
                Ok(()) => match self.in_time(read(ask)).await {
                    Ok(seen) if seen.as_of < wanted.min_position => Look::Behind(seen.as_of),
                    answer => Look::Final(answer),
                },
                Err(error) => Look::Final(Err(error.into())),
            },
            Err(error) => Look::Final(Err(error)),
        }
    }

    /// Refuses as long as the tables are built anew. What is read after this is not of the past.
    pub(crate) async fn require_whole(&self) -> Result<(), QueryError> {
        self.in_time(async { Ok(self.wholeness.require(self.tables.newest()).await?) }).await
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

/// Resolves when the battle has reached the position, as its changes say.
async fn reached_by(news: &mut Option<News>, position: Position) {
    match news {
        Some(news) => news.reached(position).await,
        None => std::future::pending().await,
    }
}

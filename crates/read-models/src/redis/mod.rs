//! The leaderboard in Redis: on one server, a cluster, or the master that sentinels name.
//!
//! | key | what it holds |
//! |---|---|
//! | `battle:{id}:leaderboard` | a sorted set: `name id` with the score, whose floor is the points |
//! | `battle:{id}:participants` | a hash: the member of the set for each participant's id |
//!
//! The braces are literal: all keys of a battle are in one slot. `ZREVRANGE battle:{id}:leaderboard 0 9 WITHSCORES` shows the first
//! ten. Both keys carry a seal under the name `#`: in the hash revision, position and whether the battle is over, in the set minus
//! the revision and one, below all scores. A board whose seals differ or whose keys have different sizes is not held, so a key that
//! was deleted or brought back from an old dump alone is noticed; a whole board that is old is noticed by its revision.

mod answer;
#[cfg(test)]
mod bad_days;
mod config;
mod score;
mod script;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_redis_link::Link;
pub use nimaora_redis_link::UrlError;

pub use self::config::RedisConfig;
use self::script::{Arg, Script};
use crate::Position;
use crate::error::StoreError;
use crate::leaderboard::{Applied, Board, BoardBatch, BoardChange, BoardLine, Leaderboard, WholeBoard};

/// Lines of a whole board that are laid ready by one call, some milliseconds of the server's time.
const STAGED_LINES_MAX: usize = 1_000;
/// What was laid ready and never used goes after this time.
const STAGED_TTL_SECONDS: u64 = 300;

/// The boards of battles, in Redis.
///
/// One call of a script applies a batch with its position. A batch has at most
/// [`BATCH_CHANGES_MAX`](crate::leaderboard::BATCH_CHANGES_MAX) changes, so it blocks the server for some milliseconds; a whole board
/// is laid ready in pieces beside the one in use and takes its place in one step. What Redis loses is restored by the projection,
/// and the tables answer meanwhile; so nothing here needs Redis to be durable.
pub struct RedisLeaderboard {
    link: Link,
    config: RedisConfig,
    apply: Script,
    stage: Script,
    restore: Script,
    read: Script,
    forget: Script,
}

/// The keys of a battle.
struct Keys {
    board: String,
    participants: String,
}

impl Keys {
    fn of(battle_id: BattleId) -> Self {
        let prefix = format!("battle:{{{battle_id}}}");
        Self { board: format!("{prefix}:leaderboard"), participants: format!("{prefix}:participants") }
    }

    /// Where the board of a revision is laid ready. Who else does the same lays the same there.
    fn staged(&self, revision: u64) -> Self {
        let staged = |key: &str| format!("{key}:{revision}");
        Self { board: staged(&self.board), participants: staged(&self.participants) }
    }

    fn both(&self) -> [&str; 2] {
        [&self.board, &self.participants]
    }
}

impl RedisLeaderboard {
    /// Does not connect yet: Redis may be down when the server starts.
    ///
    /// # Errors
    /// [`UrlError`] for a URL that cannot be used.
    pub fn connect(config: RedisConfig) -> Result<Self, UrlError> {
        Ok(Self {
            link: Link::new(&config.link())?,
            config,
            apply: Script::new(include_str!("lua/apply.lua")),
            stage: Script::new(include_str!("lua/stage.lua")),
            restore: Script::new(include_str!("lua/restore.lua")),
            read: Script::new(include_str!("lua/read.lua")),
            forget: Script::new(include_str!("lua/forget.lua")),
        })
    }

    /// One battle's batches, in their order. Answers whether all were applied: false when something before one of them is missing;
    /// then the others are not tried.
    async fn apply_battle(
        &self,
        battle_id: BattleId,
        batches: Vec<&BoardBatch>,
    ) -> (BattleId, Result<bool, StoreError>) {
        for batch in batches {
            match self.apply_one(batch).await {
                Ok(true) => {}
                other => return (battle_id, other),
            }
        }
        (battle_id, Ok(true))
    }

    async fn apply_one(&self, batch: &BoardBatch) -> Result<bool, StoreError> {
        let changes = encode(&batch.changes)?;
        let mut args = vec![
            Arg::Number(batch.first_revision),
            Arg::Number(batch.last_revision),
            Arg::Number(batch.position),
            Arg::Number(batch.ended.into()),
            Arg::Number(self.config.ended_ttl.as_secs()),
        ];
        args.extend(changes.iter().flat_map(Encoded::args));
        let keys = Keys::of(batch.battle_id);
        let applied = self.apply.call(&self.link, &keys.both(), &args, self.config.write_timeout).await?;
        answer::yes(&applied)
    }

    async fn read(&self, battle_id: BattleId, args: &[Arg<'_>]) -> Result<Board, StoreError> {
        let keys = Keys::of(battle_id);
        let answer = self.read.call(&self.link, &keys.both(), args, self.config.read_timeout).await?;
        answer::board(&answer)?.ok_or(StoreError::NotHeld(battle_id))
    }

    async fn forget_one(&self, battle_id: BattleId) -> Result<(), StoreError> {
        let keys = Keys::of(battle_id);
        self.forget.call(&self.link, &keys.both(), &[], self.config.write_timeout).await?;
        Ok(())
    }

    async fn position(&self, battle_id: BattleId) -> Result<Option<Position>, StoreError> {
        match self.read(battle_id, &[Arg::Text("held")]).await {
            Ok(board) => Ok(Some(board.as_of)),
            Err(StoreError::NotHeld(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A change as the scripts take it.
struct Encoded {
    id: String,
    /// Empty for who is on the board already.
    member: String,
    score: Score,
}

/// What becomes of a line's score.
enum Score {
    /// It is this.
    Is(f64),
    /// It stays.
    Stays,
    /// The line goes.
    Goes,
}

impl Encoded {
    fn args(&self) -> [Arg<'_>; 3] {
        let score = match self.score {
            Score::Is(score) => Arg::Score(score),
            Score::Stays => Arg::Text("="),
            Score::Goes => Arg::Text(""),
        };
        [Arg::Text(&self.id), Arg::Text(&self.member), score]
    }
}

fn encode(changes: &[BoardChange]) -> Result<Vec<Encoded>, StoreError> {
    let one = |change: &BoardChange| match *change {
        BoardChange::Joined { participant_id, ref username, points, reached_revision } => {
            line(participant_id, username, points, reached_revision)
        }
        BoardChange::Scored { participant_id, points, reached_revision } => {
            let score = Score::Is(score(points, reached_revision)?);
            Ok(Encoded { id: participant_id.to_string(), member: String::new(), score })
        }
        BoardChange::Renamed { participant_id, ref username } => {
            let member = member(participant_id, username);
            Ok(Encoded { id: participant_id.to_string(), member, score: Score::Stays })
        }
        BoardChange::Removed { participant_id } => {
            Ok(Encoded { id: participant_id.to_string(), member: String::new(), score: Score::Goes })
        }
    };
    changes.iter().map(one).collect()
}

fn line(
    id: ParticipantId,
    username: &str,
    points: u32,
    reached_revision: u64,
) -> Result<Encoded, StoreError> {
    let score = Score::Is(score(points, reached_revision)?);
    Ok(Encoded { id: id.to_string(), member: member(id, username), score })
}

fn member(id: ParticipantId, username: &str) -> String {
    format!("{username} {id}")
}

fn score(points: u32, reached_revision: u64) -> Result<f64, StoreError> {
    score::encode(points, reached_revision).ok_or_else(|| StoreError::Damaged {
        reason: format!("{points} points at revision {reached_revision} are more than any battle reaches"),
    })
}

#[async_trait]
impl Leaderboard for RedisLeaderboard {
    async fn apply(&self, batches: &[BoardBatch], _checkpoint: Position) -> Result<Applied, StoreError> {
        let mut battles: Vec<Vec<&BoardBatch>> = Vec::new();
        let mut index = HashMap::new();
        for batch in batches {
            let place = *index.entry(batch.battle_id).or_insert(battles.len());
            match battles.get_mut(place) {
                Some(battle) => battle.push(batch),
                None => battles.push(vec![batch]),
            }
        }
        let mut each = Vec::with_capacity(battles.len());
        for of_one in battles {
            if let Some(first) = of_one.first() {
                each.push(self.apply_battle(first.battle_id, of_one));
            }
        }
        let mut answers = stream::iter(each).buffer_unordered(self.config.battles_at_once_max.max(1));
        let (mut applied, mut why) = (Applied::default(), None);
        while let Some((battle_id, answer)) = answers.next().await {
            match answer {
                Ok(true) => {}
                Ok(false) => applied.missing.push(battle_id),
                // The others are applied all the same.
                Err(StoreError::Unavailable { reason }) => {
                    applied.failed.push(battle_id);
                    why = Some(reason);
                }
                Err(error) => {
                    tracing::warn!(%battle_id, %error, "a board cannot be written and is made anew");
                    applied.missing.push(battle_id);
                }
            }
        }
        if let Some(reason) = why {
            tracing::warn!(battles = applied.failed.len(), reason, "boards cannot be written now");
        }
        Ok(applied)
    }

    async fn restore(&self, board: &WholeBoard) -> Result<(), StoreError> {
        let keys = Keys::of(board.battle_id);
        let staged = keys.staged(board.revision);
        let timeout = self.config.write_timeout;
        for lines in board.lines.chunks(STAGED_LINES_MAX) {
            let encoded =
                |of: &BoardLine| line(of.participant_id, &of.username, of.points, of.reached_revision);
            let lines = lines.iter().map(encoded).collect::<Result<Vec<_>, _>>()?;
            let mut args = vec![Arg::Number(STAGED_TTL_SECONDS)];
            args.extend(lines.iter().flat_map(Encoded::args));
            self.stage.call(&self.link, &staged.both(), &args, timeout).await?;
        }
        let args = [
            Arg::Number(board.revision),
            Arg::Number(board.position),
            Arg::Number(board.ended.into()),
            Arg::Number(self.config.ended_ttl.as_secs()),
            Arg::Number(board.lines.len() as u64),
        ];
        let all = [&*keys.board, &keys.participants, &staged.board, &staged.participants];
        let restored = self.restore.call(&self.link, &all, &args, timeout).await?;
        match answer::yes(&restored)? {
            true => Ok(()),
            false => {
                Err(StoreError::Unavailable { reason: "Redis lost a board while it was restored".to_owned() })
            }
        }
    }

    async fn forget(&self, battles: &[BattleId]) -> Result<(), StoreError> {
        let mut each = Vec::with_capacity(battles.len());
        for &battle_id in battles {
            each.push(self.forget_one(battle_id));
        }
        let answers = stream::iter(each).buffered(self.config.battles_at_once_max.max(1));
        answers.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn held(&self, battles: &[BattleId]) -> Result<Vec<Option<Position>>, StoreError> {
        let mut each = Vec::with_capacity(battles.len());
        for &battle_id in battles {
            each.push(self.position(battle_id));
        }
        let answers = stream::iter(each).buffered(self.config.battles_at_once_max.max(1));
        answers.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn checkpoint(&self) -> Result<Position, StoreError> {
        Ok(Position::MAX)
    }

    async fn top(&self, battle_id: BattleId, limit: u32) -> Result<Board, StoreError> {
        self.read(battle_id, &[Arg::Text("top"), Arg::Number(limit.into())]).await
    }

    async fn rank(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<Board, StoreError> {
        self.around(battle_id, participant_id, 0).await
    }

    async fn around(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        range: u32,
    ) -> Result<Board, StoreError> {
        let id = participant_id.to_string();
        self.read(battle_id, &[Arg::Text("around"), Arg::Text(&id), Arg::Number(range.into())]).await
    }
}

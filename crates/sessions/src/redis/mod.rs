//! Presence in Redis: what several nodes know of a battle's participants.
//!
//! `battle:{id}:presence` (the braces are literal) is a sorted set: the participant's id with the time of the last sign of life, in
//! milliseconds since the Unix epoch.

mod config;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_redis_link::Link;
pub use nimaora_redis_link::UrlError;
use redis::{FromRedisValue, Pipeline};
use uuid::Uuid;

pub use self::config::RedisPresenceConfig;
use crate::presence::{Presence, PresenceError};

/// Participants that one command touches; a longer one would keep Redis from everybody else for more than a millisecond or two.
const TOUCHES_AT_ONCE: usize = 1_000;

/// Presence kept in Redis. What Redis loses was never the truth: everybody counts as not heard of yet, and nobody as silent.
pub struct RedisPresence {
    link: Link,
    config: RedisPresenceConfig,
}

impl RedisPresence {
    /// Does not connect yet: Redis may be down when the server starts.
    ///
    /// # Errors
    /// [`UrlError`] for a URL that cannot be used.
    pub fn connect(config: RedisPresenceConfig) -> Result<Self, UrlError> {
        Ok(Self { link: Link::new(&config.link())?, config })
    }

    async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, PresenceError> {
        let timeout = self.config.timeout;
        let unavailable = |reason: String| PresenceError::Unavailable { reason };
        match tokio::time::timeout(timeout, self.link.run(commands)).await {
            Ok(answer) => answer.map_err(|error| unavailable(format!("Redis: {error}"))),
            Err(_) => Err(unavailable(format!("Redis does not answer within {timeout:?}"))),
        }
    }
}

fn key(battle_id: BattleId) -> String {
    format!("battle:{{{battle_id}}}:presence")
}

#[async_trait]
impl Presence for RedisPresence {
    async fn touch_all(
        &self,
        battle_id: BattleId,
        participant_ids: &[ParticipantId],
        now_ms: i64,
    ) -> Result<(), PresenceError> {
        if participant_ids.is_empty() {
            return Ok(());
        }
        let (key, seconds) = (key(battle_id), self.config.battle_ttl.as_secs());
        let mut commands = Pipeline::new();
        for some in participant_ids.chunks(TOUCHES_AT_ONCE) {
            commands.cmd("ZADD").arg(&key).arg("GT");
            for id in some {
                commands.arg(now_ms).arg(id.to_string());
            }
            commands.ignore();
        }
        commands.cmd("EXPIRE").arg(&key).arg(seconds).ignore();
        self.run(&commands).await
    }

    async fn last_seen_ms(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
    ) -> Result<Option<i64>, PresenceError> {
        let mut commands = Pipeline::new();
        commands.cmd("ZSCORE").arg(key(battle_id)).arg(participant_id.to_string());
        let (score,): (Option<f64>,) = self.run(&commands).await?;
        // Times are far below 2^53, so the score is exact.
        Ok(score.map(|score| score as i64))
    }

    async fn silent_since(
        &self,
        battle_id: BattleId,
        before_ms: i64,
        limit: usize,
    ) -> Result<Vec<ParticipantId>, PresenceError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut commands = Pipeline::new();
        commands.cmd("ZRANGEBYSCORE").arg(key(battle_id)).arg("-inf").arg(format!("({before_ms}"));
        commands.arg("LIMIT").arg(0).arg(limit);
        let (silent,): (Vec<String>,) = self.run(&commands).await?;
        // What is no id was put there by somebody else, and nobody waits for it.
        Ok(silent.iter().filter_map(|id| Uuid::parse_str(id).ok().map(ParticipantId)).collect())
    }

    async fn forget(&self, battle_id: BattleId, participant_id: ParticipantId) -> Result<(), PresenceError> {
        let mut commands = Pipeline::new();
        commands.cmd("ZREM").arg(key(battle_id)).arg(participant_id.to_string()).ignore();
        self.run(&commands).await
    }

    async fn forget_battle(&self, battle_id: BattleId) -> Result<(), PresenceError> {
        let mut commands = Pipeline::new();
        commands.cmd("UNLINK").arg(key(battle_id)).ignore();
        self.run(&commands).await
    }
}

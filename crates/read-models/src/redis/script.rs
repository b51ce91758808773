//! A script that runs in Redis, in one step.

use std::time::Duration;

use nimaora_redis_link::Link;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use crate::error::StoreError;

/// A script and how Redis calls it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

/// An argument of a script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    Text(&'a str),
    Number(u64),
    Score(f64),
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    /// Calls it; the server may have to be told it first. It may have been run when there is no answer in time.
    pub(super) async fn call(
        &self,
        link: &Link,
        keys: &[&str],
        args: &[Arg<'_>],
        timeout: Duration,
    ) -> Result<Value, StoreError> {
        let called = async {
            match link.run(&command("EVALSHA", &self.hash, keys, args)).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    link.run(&command("EVAL", self.text, keys, args)).await
                }
                answer => answer,
            }
        };
        match tokio::time::timeout(timeout, called).await {
            Ok(answer) => answer.map_err(|error| as_store_error(&error)),
            Err(_) => {
                Err(StoreError::Unavailable { reason: format!("Redis does not answer within {timeout:?}") })
            }
        }
    }
}

fn command(how: &str, script: &str, keys: &[&str], args: &[Arg<'_>]) -> Cmd {
    let mut command = redis::cmd(how);
    command.arg(script).arg(keys.len()).arg(keys);
    for arg in args {
        match arg {
            Arg::Text(text) => command.arg(text),
            Arg::Number(number) => command.arg(number),
            // Rust writes as many digits as make the number exact.
            Arg::Score(score) => command.arg(score.to_string()),
        };
    }
    command
}

/// Redis is out of order for now, unless a key holds something that is no board.
fn as_store_error(error: &RedisError) -> StoreError {
    let reason = format!("Redis: {error}");
    match error.code() {
        Some("WRONGTYPE") => StoreError::Damaged { reason },
        _ => StoreError::Unavailable { reason },
    }
}

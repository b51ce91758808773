//! A script that runs in Redis, in one step.

use redis::Cmd;

use super::link::Arg;

/// A script and how Redis calls it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    pub(super) fn by_hash(&self, keys: &[&str], args: &[Arg<'_>]) -> Cmd {
        call("EVALSHA", &self.hash, keys, args)
    }

    pub(super) fn by_text(&self, keys: &[&str], args: &[Arg<'_>]) -> Cmd {
        call("EVAL", self.text, keys, args)
    }
}

fn call(how: &str, script: &str, keys: &[&str], args: &[Arg<'_>]) -> Cmd {
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

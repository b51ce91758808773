//! Where the parts of a server are reached: all at one address, or each role at several.

use serde::{Deserialize, Serialize};

use super::args::LoadArgs;
use super::error::LoadError;

/// The addresses, as `http://HOST:PORT`; none of the lists is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Targets {
    pub(super) commands: Vec<String>,
    pub(super) queries: Vec<String>,
    pub(super) sockets: Vec<String>,
}

impl Targets {
    pub(super) fn of(args: &LoadArgs) -> Result<Self, LoadError> {
        let or_target = |urls: &[String]| if urls.is_empty() { args.target.clone() } else { urls.to_vec() };
        let targets = Self {
            commands: or_target(&args.commands),
            queries: args.target.clone(),
            sockets: or_target(&args.sockets),
        };
        for target in targets.all() {
            if !target.starts_with("http://") {
                let reason = "the scheme must be http".to_owned();
                return Err(LoadError::Target { target: target.to_owned(), reason });
            }
        }
        Ok(targets)
    }

    /// Each address once.
    pub(super) fn all(&self) -> Vec<&str> {
        let lists = [&self.queries, &self.commands, &self.sockets];
        let mut all: Vec<_> = lists.into_iter().flatten().map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// HOST:PORT of one of the servers for sockets; another turn is another one.
    pub(super) fn socket_authority(&self, turn: usize) -> &str {
        authority(&self.sockets[turn % self.sockets.len()])
    }
}

/// HOST:PORT of an address.
pub(super) fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

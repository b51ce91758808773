//! Settings of the leases, and the times that they rest on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a node tells that it lives.
pub(super) const BEAT_EVERY: Duration = Duration::from_millis(400);
/// After how much silence the others hold a node for dead, by their own clocks.
pub(super) const DEAD_AFTER: Duration = Duration::from_millis(1_800);
/// After which time without a heartbeat that was taken a node stops believing in its own leases: before the others may take over.
pub(super) const DOUBT_AFTER: Duration = Duration::from_millis(1_400);
/// After which time without its own heartbeat coming back a node's view of the others counts as old.
pub(super) const BLIND_AFTER: Duration = Duration::from_millis(1_400);
/// After how much silence what a node left in the bucket is removed: it has crashed and was not started again.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(10);
/// After how long the trace of an entry that was deleted is removed: everybody has seen it by then.
pub(super) const SWEPT_AFTER: Duration = Duration::from_secs(10);
/// How often is looked for what is to be removed.
pub(super) const TIDY_EVERY: Duration = Duration::from_secs(2);
/// How many entries are removed at a time. When it is reached, the others are with the next look.
pub(super) const TIDIED_MAX: usize = 256;
/// How many traces of deleted entries are remembered. When it is reached, further ones stay until the bucket is followed anew.
pub(super) const TRACES_MAX: usize = 16_384;
/// Silence on the connection after which the server is asked whether it is there. It is given up after three, so a server that hangs is left
/// within 4 s, as the log's and the bus' are; without that it would be for minutes, and this node own nothing meanwhile.
pub(super) const PING_EVERY: Duration = Duration::from_secs(1);
/// How long a server may take to greet. Then the next one is tried.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many battles are given up at a time. When it is reached, the others wait; each takes as long as the servers need to agree.
pub(super) const RELEASES_AT_ONCE: usize = 64;
/// How often a connection is tried.
pub(super) const RECONNECT_EVERY: Duration = Duration::from_millis(250);
/// How often something that is waited for is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long giving everything up may take.
pub(super) const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the leases are, and who this node is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsOwnershipConfig {
    /// The servers, with commas between them: `nats://10.0.0.5:4222`.
    pub url: String,
    /// The bucket; nodes that share battles have the same one.
    pub bucket: String,
    /// How many servers keep a copy: 1, or 3 in a cluster.
    pub replicas: usize,
    /// This node's name, which no other node has: letters, digits, `-` and `_`.
    pub node: String,
    /// Where the other nodes reach this node's gRPC server: `http://10.0.0.7:7400`.
    pub advertised_url: String,
}

/// The URL may hold a password, so it is not shown.
impl std::fmt::Debug for NatsOwnershipConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, bucket, replicas, node, advertised_url } = self;
        f.debug_struct("NatsOwnershipConfig")
            .field("bucket", bucket)
            .field("replicas", replicas)
            .field("node", node)
            .field("advertised_url", advertised_url)
            .finish_non_exhaustive()
    }
}

impl NatsOwnershipConfig {
    /// Whether names and addresses can be used; says what is allowed where not.
    pub(super) fn check(&self) -> Result<(), String> {
        for (field, text) in [("node", &self.node), ("bucket", &self.bucket)] {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if text.is_empty() || !text.bytes().all(allowed) {
                return Err(format!("{field} '{text}' is no name of letters, digits, '-' and '_'"));
            }
        }
        if !self.advertised_url.starts_with("http://") {
            return Err(format!("advertised_url '{}' does not begin with http://", self.advertised_url));
        }
        Ok(())
    }
}

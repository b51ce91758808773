//! Why the JetStream log could not be opened.

/// Why the JetStream log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JetStreamError {
    /// The settings are wrong. Trying again cannot help.
    #[error("the settings of the JetStream log are wrong: {reason}")]
    Config {
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The servers did not answer in time. Try again after a while.
    #[error("NATS cannot be used now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// The stream on the server does not keep what a log promises. An operator must change it.
    #[error("the JetStream stream {stream} does not fit a log: {reason}; change it or name another")]
    Unfit {
        /// Its name.
        stream: String,
        /// The setting, what it is and what it must be.
        reason: String,
    },
}

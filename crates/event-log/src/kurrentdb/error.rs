//! Why the log in KurrentDB could not be opened.

/// Why the log in KurrentDB could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KurrentDbError {
    /// The settings are wrong. Trying again cannot help.
    #[error("the settings of the log in KurrentDB are wrong: {reason}")]
    Config {
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The servers did not answer, or not to us. Try again after a while.
    #[error("KurrentDB cannot be used now: {reason}")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
}

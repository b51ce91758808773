//! What can go wrong with a store of read models.

use nimaora_domain::BattleId;

/// Why a read model was not written or not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store does not hold this battle (never seen, an old board that was let go, or one that is being made
    /// anew); ask another store.
    #[error("this store does not hold the battle {0}")]
    NotHeld(BattleId),
    /// The store cannot be used now; try again after a while.
    #[error("the read models cannot be used now: {reason}; try again")]
    Unavailable {
        /// What hinders it.
        reason: String,
    },
    /// The batch breaks a constraint of the tables: a name that the battle has already, or a row about somebody who is not
    /// there. Nothing was written, and the same batch will never be.
    #[error("the tables refuse the batch: {reason}")]
    Constraint {
        /// Which constraint, and by what.
        reason: String,
    },
    /// Somebody else has written since the writer looked. Nothing was written; look again where the checkpoint is.
    #[error(
        "the tables are at position {stored}, and not at {expected}: another projection has written to them"
    )]
    Overtaken {
        /// Where the writer thought they were.
        expected: crate::Position,
        /// Where they are.
        stored: crate::Position,
    },
    /// What is stored is not what was written, or not what this version understands. An operator must look.
    #[error("the read models are damaged: {reason}; delete them and they are built anew from the log")]
    Damaged {
        /// What does not fit.
        reason: String,
    },
}

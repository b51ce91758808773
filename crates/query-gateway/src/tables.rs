//! The tables, and the replica that answers for them where that does no harm.

use std::sync::Arc;

use nimaora_read_models::{Position, ReadModels};

/// The tables of a gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tables {
    newest: Arc<dyn ReadModels>,
    replica: Option<Arc<dyn ReadModels>>,
}

/// What a read is to come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    /// From which position on an answer is of use; where a store is not there, another one is asked. 0 for any.
    pub(crate) at_least: Position,
    /// Whether the replica had its time and is not asked any more.
    pub(crate) newest: bool,
}

impl Tables {
    pub(crate) fn new(newest: Arc<dyn ReadModels>, replica: Option<Arc<dyn ReadModels>>) -> Self {
        Self { newest, replica }
    }

    /// The tables themselves: for what must not be of the past, as who has which session.
    pub(crate) fn newest(&self) -> &dyn ReadModels {
        &*self.newest
    }

    /// The replica, if there is one.
    pub(crate) fn any(&self) -> &dyn ReadModels {
        &**self.replica.as_ref().unwrap_or(&self.newest)
    }

    /// Whom to ask.
    pub(crate) fn to_ask(&self, ask: Ask) -> &dyn ReadModels {
        if ask.newest { self.newest() } else { self.any() }
    }

    pub(crate) fn has_replica(&self) -> bool {
        self.replica.is_some()
    }
}

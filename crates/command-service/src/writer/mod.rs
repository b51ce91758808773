//! One writer for each live battle.
//!
//! | module | what it holds |
//! |---|---|
//! | [`order`] | a command on its way, and what comes back |
//! | [`batch`] | decided commands that wait for their events to be durable |
//! | [`live`] | a battle in memory: deciding, gathering, appending |
//! | [`seen`] | more command ids than the state remembers, where somebody repeats old ones |
//! | [`roster`] | who takes part and in which session, for heartbeats to be judged by |
//! | [`saver`] | when its snapshot is written and removed |
//! | [`erasures`] | keys of erased names that are still there when the battle is read |
//! | [`actor`] | the task around it: mailbox, loading, failing, idling |
//! | [`registry`] | finding, opening and letting go of writers |

pub(crate) mod actor;
pub(crate) mod batch;
pub(crate) mod erasures;
pub(crate) mod live;
pub(crate) mod order;
pub(crate) mod registry;
pub(crate) mod roster;
pub(crate) mod saver;
pub(crate) mod seen;

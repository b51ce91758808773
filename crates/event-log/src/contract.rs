//! The suite that every event log passes.

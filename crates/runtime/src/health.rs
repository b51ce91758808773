//! Which parts of this process are ready to serve. Readiness is what load balancers ask; it says nothing of liveness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The parts of a process and whether each is ready. Clones share the state.
#[derive(Clone, Debug)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    ready: watch::Sender<bool>,
}

impl Default for Health {
    fn default() -> Self {
        Self { parts: Arc::default(), ready: watch::Sender::new(false) }
    }
}

impl Health {
    /// Announces a part that is not ready yet; the process is not ready until it is.
    pub fn register(&self, part: &'static str) {
        self.set(part, Some("starting".to_owned()));
    }

    /// The part serves.
    pub fn ready(&self, part: &'static str) {
        self.set(part, None);
    }

    /// The part does not serve, and why.
    pub fn not_ready(&self, part: &'static str, why: impl Into<String>) {
        self.set(part, Some(why.into()));
    }

    /// Whether every announced part serves.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// The parts that do not serve, and why.
    pub fn missing(&self) -> Vec<(&'static str, String)> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(|(part, why)| Some((*part, why.clone()?))).collect()
    }

    /// Tells each change of readiness.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    fn set(&self, part: &'static str, why_not: Option<String>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(part, why_not);
        let ready = parts.values().all(Option::is_none);
        self.ready.send_if_modified(|now| std::mem::replace(now, ready) != ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_part_is() {
        let health = Health::default();
        health.register("log");
        health.register("projection");
        health.ready("log");
        assert!(!health.is_ready());
        assert_eq!(health.missing(), vec![("projection", "starting".to_owned())]);
        health.ready("projection");
        assert!(health.is_ready());
        health.not_ready("log", "disk full");
        assert!(!health.is_ready());
    }
}

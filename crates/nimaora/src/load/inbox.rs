//! The alerts of one player, each once.

use std::collections::HashMap;

use super::facts::{Alert, Arrival};

/// The alerts that a player got, by the position of their attack.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    alerts: HashMap<u64, Alert>,
}

impl Inbox {
    /// Takes an alert. One that is known already counts as a repeat, unless one of the two was fetched.
    pub(super) fn take(&mut self, alert: Alert) {
        let Some(known) = self.alerts.get_mut(&alert.position) else {
            self.alerts.insert(alert.position, alert);
            return;
        };
        match (known.arrival, alert.arrival) {
            (Arrival::OnSocket(_), Arrival::OnSocket(_)) => known.repeats += 1,
            (Arrival::Fetched, Arrival::OnSocket(_)) => known.arrival = alert.arrival,
            (_, Arrival::Fetched) => {}
        }
    }

    pub(super) fn has(&self, position: u64) -> bool {
        self.alerts.contains_key(&position)
    }

    pub(super) fn into_alerts(self) -> impl Iterator<Item = Alert> {
        self.alerts.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(position: u64, arrival: Arrival) -> Alert {
        let attacker = "ali".to_owned();
        Alert { position, player: 0, attacker, blocked: false, points_lost: 1, arrival, repeats: 0 }
    }

    #[test]
    fn a_repeat_is_dropped_and_counted() {
        let mut inbox = Inbox::default();
        inbox.take(alert(5, Arrival::OnSocket(1)));
        inbox.take(alert(5, Arrival::OnSocket(2)));
        inbox.take(alert(6, Arrival::OnSocket(3)));
        inbox.take(alert(6, Arrival::Fetched));
        let mut alerts: Vec<_> = inbox.into_alerts().map(|a| (a.position, a.arrival, a.repeats)).collect();
        alerts.sort_by_key(|alert| alert.0);
        assert_eq!(alerts, [(5, Arrival::OnSocket(1), 1), (6, Arrival::OnSocket(3), 0)]);
    }

    #[test]
    fn what_comes_on_the_socket_after_it_was_fetched_is_no_repeat() {
        let mut inbox = Inbox::default();
        inbox.take(alert(5, Arrival::Fetched));
        inbox.take(alert(5, Arrival::OnSocket(2)));
        assert!(inbox.has(5));
        let alerts: Vec<_> = inbox.into_alerts().collect();
        assert_eq!((alerts[0].arrival, alerts[0].repeats), (Arrival::OnSocket(2), 0));
    }
}

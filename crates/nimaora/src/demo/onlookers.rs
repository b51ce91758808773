//! Whether somebody has a page of the arena open: then the server has more sockets than the demo holds itself.

use crate::client::metrics::{self, metric};

/// How the server tells how many sockets are open.
const OPEN_SOCKETS: &str = "nimaora_realtime_sockets_count";

/// Whether the server has more sockets than these `own` ones. Where it does not tell, nobody looks on.
pub(super) async fn are_there(authority: &str, own: u32) -> bool {
    let Ok(told) = metrics::read(authority).await else { return false };
    open_sockets(&told).is_some_and(|open| open > f64::from(own))
}

fn open_sockets(metrics: &str) -> Option<f64> {
    metric(metrics, OPEN_SOCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_sockets_is_found() {
        let metrics = "# HELP nimaora_realtime_sockets_count Open sockets.\n# TYPE nimaora_realtime_sockets_count gauge\n\
                       nimaora_realtime_sockets_count_other 7\nnimaora_realtime_sockets_count 52\n";
        assert_eq!(open_sockets(metrics), Some(52.0));
        assert_eq!(open_sockets(""), None);
    }
}

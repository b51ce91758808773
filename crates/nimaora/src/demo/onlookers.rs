//! Whether somebody has a page of the arena open: then the server has more sockets than the demo holds itself.

use crate::client::http;

/// How the server tells how many sockets are open.
const OPEN_SOCKETS: &str = "nimaora_realtime_sockets_count";

/// Whether the server has more sockets than these `own` ones. Where it does not tell, nobody looks on.
pub(super) async fn are_there(authority: &str, own: u32) -> bool {
    let Ok(metrics) = http::get(authority, "/metrics").await else { return false };
    open_sockets(&String::from_utf8_lossy(&metrics)).is_some_and(|open| open > f64::from(own))
}

fn open_sockets(metrics: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.split([' ', '{']).next() == Some(OPEN_SOCKETS))?;
    line.rsplit(' ').next()?.parse().ok()
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

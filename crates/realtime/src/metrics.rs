//! What the realtime service counts and measures.

use crate::error::{CloseReason, Refusal};

/// A socket was let in.
pub(crate) fn socket_opened() {
    metrics::gauge!("nimaora_realtime_sockets_count").increment(1.0);
}

/// A socket that was let in is gone.
pub(crate) fn socket_closed() {
    metrics::gauge!("nimaora_realtime_sockets_count").decrement(1.0);
}

/// The server closed a socket. Many `too_slow` mean that clients or the network do not keep up; many `no_pong`, that they vanish.
pub(crate) fn closed(reason: CloseReason) {
    metrics::counter!("nimaora_realtime_closes_total", "reason" => reason.label()).increment(1);
}

/// A subscription was refused, or its signature was not given.
pub(crate) fn refused(refusal: Refusal) {
    metrics::counter!("nimaora_realtime_refusals_total", "kind" => refusal.kind()).increment(1);
}

/// A message of a client was not understood. A few are normal; many mean a client that speaks something else.
pub(crate) fn misunderstood() {
    metrics::counter!("nimaora_realtime_misunderstood_total").increment(1);
}

/// A frame was handed to this many sockets.
pub(crate) fn sent(what: &'static str, sockets: usize, frame_bytes: usize) {
    metrics::counter!("nimaora_realtime_frames_total", "what" => what).increment(sockets as u64);
    let bytes = sockets as u64 * frame_bytes as u64;
    metrics::counter!("nimaora_realtime_frame_bytes_total", "what" => what).increment(bytes);
}

/// An alert was handed to its sockets this long after the attack. Its P99 should stay under 100 ms; else look for a busy node or
/// a slow projection.
pub(crate) fn alerted(after_ms: i64) {
    metrics::histogram!("nimaora_realtime_alert_seconds").record(after_ms.max(0) as f64 / 1_000.0);
}

/// A battle's follower lost changes or its bus and has read from the tables what it missed.
pub(crate) fn caught_up() {
    metrics::counter!("nimaora_realtime_catch_ups_total").increment(1);
}

/// A board could not be read and is tried again at the next tick. Look at the leaderboard's store.
pub(crate) fn board_failed() {
    metrics::counter!("nimaora_realtime_board_failures_total").increment(1);
}

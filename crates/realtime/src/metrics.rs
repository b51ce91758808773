//! What the realtime service counts and measures.

use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use nimaora_change_bus::Lane;

use crate::error::{CloseReason, Refusal};

/// Says what the figures mean. To be called once, by whoever sets up the process's metrics.
pub fn describe() {
    describe_gauge!("nimaora_realtime_sockets_count", "Open sockets. Near realtime.sockets_max, add nodes.");
    describe_counter!(
        "nimaora_realtime_closes_total",
        "Sockets that the server closed. Many too_slow: clients or the network do not keep up. Many no_pong: they vanish. \
         Any node_full: add nodes, or raise realtime.sockets_max."
    );
    describe_counter!(
        "nimaora_realtime_refusals_total",
        "Subscriptions and signatures that were refused. Many AuthError: clients with old tokens. Any Unavailable: look at \
         the tables' store."
    );
    describe_counter!(
        "nimaora_realtime_misunderstood_total",
        "Messages that were not understood. A few are normal; many mean a client that speaks something else."
    );
    describe_counter!("nimaora_realtime_frames_total", "Frames handed to sockets, by what they say.");
    describe_counter!("nimaora_realtime_frame_bytes_total", "Bytes of the frames handed to sockets.");
    describe_histogram!(
        "nimaora_realtime_alert_seconds",
        "From an attack to its alert at the target's sockets."
    );
    describe_counter!(
        "nimaora_realtime_alerts_late_total",
        "Alerts that took longer than the 100 ms that they should. More than one in a hundred: look for a busy node or a slow \
         projection."
    );
    describe_counter!(
        "nimaora_realtime_missed_alerts_total",
        "Alerts that participants were told on their return. Many at once are a node that stopped or a failing network; many \
         always are clients that do not say which alert they had last."
    );
    describe_counter!(
        "nimaora_realtime_missed_unread_total",
        "Returns of participants for whom what they missed could not be read in time. Many: the tables are slow."
    );
    describe_counter!(
        "nimaora_realtime_catch_ups_total",
        "Times that lost changes were told from the tables. Many mean a node too busy for its battles, or a failing bus."
    );
    describe_counter!(
        "nimaora_realtime_catch_up_failures_total",
        "Attempts to read lost changes that failed and are repeated; alerts are late meanwhile. Look at the tables' store."
    );
    describe_counter!(
        "nimaora_realtime_api_events_total",
        "Events that the application's servers have published over the HTTP API, one for each channel."
    );
    describe_counter!(
        "nimaora_realtime_api_refusals_total",
        "Requests to the HTTP API that were refused, by status. 401: a wrong secret, a wrong clock, or somebody who tries. 503: nodes do \
         not hear each other."
    );
    describe_counter!(
        "nimaora_realtime_webhooks_total",
        "Requests to receivers of webhooks, by outcome. Many failed: the receiver is away or refuses."
    );
    describe_counter!(
        "nimaora_realtime_webhook_events_dropped_total",
        "Events that no receiver of webhooks was told, because it took none for too long or refused them. Any: it has missed \
         something."
    );
    describe_histogram!(
        "nimaora_realtime_handshake_wait_seconds",
        "How long newcomers waited for their turn. Some seconds after a node stopped are meant; always: add nodes."
    );
    describe_counter!(
        "nimaora_realtime_client_events_total",
        "Events that clients have sent to each other. Many: lower realtime.client_events_per_second_max."
    );
    describe_counter!(
        "nimaora_realtime_sign_of_life_failures_total",
        "Rounds in which signs of life of connected participants could not be recorded. Look at the store of presence."
    );
    describe_counter!(
        "nimaora_realtime_relay_dropped_total",
        "Messages to the other nodes that were not sent. They notice and ask again; many mean that NATS is away or slow."
    );
    describe_counter!(
        "nimaora_realtime_relay_lags_total",
        "Times that messages of other nodes may have been lost, after which all are asked who is there. Many: a node too busy, or \
         a failing NATS."
    );
    describe_counter!(
        "nimaora_realtime_channel_overflows_total",
        "Frames to all of a channel that were dropped because too many waited. Any: the channel is busier than the node."
    );
    describe_counter!(
        "nimaora_realtime_board_reads_total",
        "Boards read from the stores. It grows with battles and ticks; if it grows with sockets, something is wrong."
    );
    describe_counter!(
        "nimaora_realtime_board_failures_total",
        "Boards that could not be read and are tried again. Look at the leaderboard's store."
    );
}

/// A socket was let in.
pub(crate) fn socket_opened() {
    metrics::gauge!("nimaora_realtime_sockets_count").increment(1.0);
}

/// A socket that was let in is gone.
pub(crate) fn socket_closed() {
    metrics::gauge!("nimaora_realtime_sockets_count").decrement(1.0);
}

/// The server closed a socket.
pub(crate) fn closed(reason: CloseReason) {
    metrics::counter!("nimaora_realtime_closes_total", "reason" => reason.label()).increment(1);
}

/// A subscription was refused, or its signature was not given.
pub(crate) fn refused(refusal: Refusal) {
    metrics::counter!("nimaora_realtime_refusals_total", "kind" => refusal.kind()).increment(1);
}

/// A message of a client was not understood.
pub(crate) fn misunderstood() {
    metrics::counter!("nimaora_realtime_misunderstood_total").increment(1);
}

/// A frame was handed to this many sockets, in so many bytes for all of them together.
pub(crate) fn sent(what: &'static str, sockets: usize, bytes: usize) {
    metrics::counter!("nimaora_realtime_frames_total", "what" => what).increment(sockets as u64);
    metrics::counter!("nimaora_realtime_frame_bytes_total", "what" => what).increment(bytes as u64);
}

/// An alert was handed to its sockets this long after the attack.
pub(crate) fn alerted(after_ms: i64) {
    let after = Duration::from_millis(after_ms.max(0).unsigned_abs());
    metrics::histogram!("nimaora_realtime_alert_seconds").record(after.as_secs_f64());
    if Lane::Attacks.service_level().is_some_and(|level| after > level) {
        metrics::counter!("nimaora_realtime_alerts_late_total").increment(1);
    }
}

/// A participant returned and was told this many alerts.
pub(crate) fn told_missed(alerts: usize) {
    metrics::counter!("nimaora_realtime_missed_alerts_total").increment(alerts as u64);
}

/// A participant returned, and what it missed could not be read in time.
pub(crate) fn missed_unread() {
    metrics::counter!("nimaora_realtime_missed_unread_total").increment(1);
}

/// A battle's follower lost changes or its bus, and has told what it read from the tables instead.
pub(crate) fn caught_up() {
    metrics::counter!("nimaora_realtime_catch_ups_total").increment(1);
}

/// What a battle's follower has lost could not be read; it is tried again.
pub(crate) fn catch_up_failed() {
    metrics::counter!("nimaora_realtime_catch_up_failures_total").increment(1);
}

/// The application has published this many events.
pub(crate) fn api_events(events: usize) {
    metrics::counter!("nimaora_realtime_api_events_total").increment(events as u64);
}

/// A request to the HTTP API was refused.
pub(crate) fn api_refused(status: u16) {
    let status = match status {
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        413 => "413",
        _ => "503",
    };
    metrics::counter!("nimaora_realtime_api_refusals_total", "status" => status).increment(1);
}

/// A receiver of webhooks took a request.
pub(crate) fn webhook_sent() {
    metrics::counter!("nimaora_realtime_webhooks_total", "outcome" => "taken").increment(1);
}

/// A receiver of webhooks did not take a request.
pub(crate) fn webhook_failed() {
    metrics::counter!("nimaora_realtime_webhooks_total", "outcome" => "failed").increment(1);
}

/// Events were told to no receiver.
pub(crate) fn webhook_events_dropped(events: usize) {
    metrics::counter!("nimaora_realtime_webhook_events_dropped_total").increment(events as u64);
}

/// A newcomer has waited for its turn.
pub(crate) fn handshake_waited(wait: Duration) {
    metrics::histogram!("nimaora_realtime_handshake_wait_seconds").record(wait.as_secs_f64());
}

/// A client has sent an event to others.
pub(crate) fn client_event() {
    metrics::counter!("nimaora_realtime_client_events_total").increment(1);
}

/// Signs of life could not be recorded.
pub(crate) fn sign_of_life_failed() {
    metrics::counter!("nimaora_realtime_sign_of_life_failures_total").increment(1);
}

/// Other nodes could not be told something.
pub(crate) fn relay_dropped() {
    metrics::counter!("nimaora_realtime_relay_dropped_total").increment(1);
}

/// Something that other nodes said may be lost.
pub(crate) fn relay_lagged() {
    metrics::counter!("nimaora_realtime_relay_lags_total").increment(1);
}

/// A frame to all of a channel was dropped.
pub(crate) fn hall_overflowed() {
    metrics::counter!("nimaora_realtime_channel_overflows_total").increment(1);
}

/// A board is read from this store.
pub(crate) fn board_read(store: &'static str) {
    metrics::counter!("nimaora_realtime_board_reads_total", "store" => store).increment(1);
}

/// A board could not be read and is tried again at the next tick.
pub(crate) fn board_failed() {
    metrics::counter!("nimaora_realtime_board_failures_total").increment(1);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn each_figure_says_what_it_means() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            socket_opened();
            socket_closed();
            closed(CloseReason::NoPong);
            refused(Refusal::Foreign);
            misunderstood();
            sent("board", 1, 1);
            alerted(101);
            told_missed(1);
            caught_up();
            catch_up_failed();
            board_read("tables");
            board_failed();
            api_events(1);
            api_refused(401);
            client_event();
            webhook_sent();
            webhook_failed();
            webhook_events_dropped(1);
            handshake_waited(Duration::from_secs(1));
            sign_of_life_failed();
            relay_dropped();
            relay_lagged();
            hall_overflowed();
        });
        let shown = recorder.handle().render();
        for line in shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let name = line.split(' ').next().unwrap();
            assert!(shown.contains(&format!("# HELP {name} ")), "{name} has no help text");
        }
    }
}

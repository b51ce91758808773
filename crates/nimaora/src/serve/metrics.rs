//! What the port tells Prometheus.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::body::Fault;

const OPEN: &str = "nimaora_connections_open";
const REFUSED: &str = "nimaora_connections_refused_total";
const ACCEPT_FAILED: &str = "nimaora_connections_accept_failed_total";
const CUT_OFF: &str = "nimaora_connections_cut_off_total";
const ANSWERS_REFUSED: &str = "nimaora_answers_refused_total";
const BODIES_GIVEN_UP: &str = "nimaora_request_bodies_given_up_total";

/// Says what the figures mean.
pub(super) fn describe() {
    describe_gauge!(OPEN, "Connections of HTTP/1.1 and HTTP/2, sockets apart.");
    describe_counter!(
        REFUSED,
        "Connections closed at once because limits.connections_max was reached. Add nodes, or raise it and ulimit -n."
    );
    describe_counter!(
        ACCEPT_FAILED,
        "Connections that the system did not hand over, most often for want of files. Raise ulimit -n."
    );
    describe_counter!(
        CUT_OFF,
        "Connections whose client did not read its answers in time. A few are normal: networks break. Many: look for who sends \
         requests and reads nothing; if they are slow only, raise limits.answer_write_timeout_ms."
    );
    describe_counter!(
        ANSWERS_REFUSED,
        "Answers that were not sent because too many are unread. Look for clients that read slowly; if memory allows, raise \
         limits.unsent_answer_bytes_max or limits.unsent_answer_bytes_per_connection_max."
    );
    describe_counter!(
        BODIES_GIVEN_UP,
        "Requests whose body did not arrive. Many late: slow networks, or clients that mean harm. Any full: look for who sends \
         large bodies slowly; if they are wanted, raise limits.unfinished_body_bytes_max."
    );
}

pub(super) fn opened() {
    gauge!(OPEN).increment(1.0);
}

pub(super) fn closed() {
    gauge!(OPEN).decrement(1.0);
}

pub(super) fn refused() {
    counter!(REFUSED).increment(1);
}

pub(super) fn accept_failed() {
    counter!(ACCEPT_FAILED).increment(1);
}

pub(super) fn cut_off() {
    counter!(CUT_OFF).increment(1);
}

pub(super) fn answer_refused() {
    counter!(ANSWERS_REFUSED).increment(1);
}

pub(super) fn body_given_up(fault: Fault) {
    let reason = match fault {
        Fault::Late => "late",
        Fault::Full => "full",
    };
    counter!(BODIES_GIVEN_UP, "reason" => reason).increment(1);
}

//! Settings of the realtime service. Each is a bound or a delay, its unit last.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::webhooks::Webhook;

/// The application's secret; it is not shown when it is printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct AppSecret(String);

impl AppSecret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for AppSecret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the realtime service behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The application's public key: the last part of the path that sockets connect to, and the first of every signature.
    pub app_key: String,
    /// The application's id, in the paths of the HTTP API. Some server libraries take digits only.
    pub app_id: String,
    /// The origins whose pages may connect, as `https://example.com` or `https://*.example.com`; all when there are none. A client that is
    /// no browser says none, and may.
    pub allowed_origins: Vec<String>,
    /// The application's secret, which channel signatures are made with. All nodes have the same one; without it the service does
    /// not start. It is read and never written out.
    #[serde(skip_serializing)]
    pub app_secret: AppSecret,
    /// After how much silence client and server ping each other, in seconds. Each socket is told a value up to a sixth
    /// shorter or longer, so that sockets which connected together do not ping together.
    pub activity_timeout_s: u16,
    /// How much longer than that the server waits before it pings, in seconds, so that a client that keeps time speaks first.
    pub ping_grace_s: u16,
    /// How long a pinged socket may stay silent before it is closed with 4201, in seconds.
    pub pong_timeout_s: u16,
    /// The shortest time between two boards of one battle, and between two events of its attacks, in milliseconds. Changes in between
    /// travel as one board, attacks in one event.
    pub board_tick_ms: u64,
    /// After which time a board that nobody said has moved is read all the same, in milliseconds. It finds what nothing on the bus
    /// told of, as after a rebuild.
    pub board_poll_ms: u64,
    /// Lines of a board that are sent.
    pub board_top_n: u32,
    /// Sockets at a time, those that are being closed included. When it is reached, a newcomer is closed with 4100 and retries after a second.
    pub sockets_max: usize,
    /// Connections at a time that are only told why they are not let in. When it is reached, a further one is answered with status
    /// 503, which a browser's page does not see.
    pub refused_sockets_max: usize,
    /// Bytes that may wait for one slow socket. When it is reached, everything but the newest board is dropped, and the socket is
    /// closed with 4100 behind it.
    pub outbox_bytes_max: usize,
    /// The kernel's send buffer of one socket, in bytes; 0 leaves it to the kernel, which takes up to some megabytes for
    /// a slow client and lets it fall far behind.
    pub send_buffer_bytes: u32,
    /// Channels that one socket may be subscribed to, and those that it may ask for at a time. When it is reached, a subscription
    /// is refused.
    pub channels_per_socket_max: usize,
    /// How long the subscriptions that a socket has asked for may take together, in milliseconds. Then those that are left are
    /// refused.
    pub subscribe_timeout_ms: u64,
    /// The largest message of a client, in bytes. A larger one closes its socket with 1009.
    pub message_bytes_max: usize,
    /// How long a store may take to answer, in milliseconds. Then a subscription is refused, and a board is tried again.
    pub store_timeout_ms: u64,
    /// How long a subscription waits for a battle or participant that the read models do not show yet, in milliseconds.
    pub appear_timeout_ms: u64,
    /// Alerts to one participant that are read at a time after changes were lost on the bus. Further ones are read after them.
    pub alerts_page_max: u32,
    /// Alerts that a participant missed are told when it returns, if they are not older than this, in seconds. Older ones are in
    /// `ListAttacks`.
    pub missed_alerts_age_max_s: u64,
    /// Missed alerts that are told when a participant returns; 0 for none. When there are more, the newest are told.
    pub missed_alerts_max: usize,
    /// How often the sockets of participants are recorded as signs of life, in milliseconds. A participant lapses after 90 seconds without.
    pub sign_of_life_ms: u64,
    /// Whether those who listen to a channel are told how many they are, presence channels apart. All nodes say the same.
    pub subscription_counts: bool,
    /// Members that a presence channel shows. When it has more, newcomers are shown so many and the true count, and counts are told
    /// instead of each arrival.
    pub presence_members_max: usize,
    /// How long a member may be without a socket before the others are told that it went, in milliseconds: a page that is loaded
    /// anew goes unnoticed.
    pub presence_grace_ms: u64,
    /// Events that one socket may send to others in a second; 0 for none. When it is reached, the event is refused with 4301.
    pub client_events_per_second_max: u32,
    /// Newcomers that are let in in a second. When it is reached, they wait for their turn; clients that lost their node all come back in
    /// one moment.
    pub handshakes_per_second_max: u32,
    /// How long a newcomer may wait for its turn, in milliseconds. When it is reached, it is closed with 4100 and retries after a second. Clients
    /// show a wait from 10 seconds on, and give up after 15.
    pub handshake_delay_max_ms: u64,
    /// How long a closed socket may take to read what is on its way and to close its side, in milliseconds.
    pub close_timeout_ms: u64,
    /// Over how long a stopping server spreads the closing of its sockets, in milliseconds.
    pub drain_ms: u64,
    /// Whom the application has told what happens in its channels. All nodes have the same ones.
    pub webhooks: Vec<Webhook>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            app_key: "nimaora".to_owned(),
            app_id: "1".to_owned(),
            allowed_origins: Vec::new(),
            app_secret: AppSecret::default(),
            activity_timeout_s: 30,
            ping_grace_s: 5,
            pong_timeout_s: 30,
            board_tick_ms: 250,
            board_poll_ms: 2_000,
            board_top_n: 10,
            sockets_max: 20_000,
            refused_sockets_max: 500,
            outbox_bytes_max: 64 * 1024,
            send_buffer_bytes: 64 * 1024,
            channels_per_socket_max: 20,
            subscribe_timeout_ms: 5_000,
            message_bytes_max: 16 * 1024,
            store_timeout_ms: 2_000,
            appear_timeout_ms: 1_000,
            alerts_page_max: 100,
            missed_alerts_age_max_s: 120,
            missed_alerts_max: 100,
            sign_of_life_ms: 25_000,
            subscription_counts: false,
            presence_members_max: 100,
            presence_grace_ms: 3_000,
            client_events_per_second_max: 10,
            handshakes_per_second_max: 2_000,
            handshake_delay_max_ms: 8_000,
            close_timeout_ms: 5_000,
            drain_ms: 1_000,
            webhooks: Vec::new(),
        }
    }
}

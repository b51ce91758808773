//! What a participant's socket tells, through any restart of the server, with the signs of life that keep the participant in play.

use std::time::Duration;

use nimaora_api::v1::{HeartbeatRequest, ListAttacksRequest};
use serde_json::Value;
use tokio::signal;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tonic::Code;

use super::session::Session;
use super::{ClientError, Server};
use crate::client::{Event, PusherSocket, SocketError, with_token};

/// How often the server is told that the participant is still there; after three times as long it lapses.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);
/// The longest pause before the server is tried again, in milliseconds. Pauses begin at a sixteenth of it and double; up to as
/// much again is added by chance, so that a crowd does not come back at once.
const PAUSE_MAX_MS: u64 = 4_000;

/// Prints what the participant's socket hears until Ctrl-C.
pub(super) async fn watch(server: &Server, player: &str, app_key: &str) -> Result<(), ClientError> {
    let session = Session::load(player)?;
    let mut listener =
        Listener { server, session: &session, app_key, position: 0, pause_ms: PAUSE_MAX_MS / 16 };
    tokio::select! {
        ended = listener.listen() => ended,
        ended = stay_in_play(server, &session) => ended,
        _ = signal::ctrl_c() => Ok(()),
    }
}

/// Sends a sign of life now and then. Ends only when the session may not act any more.
async fn stay_in_play(server: &Server, session: &Session) -> Result<(), ClientError> {
    let mut ticks = interval(HEARTBEAT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let request = with_token(HeartbeatRequest::default(), Some(&session.bearer()?));
        match server.connection.commands().heartbeat(request).await {
            // The participant or its session is gone, or the token has expired.
            Err(status) if matches!(status.code(), Code::Unauthenticated | Code::NotFound) => {
                return Err(status.into());
            }
            // A battle that is over needs no sign of life; a server that is away gets the next one.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Hears one participant's channels.
struct Listener<'a> {
    server: &'a Server,
    session: &'a Session,
    app_key: &'a str,
    /// The position of the last attack that was told; 0 before the first.
    position: u64,
    pause_ms: u64,
}

impl Listener<'_> {
    async fn listen(&mut self) -> Result<(), ClientError> {
        // A first attempt that fails is told at once: the address or the session may be wrong.
        let mut socket = self.connect().await?;
        loop {
            let ended = self.hear(&mut socket).await?;
            super::print(&format!("the socket ended ({ended}); connecting again\n"))?;
            socket = self.connect_again().await?;
            self.tell_missed().await?;
        }
    }

    async fn connect(&self) -> Result<PusherSocket, SocketError> {
        let mut socket = PusherSocket::connect(self.server.authority(), self.app_key).await?;
        let own = format!("private-participant.{}", self.session.participant_id);
        let signature = socket.authorise(&own, &self.session.token).await?;
        socket.subscribe(&own, Some(&signature)).await?;
        socket.subscribe(&format!("battle.{}", self.session.battle_id), None).await?;
        Ok(socket)
    }

    async fn connect_again(&mut self) -> Result<PusherSocket, ClientError> {
        loop {
            let pause_ms = self.pause_ms + fastrand::u64(..self.pause_ms);
            sleep(Duration::from_millis(pause_ms)).await;
            self.pause_ms = PAUSE_MAX_MS.min(2 * self.pause_ms);
            if let Ok(socket) = self.connect().await {
                self.pause_ms = PAUSE_MAX_MS / 16;
                super::print("connected again\n")?;
                return Ok(socket);
            }
        }
    }

    /// Prints events until the socket ends; answers why it did.
    async fn hear(&mut self, socket: &mut PusherSocket) -> Result<SocketError, ClientError> {
        loop {
            let event = match socket.next_event().await {
                Ok(event) => event,
                Err(error) => return Ok(error),
            };
            if !self.is_repeat(&event)
                && let Some(line) = heard(&event)
            {
                super::print(&line)?;
            }
        }
    }

    /// Whether an attack was told before; else it counts as told now.
    fn is_repeat(&mut self, event: &Event) -> bool {
        if event.name != "attack.received" {
            return false;
        }
        let data: Value = event.read().unwrap_or_default();
        let position = data["position"].as_u64().unwrap_or(0);
        let repeat = position <= self.position;
        self.position = self.position.max(position);
        repeat
    }

    /// Tells the attacks that landed while there was no socket.
    async fn tell_missed(&mut self) -> Result<(), ClientError> {
        if self.position == 0 {
            return Ok(());
        }
        let asked = ListAttacksRequest {
            battle_id: self.session.battle_id.clone(),
            participant_id: self.session.participant_id.clone(),
            after_position: self.position,
            ..ListAttacksRequest::default()
        };
        let request = with_token(asked, Some(&self.session.bearer()?));
        // What cannot be read now may be read after the next connection.
        let Ok(missed) = self.server.connection.queries().list_attacks(request).await else { return Ok(()) };
        for attack in missed.into_inner().attacks {
            if attack.position > self.position {
                self.position = attack.position;
                super::print(&attacked(&attack.attacker, attack.blocked, attack.points_lost.into()))?;
            }
        }
        Ok(())
    }
}

/// An event as a line. The protocol's own are passed over.
fn heard(event: &Event) -> Option<String> {
    let data: Value = event.read().unwrap_or_default();
    let number = |name: &str| data[name].as_u64().unwrap_or(0);
    match event.name.as_str() {
        "attack.received" => {
            let attacker = data["attacker"].as_str().unwrap_or("somebody");
            Some(attacked(attacker, data["blocked"] == true, number("points_lost")))
        }
        "leaderboard.updated" => Some(format!("board: {}\n", places(&data["entries"]))),
        "score.changed" => {
            let (points, shields, arrows) = (number("points"), number("shields"), number("arrows"));
            Some(format!("You hold {points} points, {shields} shields, {arrows} arrows.\n"))
        }
        "battle.started" => Some("The battle has started.\n".to_owned()),
        "battle.finished" => Some("The battle is over; its standings are final.\n".to_owned()),
        name if name.starts_with("pusher_internal:") => None,
        name => Some(format!("{name} {}\n", event.data)),
    }
}

fn attacked(attacker: &str, blocked: bool, points_lost: u64) -> String {
    match blocked {
        true => format!("You were attacked by {attacker}! A shield blocked it.\n"),
        false => format!("You were attacked by {attacker}! You lost {points_lost} points.\n"),
    }
}

fn places(entries: &Value) -> String {
    let entries = entries.as_array().map_or([].as_slice(), Vec::as_slice);
    let place = |entry: &Value| {
        format!("{} {} ({})", entry["rank"], entry["username"].as_str().unwrap_or("?"), entry["points"])
    };
    entries.iter().map(place).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), channel: None, data: data.to_owned() }
    }

    #[test]
    fn an_attack_is_told_in_words() {
        let attack = |data: &str| heard(&event("attack.received", data)).unwrap();
        let landed = attack(r#"{"attacker":"ada","blocked":false,"points_lost":5}"#);
        assert_eq!(landed, "You were attacked by ada! You lost 5 points.\n");
        let blocked = attack(r#"{"attacker":"ada","blocked":true,"points_lost":0}"#);
        assert_eq!(blocked, "You were attacked by ada! A shield blocked it.\n");
    }

    #[test]
    fn a_score_is_told_in_words() {
        let told = heard(&event("score.changed", r#"{"points":4,"shields":1,"arrows":0,"position":9}"#));
        assert_eq!(told.unwrap(), "You hold 4 points, 1 shields, 0 arrows.\n");
    }

    #[test]
    fn a_board_is_told_in_one_line() {
        let data =
            r#"{"entries":[{"rank":1,"username":"ada","points":9},{"rank":2,"username":"bob","points":3}]}"#;
        let told = heard(&event("leaderboard.updated", data));
        assert_eq!(told.unwrap(), "board: 1 ada (9), 2 bob (3)\n");
    }
}

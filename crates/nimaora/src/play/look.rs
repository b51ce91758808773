//! What can be seen: the board, the questions, and what a socket tells.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use nimaora_api::v1::{GetLeaderboardRequest, GetLeaderboardResponse, ListQuestionsRequest, QuestionKind};
use serde_json::Value;
use tokio::signal;

use super::session::Session;
use super::{ClientError, Server};
use crate::client::{Event, PusherSocket, with_token};

/// The longest board that a query answers.
const BOARD_LINES_MAX: u32 = 1_000;
/// Lines of the board that are printed.
const BOARD_LINES: u32 = 20;

pub(super) async fn board(server: &Server, battle: &str) -> Result<String, ClientError> {
    let battle = server.battle(battle).await?;
    let board = leaderboard(server, battle.id, BOARD_LINES).await?;
    let mut table = table(["rank", "player", "points"]);
    for entry in board.entries {
        table.add_row([entry.rank.to_string(), entry.username, entry.points.to_string()]);
    }
    Ok(format!("'{}', {} participants\n{table}\n", battle.title, board.total))
}

pub(super) async fn questions(server: &Server, battle: &str) -> Result<String, ClientError> {
    let battle_id = server.battle(battle).await?.id;
    let asked = ListQuestionsRequest { battle_id, ..ListQuestionsRequest::default() };
    let listed = server.connection.queries().list_questions(with_token(asked, None)).await?.into_inner();
    if listed.questions.is_empty() {
        return Ok("no question is open yet\n".to_owned());
    }
    let mut table = table(["number", "kind", "question", "choices"]);
    for question in listed.questions {
        let kind = kind(question.kind());
        let choices = (1..).zip(&question.choices).map(|(number, choice)| format!("{number} {choice}"));
        let choices: Vec<String> = choices.collect();
        table.add_row([question.id.to_string(), kind.to_owned(), question.prompt, choices.join("\n")]);
    }
    Ok(format!("{table}\n"))
}

fn kind(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Choice => "choice",
        QuestionKind::Text => "text",
        QuestionKind::Number => "number",
        QuestionKind::External => "judged",
        QuestionKind::Unspecified => "?",
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// The id of the participant of this name; an id stays as it is.
pub(super) async fn participant(
    server: &Server,
    battle_id: &str,
    named: &str,
) -> Result<String, ClientError> {
    if uuid::Uuid::try_parse(named).is_ok() {
        return Ok(named.to_owned());
    }
    let board = leaderboard(server, battle_id.to_owned(), BOARD_LINES_MAX).await?;
    let wanted = named.to_lowercase();
    let found = board.entries.into_iter().find(|entry| entry.username.to_lowercase() == wanted);
    found.map(|entry| entry.participant_id).ok_or_else(|| ClientError::NoSuchPlayer(named.to_owned()))
}

async fn leaderboard(
    server: &Server,
    battle_id: String,
    limit: u32,
) -> Result<GetLeaderboardResponse, ClientError> {
    let asked = GetLeaderboardRequest { battle_id, limit, ..GetLeaderboardRequest::default() };
    Ok(server.connection.queries().get_leaderboard(with_token(asked, None)).await?.into_inner())
}

/// Prints what the participant's socket hears until Ctrl-C.
pub(super) async fn watch(server: &Server, player: &str, app_key: &str) -> Result<(), ClientError> {
    let session = Session::load(player)?;
    let mut socket = PusherSocket::connect(server.authority(), app_key).await?;
    let own = format!("private-participant.{}", session.participant_id);
    let signature = socket.authorise(&own, &session.token).await?;
    socket.subscribe(&own, Some(&signature)).await?;
    socket.subscribe(&format!("battle.{}", session.battle_id), None).await?;
    let hear = async {
        loop {
            let event = socket.next_event().await?;
            if let Some(line) = heard(&event) {
                super::print(&line)?;
            }
        }
    };
    tokio::select! {
        ended = hear => ended,
        _ = signal::ctrl_c() => Ok(()),
    }
}

/// An event as a line: attacks and boards in words, others as they came. The protocol's own are passed over.
fn heard(event: &Event) -> Option<String> {
    let data: Value = event.read().unwrap_or_default();
    let attacker = data["attacker"].as_str().unwrap_or("somebody");
    match event.name.as_str() {
        "attack.received" if data["blocked"] == true => {
            Some(format!("You were attacked by {attacker}! A shield blocked it.\n"))
        }
        "attack.received" => {
            Some(format!("You were attacked by {attacker}! You lost {} points.\n", data["points_lost"]))
        }
        "leaderboard.updated" => Some(format!("board: {}\n", places(&data["entries"]))),
        name if name.starts_with("pusher_internal:") => None,
        name => Some(format!("{name} {}\n", event.data)),
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

    #[test]
    fn an_attack_is_told_in_words() {
        let event =
            |data: &str| Event { name: "attack.received".to_owned(), channel: None, data: data.to_owned() };
        let landed = heard(&event(r#"{"attacker":"ada","blocked":false,"points_lost":5}"#)).unwrap();
        assert_eq!(landed, "You were attacked by ada! You lost 5 points.\n");
        let blocked = heard(&event(r#"{"attacker":"ada","blocked":true,"points_lost":0}"#)).unwrap();
        assert_eq!(blocked, "You were attacked by ada! A shield blocked it.\n");
    }

    #[test]
    fn a_board_is_told_in_one_line() {
        let data =
            r#"{"entries":[{"rank":1,"username":"ada","points":9},{"rank":2,"username":"bob","points":3}]}"#;
        let event = Event { name: "leaderboard.updated".to_owned(), channel: None, data: data.to_owned() };
        assert_eq!(heard(&event).unwrap(), "board: 1 ada (9), 2 bob (3)\n");
    }
}

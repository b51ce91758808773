//! What can be seen: the board and the questions.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use nimaora_api::v1::{GetLeaderboardRequest, GetLeaderboardResponse, ListQuestionsRequest, QuestionKind};

use super::{ClientError, Server};
use crate::client::with_token;

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

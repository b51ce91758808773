//! `nimaora audit erase`: a participant's name is shown no more, and what it could be read with in the log is destroyed. It goes through
//! the running server, which alone appends. What is told to the log stays there as the record of who was erased, when and why.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use nimaora_api::v1::{EraseNameRequest, EraseNameResponse, GetParticipantRequest};
use nimaora_domain::{BattleId, ParticipantId};
use tonic::metadata::{Ascii, MetadataValue};

use super::error::AuditError;
use super::{battle_id, print};
use crate::client::{command_id, with_token};
use crate::play::{Admin, ClientError, Server};

/// What has to be typed when it is asked for.
const WORD: &str = "erase";
/// The longest wait until queries show what was done, in milliseconds.
const SHOW_WAIT_MS: u32 = 5_000;

/// What `nimaora audit erase` is asked.
#[derive(Args, Debug)]
pub(super) struct EraseArgs {
    /// The battle's id.
    #[arg(value_parser = battle_id)]
    battle: BattleId,
    /// The participant's id. A name will not do: it may be somebody else's in another spelling.
    participant: ParticipantId,
    /// Why, in 1 to 200 characters. It stays in the log for ever, so do not name the participant.
    #[arg(long)]
    reason: String,
    /// Erase without asking.
    #[arg(long)]
    yes: bool,
    /// The server; one with the role 'command'.
    #[arg(long, env = "NIMAORA_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    #[command(flatten)]
    admin: Admin,
}

pub(super) async fn run(args: EraseArgs) -> Result<(), AuditError> {
    let token = args.admin.bearer()?;
    let server = Server::connect(args.server.clone()).await?;
    if !args.yes {
        confirm(&args, shown(&server, &args, &token, 0).await?.as_deref())?;
    }
    let request = EraseNameRequest {
        command_id: command_id(),
        battle_id: args.battle.to_string(),
        participant_id: args.participant.to_string(),
        reason: args.reason.clone(),
    };
    let call = server.connection.commands().erase_name(with_token(request, Some(&token))).await;
    let erased = call.map_err(ClientError::from)?.into_inner();
    // What is erased is erased; whether it is seen already is another matter, which no failure of a query hides.
    let seen = shown(&server, &args, &token, erased.position).await.ok().flatten();
    print(&told(&args, &erased, seen.as_deref() == Some(&erased.shown)))
}

/// What the participant is called where queries can see it as of the position.
async fn shown(
    server: &Server,
    args: &EraseArgs,
    token: &MetadataValue<Ascii>,
    min_position: u64,
) -> Result<Option<String>, AuditError> {
    let request = GetParticipantRequest {
        battle_id: args.battle.to_string(),
        participant_id: args.participant.to_string(),
        min_position,
        wait_ms: SHOW_WAIT_MS,
    };
    let call = server.connection.queries().get_participant(with_token(request, Some(token))).await;
    let found = call.map_err(ClientError::from)?.into_inner();
    Ok(found.participant.map(|participant| participant.username))
}

/// A slip of the hand cannot be taken back, so it takes a word.
fn confirm(args: &EraseArgs, name: Option<&str>) -> Result<(), AuditError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(AuditError::NotConfirmed("there is no terminal to ask on; say --yes"));
    }
    let name = name.map(super::printable).unwrap_or_default();
    let question = format!(
        "The name '{name}' of participant {} in battle {} is erased for ever. Type '{WORD}' to go on: ",
        args.participant, args.battle
    );
    print(&question)?;
    std::io::stdout().flush().map_err(AuditError::Output)?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(AuditError::Input)?;
    match answer.trim() == WORD {
        true => Ok(()),
        false => Err(AuditError::NotConfirmed("something else was typed")),
    }
}

fn told(args: &EraseArgs, erased: &EraseNameResponse, seen: bool) -> String {
    let before = if erased.repeated { "was erased before" } else { "is erased" };
    let mut text = format!(
        "the name of participant {} {before}, as the log says at position {}; it is shown as '{}'\n",
        args.participant, erased.position, erased.shown
    );
    if erased.in_clear {
        text += "note: it stands in the log in clear, because it is older than sealed names, or the log is one of KurrentDB; who reads the log can read it\n";
    }
    if !seen {
        text += "note: the tables do not show that yet\n";
    }
    text
}

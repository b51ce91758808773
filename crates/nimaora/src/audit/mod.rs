//! `nimaora audit`: what an auditor asks of the log, and what proves that the read models say the same.
//!
//! | module | what it holds |
//! |---|---|
//! | `source` | where the log is: in files, in a service, or with a running server |
//! | `remote` | what a running server is asked |
//! | `service` | what a running server answers: `AuditService` |
//! | `stores` | the log, the tables and the leaderboard, opened as the settings name them |
//! | `walk` | streams read in pages, each event checked against the chain and folded |
//! | `verify` | `audit verify`: the whole log, then each battle against the read models |
//! | `compare` | one battle's fold against its rows and its board |
//! | `rows` | the rows of answers and attacks, beside the log |
//! | `sent` | what realtime last sent, against the fold |
//! | `replay` | `audit replay`: standings at a point of the past, and a participant's story |
//! | `story` | an event in words |
//! | `export` | `audit export`: a battle's stream in a file that a killed export goes on with |
//! | `files` | regular files, read and written |
//! | `parquet` | the same events as a Parquet file |
//! | `ndjson` | an event as a line of such a file, and back |
//! | `receipt` | `audit receipt` and `audit check-receipt`: a signed statement of a result |
//! | `tail` | `audit tail`: events as they come |
//! | `held` | the battles that it holds |
//! | `erase` | `audit erase`: a name that is to be shown no more |
//! | `error` | [`AuditError`]: differs, or could not be checked |
//!
//! Nothing here writes to the log or to a read model; an erasure is asked of the server. Nothing in a local folder is changed, so that it may
//! lie on a disk that takes no writes.

mod compare;
mod erase;
mod error;
mod export;
mod files;
mod held;
mod ndjson;
mod parquet;
mod receipt;
mod remote;
mod replay;
mod rows;
mod sent;
mod service;
mod source;
mod stores;
mod story;
mod tail;
mod verify;
mod walk;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use nimaora_domain::BattleId;

pub use error::AuditError;

pub(crate) use service::AuditAdmin;

use self::source::SourceArgs;

/// What `nimaora audit` is asked.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    ask: Ask,
}

#[derive(Subcommand, Debug)]
enum Ask {
    /// The standings at any point of the past, or the story of one participant.
    Replay(replay::ReplayArgs),
    /// Proves that the log is unbroken and that tables and boards say what it says. Exit code 0: clean, 1: something differs, 2: it
    /// could not be checked.
    Verify(verify::VerifyArgs),
    /// Writes a battle's events to a file, as lines of JSON or as Parquet. An export that was killed is gone on with.
    Export(export::ExportArgs),
    /// Signs the head hash, the position and the standings of a battle.
    Receipt(receipt::ReceiptArgs),
    /// Checks a receipt with the public key alone, and against the events themselves where they are given.
    CheckReceipt(receipt::CheckArgs),
    /// Prints events as they come.
    Tail(tail::TailArgs),
    /// Erases a participant's name for ever, through a running server. Results, hashes and receipts stay as they are.
    Erase(erase::EraseArgs),
}

/// The battle whose events are asked for, and where they are.
#[derive(Args, Debug)]
struct BattleArgs {
    /// The battle's id.
    #[arg(value_parser = battle_id)]
    battle: BattleId,
    #[command(flatten)]
    source: SourceArgs,
}

/// A battle by its id, or by the name of its stream, as `tail` and exports show it.
fn battle_id(text: &str) -> Result<BattleId, String> {
    let id = text.strip_prefix(BattleId::STREAM_PREFIX).unwrap_or(text);
    id.parse().map_err(|_| "it is neither a battle's id, a UUID, nor the name of its stream".to_owned())
}

/// Does what is asked.
///
/// # Errors
/// [`AuditError::Differs`] when something is not what the log says, any other when it could not be checked.
pub async fn run(args: AuditArgs) -> Result<(), AuditError> {
    match args.ask {
        Ask::Replay(args) => replay::run(args).await,
        Ask::Verify(args) => verify::run(args).await,
        Ask::Export(args) => export::run(args).await,
        Ask::Receipt(args) => receipt::run(args).await,
        Ask::CheckReceipt(args) => receipt::check(&args),
        Ask::Tail(args) => tail::run(args).await,
        Ask::Erase(args) => erase::run(args).await,
    }
}

fn print(text: &str) -> Result<(), AuditError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(AuditError::Output)
}

/// What players type is not always meant for a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn print_json(value: &serde_json::Value) -> Result<(), AuditError> {
    print(&format!("{value:#}\n"))
}

/// What went wrong with a file.
fn file_error(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> AuditError {
    let path: PathBuf = path.to_owned();
    move |source| AuditError::File { action, path, source }
}

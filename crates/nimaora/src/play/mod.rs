//! `nimaora client`: one call of the public API each, for a first battle by hand and for scripts.
//!
//! | module | what it holds |
//! |---|---|
//! | `admin` | what needs the admin token: create, start, finish |
//! | `player` | what a participant does: join, answer, attack |
//! | `look` | what anybody may see: board, questions |
//! | `watch` | what a participant's socket tells |
//! | `session` | a participant's token between two calls |
//! | `error` | [`ClientError`] |

mod admin;
mod error;
mod look;
mod player;
mod session;
mod watch;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use nimaora_api::v1::{Battle, GetBattleRequest, get_battle_request};

use crate::client::{Connection, with_token};
pub use error::ClientError;

/// What to say to which server.
#[derive(Args, Debug)]
pub struct ClientArgs {
    /// The server.
    #[arg(long, global = true, env = "NIMAORA_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    #[command(subcommand)]
    call: Call,
}

#[derive(Subcommand, Debug)]
enum Call {
    /// Creates a battle with ten questions and prints its id and join code. Needs the admin token.
    CreateBattle {
        /// What the players see.
        #[arg(long, default_value = "First battle")]
        title: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Starts a battle. Needs the admin token.
    Start {
        /// The battle's id or join code.
        battle: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Ends a battle; its standings are final. Needs the admin token.
    Finish {
        /// The battle's id or join code.
        battle: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Joins a battle and keeps the token in the file NAME.session for the other calls.
    Join {
        /// The battle's id or join code.
        battle: String,
        /// The wanted name.
        name: String,
    },
    /// Answers a question.
    Answer {
        /// Who answers: the name of a session file.
        #[arg(long = "as", value_name = "NAME")]
        player: String,
        /// The question's number, from 1.
        question: u32,
        /// The answer; for a choice its number, from 1.
        answer: String,
    },
    /// Spends an arrow on another participant.
    Attack {
        /// Who attacks: the name of a session file.
        #[arg(long = "as", value_name = "NAME")]
        player: String,
        /// Whom: a name on the board, or a participant's id.
        target: String,
    },
    /// Prints what a participant's socket hears, attacks and boards, until Ctrl-C, and keeps the participant from lapsing.
    /// Connects again when the server was away.
    Watch {
        /// Who listens: the name of a session file.
        #[arg(long = "as", value_name = "NAME")]
        player: String,
        /// The key of the application that the server was configured with.
        #[arg(long, default_value = crate::client::APP_KEY)]
        app_key: String,
    },
    /// Prints the board.
    Board {
        /// The battle's id or join code.
        battle: String,
    },
    /// Prints the questions that are open or were.
    Questions {
        /// The battle's id or join code.
        battle: String,
    },
}

/// Where the admin token is.
#[derive(Args, Debug)]
pub(crate) struct Admin {
    /// The admin token itself; else it is read from the file.
    #[arg(long = "admin-token", global = true, env = "NIMAORA_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The file that the server keeps its admin token in.
    #[arg(
        long = "admin-token-file",
        global = true,
        default_value = "./data/admin-token",
        value_name = "FILE"
    )]
    file: PathBuf,
}

/// Makes the call and prints the answer.
///
/// # Errors
/// [`ClientError`]: the server is not there, or refused, and why.
pub async fn run(args: ClientArgs) -> Result<(), ClientError> {
    let server = Server::connect(args.server).await?;
    let text = match args.call {
        Call::CreateBattle { title, admin } => admin::create(&server, title, &admin).await?,
        Call::Start { battle, admin } => admin::start(&server, &battle, &admin).await?,
        Call::Finish { battle, admin } => admin::finish(&server, &battle, &admin).await?,
        Call::Join { battle, name } => player::join(&server, &battle, &name).await?,
        Call::Answer { player, question, answer } => {
            player::answer(&server, &player, question, answer).await?
        }
        Call::Attack { player, target } => player::attack(&server, &player, &target).await?,
        Call::Watch { player, app_key } => return watch::watch(&server, &player, &app_key).await,
        Call::Board { battle } => look::board(&server, &battle).await?,
        Call::Questions { battle } => look::questions(&server, &battle).await?,
    };
    print(&text)
}

pub(crate) fn print(text: &str) -> Result<(), ClientError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(ClientError::Output)
}

/// The longest wait until queries show what was done, in milliseconds.
const SHOW_WAIT_MS: u32 = 5_000;

/// The server that is spoken to.
pub(crate) struct Server {
    pub(crate) connection: Connection,
    url: String,
}

impl Server {
    /// Connects to a server at an `http://` URL.
    pub(crate) async fn connect(url: String) -> Result<Self, ClientError> {
        if url.contains('@') {
            return Err(ClientError::Password);
        }
        if !url.starts_with("http://") {
            return Err(ClientError::Scheme(url));
        }
        match Connection::open(&url).await {
            Ok(connection) => Ok(Self { connection, url }),
            Err(error) => Err(ClientError::connect(url, &error)),
        }
    }

    /// HOST:PORT.
    fn authority(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Waits until queries show what happened at `position`, so that the next call sees it. What was done is done, so a wait in
    /// vain is no failure.
    async fn shows(&self, battle_id: &str, position: u64) {
        let battle = Some(get_battle_request::Battle::BattleId(battle_id.to_owned()));
        let asked = GetBattleRequest { battle, min_position: position, wait_ms: SHOW_WAIT_MS };
        let _ = self.connection.queries().get_battle(with_token(asked, None)).await;
    }

    /// The battle with this id or join code.
    async fn battle(&self, named: &str) -> Result<Battle, ClientError> {
        let battle = match uuid::Uuid::try_parse(named) {
            Ok(_) => get_battle_request::Battle::BattleId(named.to_owned()),
            Err(_) => get_battle_request::Battle::JoinCode(named.to_owned()),
        };
        let asked = GetBattleRequest { battle: Some(battle), ..GetBattleRequest::default() };
        let found = self.connection.queries().get_battle(with_token(asked, None)).await?;
        found.into_inner().battle.ok_or(ClientError::Empty)
    }
}

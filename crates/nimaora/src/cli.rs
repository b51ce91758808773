//! The command line: what can be asked, and what is answered when it fails.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::audit::{self, AuditArgs, AuditError};
use crate::config::{Config, ConfigError, Problem, Role, Sources};
use crate::demo::{self, DemoArgs, DemoError};
use crate::dev::{self, DevArgs, DevError};
use crate::load::{self, LoadArgs, LoadError};
use crate::play::{self, ClientArgs, ClientError};
use crate::projections::{self, ProjectionsArgs};
use crate::serve::{self, ServeError};

/// The exit code for arguments and settings that cannot be used (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

/// The exit code of an audit that could not check what it was asked to.
const EXIT_NOT_CHECKED: u8 = 2;

/// How long a server that has stopped waits for threads that still read or write. Then the process ends without them, which loses
/// no more than a crash does.
const LEFT_OVER_TIMEOUT: Duration = Duration::from_secs(1);

/// Live battles: players answer, attack each other and see it at once.
#[derive(Parser, Debug)]
#[command(name = "nimaora", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Begin with 'nimaora demo', then 'nimaora serve' and 'nimaora client --help'.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs a server: every role on one port, everything kept in one folder.
    ///
    /// Settings come from defaults, then --config FILE, then the environment (NIMAORA_REALTIME__BOARD_TICK_MS sets
    /// realtime.board_tick_ms), then flags. SIGTERM and SIGINT drain the server; a second one ends it at once.
    Serve(Settings),
    /// Shows a battle of bots in the terminal, on a server of its own in a temporary folder.
    Demo(DemoArgs),
    /// Speaks to a running server: creates battles, joins, answers, attacks, watches.
    Client(ClientArgs),
    /// Plays with many virtual players against a running server, measures it, and verifies the result.
    Load(Box<LoadArgs>),
    /// Says how far the projections of a running server are, and which events they could not project.
    Projections(ProjectionsArgs),
    /// Proves what is in the log and in the read models, and shows any point of the past.
    Audit(AuditArgs),
    /// What helps to develop against a cluster.
    Dev(DevArgs),
    /// Prints every setting with its value, as TOML. Secrets are hidden.
    Config(Settings),
}

/// Where settings come from.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "NIMAORA_CONFIG")]
    config: Option<PathBuf>,
    /// The address of the one port; port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder where everything is kept; made if need be [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Serves the log over the EventStoreDB protocol there, as 127.0.0.1:2113 [default: not at all].
    #[arg(long, value_name = "HOST:PORT")]
    event_store_listen: Option<String>,
    /// What this process does; may be repeated [default: everything].
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<Role>,
    /// Any setting, as realtime.board_tick_ms=100; may be repeated.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
}

/// The settings that say where the stores are. A tool that serves nothing takes no others.
#[derive(Args, Clone, Debug)]
pub(crate) struct Places {
    /// A TOML file with settings.
    #[arg(long, value_name = "FILE", env = "NIMAORA_CONFIG")]
    config: Option<PathBuf>,
    /// The folder where everything is kept [default: ./data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Any setting, as stores.log=nats://127.0.0.1:4222; may be repeated.
    #[arg(long, value_name = "SETTING=VALUE")]
    set: Vec<String>,
}

impl Places {
    /// The settings from all of their sources.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        let Self { config, data_dir, set } = self;
        let (listen, event_store_listen, roles) = (None, None, Vec::new());
        Settings { config, listen, data_dir, event_store_listen, roles, set }.resolve()
    }
}

fn assignment(text: &str) -> Result<(String, String), Problem> {
    match text.split_once('=') {
        Some((setting, value)) => Ok((setting.trim().to_owned(), value.trim().to_owned())),
        None => {
            let what = format!("'{text}' is not of the form SETTING=VALUE");
            Err(Problem { source: "flag --set".to_owned(), what })
        }
    }
}

impl Settings {
    /// The settings from all of their sources.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        let named = [
            ("listen", self.listen),
            ("data_dir", self.data_dir),
            ("event_store.listen", self.event_store_listen),
        ];
        let (mut flags, mut found) = (Vec::new(), Vec::new());
        for text in &self.set {
            match assignment(text) {
                Ok(flag) => flags.push(flag),
                Err(problem) => found.push(problem),
            }
        }
        if !self.roles.is_empty() {
            let names: Vec<_> = self.roles.iter().map(|role| format!("'{}'", role.name())).collect();
            flags.push(("roles".to_owned(), format!("[{}]", names.join(", "))));
        }
        flags.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let resolved = Sources { file: self.config, flags, ..Sources::from_environment() }.resolve();
        if found.is_empty() {
            return resolved;
        }
        if let Err(ConfigError(others)) = resolved {
            found.extend(others);
        }
        Err(ConfigError(found))
    }
}

/// Why the program failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Dev(#[from] DevError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the load ended, and what the server says does not agree with what its players were told")]
    NotVerified,
    #[error("cannot print the settings: {0}")]
    Print(#[from] toml::ser::Error),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Audit(AuditError::Config(_) | AuditError::At(_) | AuditError::Range { .. }) => EXIT_USAGE,
            Self::Audit(error) if error.differs() => 1,
            Self::Audit(_) => EXIT_NOT_CHECKED,
            Self::Serve(_)
            | Self::Demo(_)
            | Self::Dev(_)
            | Self::Client(_)
            | Self::Load(_)
            | Self::NotVerified
            | Self::Print(_)
            | Self::Runtime(_)
            | Self::Output(_) => 1,
        }
    }
}

/// Reads the arguments of this process, does what they ask, and answers the exit code: 0 when it went well, 64 when arguments
/// or settings cannot be used, 2 for an audit that could not be made, 1 for anything else.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Help that nobody can read is no reason to fail.
            let _ = error.print();
            return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    choose_cryptography();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "nimaora: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Says which cryptography TLS stands on. Clients of stores would have to guess where two are built in, and panic then.
fn choose_cryptography() {
    // Nobody was before us.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Config(settings) => {
            let text = settings.resolve()?.to_toml_without_secrets()?;
            std::io::stdout().write_all(text.as_bytes()).map_err(Failure::Output)
        }
        Command::Serve(settings) => {
            let config = settings.resolve()?;
            let runtime = runtime()?;
            let served = runtime.block_on(serve::run::run(config));
            // A server that is stopped while it opens its log must not wait for the whole log to be read.
            runtime.shutdown_timeout(LEFT_OVER_TIMEOUT);
            served.map_err(Failure::Serve)
        }
        Command::Demo(args) => runtime()?.block_on(demo::run(args)).map_err(Failure::Demo),
        Command::Audit(args) => runtime()?.block_on(audit::run(args)).map_err(Failure::Audit),
        Command::Dev(args) => runtime()?.block_on(dev::run(args)).map_err(Failure::Dev),
        Command::Client(args) => runtime()?.block_on(play::run(args)).map_err(Failure::Client),
        Command::Projections(args) => runtime()?.block_on(projections::run(args)).map_err(Failure::Client),
        Command::Load(args) => match runtime()?.block_on(load::run(*args))? {
            true => Ok(()),
            false => Err(Failure::NotVerified),
        },
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("nimaora")
        .build()
        .map_err(Failure::Runtime)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_set_settings() {
        let cli = Cli::try_parse_from([
            "nimaora",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--set",
            "realtime.board_tick_ms=5",
        ]);
        let Command::Serve(settings) = cli.unwrap().command else { panic!("not serve") };
        let config = settings.resolve().unwrap();
        assert_eq!(config.realtime.board_tick_ms, 5);
        assert_eq!(config.listen.to_string(), "127.0.0.1:0");
    }

    #[test]
    fn an_assignment_has_an_equals_sign() {
        assert!(assignment("a.b").unwrap_err().what.contains("'a.b' is not of the form SETTING=VALUE"));
        assert_eq!(assignment("a.b = c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
    }
}

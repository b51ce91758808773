//! `nimaora demo`: a server in a temporary folder and a battle of bots, which reach it as any client would: commands over gRPC,
//! boards and alerts over WebSockets. A person can play along in a browser; then battle follows battle.
//!
//! | module | what it holds |
//! |---|---|
//! | `stage` | the battle from its creation to its end |
//! | `bot` | one player: what it does, and what its socket tells it |
//! | `guests` | the people who play along |
//! | `onlookers` | whether somebody has a page open |
//! | `referee` | judges the answers to the question that is judged from outside |
//! | `scene` | what has happened so far, for the screen |
//! | `screen` | the board in the terminal, or lines where there is none |
//! | `summary` | the final standings |

mod bot;
mod error;
mod guests;
mod onlookers;
mod referee;
mod scene;
mod screen;
mod stage;
mod summary;

use std::io::Write;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use nimaora_runtime::telemetry;

use crate::config::Config;
use crate::serve::{self, Server};
use crate::signals::Signals;
use stage::Round;

pub use error::DemoError;

/// What is logged while the screen shows the battle: nothing but what is wrong.
const LOG_FILTER: &str = "error";
/// The most bots: each holds a socket, and both ends are files of this process.
const PLAYERS_MAX: i64 = 1_000;
/// The shortest battle that there is something to see of, and the longest.
const DURATION_MIN: Duration = Duration::from_secs(2);
const DURATION_MAX: Duration = Duration::from_secs(60 * 60);
/// How long a battle that people see lasts at least.
const WITH_GUESTS: Duration = Duration::from_secs(90);
/// For how long people can join a battle that follows another one before it starts.
const GATHERING: Duration = Duration::from_secs(10);

/// How the battle of bots is.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// How many bots play.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=PLAYERS_MAX))]
    players: u32,
    /// How long they play, as 24s or 2m.
    #[arg(long, default_value = "24s", value_parser = duration)]
    duration: Duration,
    /// What the bots' choices follow from; drawn when left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Let battle follow battle until Ctrl-C; otherwise they do as long as somebody plays along or looks on in a browser.
    #[arg(long)]
    keep: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    match Duration::try_from(parsed) {
        Ok(duration) if (DURATION_MIN..=DURATION_MAX).contains(&duration) => Ok(duration),
        Ok(_) | Err(_) => Err("it must be between 2s and 1h".to_owned()),
    }
}

/// Shows a battle to its end, and more as long as people play along. Ctrl-C ends it early. The temporary folder is removed in either case.
///
/// # Errors
/// [`DemoError`]: the server did not start, or did not do what a bot cannot do without.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let mut signals = Signals::new().map_err(DemoError::Signal)?;
    telemetry::init_logs(LOG_FILTER, telemetry::LogFormat::Text)?;
    let folder = tempfile::Builder::new().prefix("nimaora-demo-").tempdir().map_err(DemoError::Folder)?;
    let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
    config.listen.set_port(0);
    let listener = serve::bind(config.listen)?;
    let server = serve::start(config, listener).await?;
    let ended = tokio::select! {
        ended = show(&args, &server) => ended,
        () = signals.next() => Ok(()),
    };
    screen::restore();
    server.stop().await;
    folder.close().map_err(DemoError::Folder)?;
    ended
}

async fn show(args: &DemoArgs, server: &Server) -> Result<(), DemoError> {
    server.ready().await;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    print(&format!(
        "{} bots play on http://{} (in {}, which is removed at the end; seed {seed})\n\n",
        args.players,
        server.address(),
        server.data_dir().display(),
    ))?;
    let mut round = Round { bots: args.players, duration: args.duration, seed, gathering: Duration::ZERO };
    loop {
        let played = stage::play(round, server).await?;
        print(&summary::text(&played))?;
        if !played.had_company && !args.keep {
            return print(
                "\nTo play against the bots yourself: --keep, and open the address that is told at the beginning.\n",
            );
        }
        let duration = if played.had_company { args.duration.max(WITH_GUESTS) } else { args.duration };
        round = Round { duration, seed: round.seed.wrapping_add(1), gathering: GATHERING, ..round };
        print("\nThe next battle takes joins. Ctrl-C ends the demo.\n")?;
    }
}

fn print(text: &str) -> Result<(), DemoError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(DemoError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_bounds() {
        assert_eq!(duration("24s"), Ok(Duration::from_secs(24)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["1s", "-5s", "2h", "soon", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

//! `nimaora serve`: starts a server, says where it is, and ends it when the system asks.

use std::io::Write;

use nimaora_runtime::telemetry;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::{ServeError, Server, bind, start};
use crate::config::Config;
use crate::signals::Signals;

/// The exit code of a server that a second signal ended before it had drained: 128 and the number of SIGINT.
const EXIT_CUT_OFF: i32 = 130;

/// Runs a server until SIGTERM or SIGINT, then drains it. A second signal ends the process at once.
///
/// # Errors
/// The server did not start.
pub async fn run(config: Config) -> Result<(), ServeError> {
    telemetry::init_logs(&config.telemetry.log_filter, config.telemetry.log_format)?;
    let mut signals = Signals::new()?;
    survive_file_size_limit()?;
    let listener = bind(config.listen)?;
    let server = tokio::select! {
        started = start(config, listener) => started?,
        () = signals.next() => return Ok(()),
    };
    introduce(&server);
    tokio::select! {
        () = async {
            server.ready().await;
            say("ready\n");
            std::future::pending().await
        } => {}
        () = signals.next() => {}
    }
    say("stopping; a second signal ends the server at once\n");
    tokio::select! {
        in_time = server.stop() => {
            if !in_time {
                tracing::warn!("some connections or tasks did not end in time and were cut off");
            }
            say("stopped\n");
        }
        () = signals.next() => std::process::exit(EXIT_CUT_OFF),
    }
    Ok(())
}

/// Lets a write beyond the process's limit of file sizes (`ulimit -f`) fail, as on a full disk; the system would end the
/// process with a signal. The handler stays when what is answered here is dropped.
fn survive_file_size_limit() -> std::io::Result<()> {
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

fn introduce(server: &Server) {
    let data_dir = std::path::absolute(server.data_dir()).unwrap_or_else(|_| server.data_dir().to_owned());
    let token = std::path::absolute(server.admin_token_file()).unwrap_or_else(|_| server.admin_token_file());
    say(&format!(
        "nimaora {} listens on http://{}\n  data folder  {}\n  admin token  {}\n",
        env!("CARGO_PKG_VERSION"),
        server.address(),
        data_dir.display(),
        token.display(),
    ));
    if server.has_arena() {
        say(&format!("  arena        http://{}/ (to play in a browser)\n", server.address()));
    }
    if let Some(address) = server.event_store_address() {
        say(&format!("  event store  kurrentdb://admin:TOKEN@{address}?tls={}\n", server.event_store_tls()));
    }
}

/// To standard output at once. A server whose output nobody reads goes on.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

//! `nimaora load`: virtual players that play a battle against a running server, measure it, and prove the result.
//!
//! | module | what it holds |
//! |---|---|
//! | `args` | what it is asked to do |
//! | `plan` | who does what when: open-loop arrivals in the reference's proportions |
//! | `pacer` | lets arrivals through when they are due |
//! | `crew`, `act`, `listener`, `inbox` | the players: what they do, and what their sockets tell them |
//! | `targets`, `api`, `socket`, `usage` | how they reach the server |
//! | `worker`, `workers`, `link` | one playing process, several of them, and what is said between them |
//! | `facts`, `verify`, `audit` | what players were told, and whether the server agrees |
//! | `leader` | leads all of it through one battle |
//! | `record`, `report`, `screen` | what is measured and shown |
//!
//! Arrivals are open-loop: what is due is sent whatever became of what was sent before, and latency counts from the intended
//! time. Nothing that was due is dropped without being counted.

mod act;
mod api;
mod args;
mod audit;
mod crew;
mod error;
mod facts;
mod inbox;
mod leader;
mod link;
mod listener;
mod pacer;
mod plan;
mod record;
mod report;
mod screen;
mod socket;
mod targets;
#[cfg(test)]
mod tests;
mod time;
mod usage;
mod verify;
mod worker;
mod workers;

use std::io::Write;

pub(crate) use self::args::parse_duration;
pub use self::args::{LoadArgs, Profile};
pub use self::error::LoadError;

/// Runs the load and writes its report. Answers whether everything was verified.
pub async fn run(args: LoadArgs) -> Result<bool, LoadError> {
    if args.worker {
        workers::run_as_worker().await?;
        return Ok(true);
    }
    let failed = |source| LoadError::Io { action: "write the report", source };
    // Before the load and not after it, if it cannot be written. What an earlier one wrote stays until there is another.
    let open = |path| std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let json = args.json.as_ref().map(open).transpose().map_err(failed)?;
    let report = leader::run(&args).await?;
    std::io::stdout().write_all(report.text().as_bytes()).map_err(failed)?;
    if let Some(mut file) = json {
        let json = serde_json::to_vec_pretty(&report)?;
        file.set_len(0).and_then(|()| file.write_all(&json)).map_err(failed)?;
    }
    Ok(report.verified)
}

//! What `nimaora load` is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::error::LoadError;
use crate::client::token;

/// Where the admin token is read from when neither the flag nor the environment says otherwise.
const ADMIN_TOKEN_FILE: &str = "./data/admin-token";
/// The environment variable that holds the admin token itself.
const ADMIN_TOKEN_VARIABLE: &str = "NIMAORA_ADMIN_TOKEN";
/// The most virtual players: as many as a battle's rules may admit.
const USERS_MAX: u32 = 100_000;
/// The most processes.
const PROCESSES_MAX: u32 = 64;

/// Plays a battle with virtual players against a running server, measures it, and proves the result.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// The server, as http://HOST:PORT; of a cluster those that answer queries, with commas.
    #[arg(long, required_unless_present = "worker", value_delimiter = ',', value_name = "URL")]
    pub(super) target: Vec<String>,
    /// Of a cluster those that take commands, with commas; --target when left out.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    pub(super) commands: Vec<String>,
    /// Of a cluster those that serve sockets, with commas; --target when left out.
    #[arg(long, value_delimiter = ',', value_name = "URL")]
    pub(super) sockets: Vec<String>,
    /// Virtual players; each holds a socket.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=i64::from(USERS_MAX)))]
    pub(super) users: u32,
    /// How long the measured phase lasts (500ms, 60s, 5m).
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(super) duration: Duration,
    /// Which traffic is offered.
    #[arg(long, value_enum, default_value_t = Profile::Reference)]
    pub(super) profile: Profile,
    /// Operations a second in total, in the profile's proportions. Without it, the profile's own rate.
    #[arg(long, value_parser = parse_rate)]
    pub(super) rate: Option<f64>,
    /// Joins a minute. Without it, 1,000, raised as --rate raises everything else.
    #[arg(long, value_parser = parse_rate)]
    pub(super) joins_per_minute: Option<f64>,
    /// Processes that share the players; more than 9,000 sockets need several.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(PROCESSES_MAX)))]
    pub(super) processes: u32,
    /// What the arrivals follow from; drawn when left out, and always printed.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Where the report goes as JSON.
    #[arg(long)]
    pub(super) json: Option<PathBuf>,
    /// The file with the admin token; else NIMAORA_ADMIN_TOKEN, else ./data/admin-token.
    #[arg(long)]
    pub(super) admin_token_file: Option<PathBuf>,
    /// The key of the application that sockets name in their path.
    #[arg(long, default_value = crate::client::APP_KEY)]
    pub(super) app_key: String,
    /// Runs as one of several processes, told what to do through standard input.
    #[arg(long, hide = true, exclusive = true)]
    pub(super) worker: bool,
}

/// Which traffic is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Each player acts as often as in the reference: an hour has 10 answers, 30 board queries, 5 attacks, 120 heartbeats.
    Reference,
    /// The same proportions at 50,000 operations a second, which saturates the server or the generator.
    Stress,
}

impl LoadArgs {
    /// The admin token from the flag's file, the environment, or the default file.
    pub(super) fn admin_token(&self) -> Result<String, LoadError> {
        if self.admin_token_file.is_none()
            && let Ok(token) = std::env::var(ADMIN_TOKEN_VARIABLE)
        {
            return Ok(token.trim().to_owned());
        }
        let path = self.admin_token_file.clone().unwrap_or_else(|| ADMIN_TOKEN_FILE.into());
        token::read(&path).map_err(|source| LoadError::AdminToken { path, source })
    }
}

/// The highest rate that can be asked for; no server on earth is that fast.
const RATE_MAX: f64 = 10_000_000.0;

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    let allowed = rate > 0.0 && rate <= RATE_MAX;
    if allowed { Ok(rate) } else { Err(format!("{text} is not above 0 and at most {RATE_MAX}")) }
}

/// A duration as `500ms`, `60s` or `5m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 =
        digits.parse().map_err(|_| format!("'{text}' is no duration such as 500ms, 60s or 5m"))?;
    let duration = match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3_600)),
        unit => return Err(format!("'{unit}' is none of the units ms, s, m, h")),
    };
    if duration.is_zero() { Err("the duration must be longer than 0".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("0s").is_err());
        assert!(parse_duration("5 parsecs").is_err());
    }

    #[test]
    fn a_rate_is_above_zero_and_can_be_counted_to() {
        assert_eq!(parse_rate("2300"), Ok(2300.0));
        assert!(parse_rate("0").is_err());
        assert!(parse_rate("NaN").is_err());
        assert!(parse_rate("1e300").is_err());
    }
}

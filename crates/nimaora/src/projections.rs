//! `nimaora projections`: how far the projections of a running server are, and which events they could not project.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::{ProgressBar, ProgressStyle};
use nimaora_api::v1::{ListParkedEventsRequest, ListProjectionsRequest, ParkedEvent, Projection};
use nimaora_domain::Timestamp;
use tonic::metadata::{Ascii, MetadataValue};

use crate::client::with_token;
use crate::play::{Admin, ClientError, Server, print};

/// How often `status --wait` asks.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// Parked events that are asked for at once.
const PAGE_EVENTS: u32 = 1_000;

/// What to ask which server about its projections.
#[derive(Args, Debug)]
pub struct ProjectionsArgs {
    /// The server; one with the role 'projection'.
    #[arg(long, global = true, env = "NIMAORA_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    #[command(flatten)]
    admin: Admin,
    #[command(subcommand)]
    call: Call,
}

#[derive(Subcommand, Debug)]
enum Call {
    /// Prints every projection with its position and how far it is behind the log.
    List,
    /// Prints how far each projection is behind, in events and in milliseconds.
    Status {
        /// Shows a progress bar until nothing waits any more.
        #[arg(long)]
        wait: bool,
    },
    /// Events that could not be projected.
    #[command(subcommand)]
    Parked(Parked),
}

#[derive(Subcommand, Debug)]
enum Parked {
    /// Prints all of them with the reason, oldest first.
    List,
}

/// A server and the right to ask it.
struct Operator {
    server: Server,
    token: MetadataValue<Ascii>,
}

/// Makes the call and prints the answer.
///
/// # Errors
/// [`ClientError`]: the server is not there, or refused, and why.
pub async fn run(args: ProjectionsArgs) -> Result<(), ClientError> {
    let token = args.admin.bearer()?;
    let operator = Operator { server: Server::connect(args.server).await?, token };
    match args.call {
        Call::List => print(&table(&operator.projections().await?)),
        Call::Status { wait } => {
            let found = if wait { operator.caught_up().await? } else { operator.projections().await? };
            print(&lines(&found))
        }
        Call::Parked(Parked::List) => operator.print_parked().await,
    }
}

impl Operator {
    async fn projections(&self) -> Result<Vec<Projection>, ClientError> {
        let request = with_token(ListProjectionsRequest {}, Some(&self.token));
        Ok(self.server.connection.projections().list_projections(request).await?.into_inner().projections)
    }

    /// Shows how far the projections get, until they have reached the end of the log; answers what they were then.
    async fn caught_up(&self) -> Result<Vec<Projection>, ClientError> {
        let bar = ProgressBar::new(0).with_style(style());
        loop {
            let projections = self.projections().await?;
            bar.set_length(projections.iter().map(|one| one.head_position).sum());
            bar.set_position(projections.iter().map(|one| one.applied_position).sum());
            bar.set_message(projections.iter().map(behind).collect::<Vec<_>>().join(", "));
            if projections.iter().all(|one| one.behind_events == 0) {
                bar.finish_and_clear();
                return Ok(projections);
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    /// Page by page, since there may be thousands.
    async fn print_parked(&self) -> Result<(), ClientError> {
        let mut after_position = 0;
        loop {
            let asked = ListParkedEventsRequest { after_position, limit: PAGE_EVENTS };
            let request = with_token(asked, Some(&self.token));
            let page = self.server.connection.projections().list_parked_events(request).await?.into_inner();
            if page.events.is_empty() && after_position == 0 {
                return print("no event is parked\n");
            }
            print(&page.events.iter().map(parked).collect::<String>())?;
            if page.next_after_position <= after_position {
                return Ok(());
            }
            after_position = page.next_after_position;
        }
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg}");
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn table(projections: &[Projection]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["projection", "position", "log", "behind"]);
    for one in projections {
        let (applied, head) = (one.applied_position.to_string(), one.head_position.to_string());
        table.add_row([one.name.clone(), applied, head, behind(one)]);
    }
    format!("{table}\n")
}

fn lines(projections: &[Projection]) -> String {
    let mut text = String::new();
    for one in projections {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", one.name, behind(one));
    }
    text
}

fn behind(one: &Projection) -> String {
    let more = if one.behind_by_more { "more than " } else { "" };
    format!("{more}{} events and {} ms behind", one.behind_events, one.behind_ms)
}

fn parked(event: &ParkedEvent) -> String {
    let at = event.parked_at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000);
    format!(
        "{} {} revision {} {} parked at {}\n  {}\n",
        event.position,
        printable(&event.stream),
        event.revision,
        printable(&event.event_type),
        Timestamp::from_millis(at),
        printable(&event.reason),
    )
}

/// What stands in the log is not always meant for a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

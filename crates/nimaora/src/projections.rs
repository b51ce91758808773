//! `nimaora projections`: how far the projections of a running server are, which events they could not project, and tables built anew.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::{ProgressBar, ProgressStyle};
use nimaora_api::v1::{
    DiscardParkedEventRequest, ListParkedEventsRequest, ListProjectionsRequest, ParkedEvent, Projection,
    RebuildRequest, RebuildResponse, RebuildResult, RebuildStage,
};
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
    /// Builds the tables anew beside those in use, compares both, and exchanges them when they are the same. Ctrl-C ends it and leaves
    /// the tables in use as they are.
    Rebuild {
        /// The version to build [default: that of the server].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        version: Option<u32>,
        /// Exchanges the tables although they differ, as a new version wants, or events that can be projected now.
        #[arg(long)]
        accept_differences: bool,
    },
    /// Events that could not be projected.
    #[command(subcommand)]
    Parked(Parked),
}

#[derive(Subcommand, Debug)]
enum Parked {
    /// Prints all of them with the reason, oldest first.
    List,
    /// Tries all of them again, which is a rebuild: what came after an event in its battle has to be projected again too. The
    /// tables are exchanged although they differ.
    Retry,
    /// Keeps why an event is nobody's concern any more. It is not counted and alerted on after that.
    Discard {
        /// Its position in the log.
        position: u64,
        /// Why.
        #[arg(long)]
        reason: String,
    },
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
        Call::Rebuild { version, accept_differences } => {
            operator.rebuild(version.unwrap_or_default(), accept_differences).await
        }
        Call::Parked(Parked::List) => operator.print_parked().await,
        Call::Parked(Parked::Retry) => operator.rebuild(0, true).await,
        Call::Parked(Parked::Discard { position, reason }) => operator.discard(position, reason).await,
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

    async fn rebuild(&self, version: u32, accept_differences: bool) -> Result<(), ClientError> {
        let mut request = tonic::Request::new(RebuildRequest { version, accept_differences });
        // Without a time limit: a long log takes as long as it takes.
        request.metadata_mut().insert("authorization", self.token.clone());
        let mut told = self.server.connection.projections().rebuild(request).await?.into_inner();
        let bar = ProgressBar::new(0).with_style(style());
        while let Some(message) = told.message().await? {
            bar.set_length(message.in_use_position);
            bar.set_position(message.position);
            bar.set_message(stage(&message));
            if let Some(result) = message.result {
                bar.finish_and_clear();
                print(&outcome(&result, message.events))?;
                return if result.exchanged { Ok(()) } else { Err(ClientError::TablesDiffer) };
            }
        }
        Err(ClientError::Empty)
    }

    async fn discard(&self, position: u64, reason: String) -> Result<(), ClientError> {
        let request = with_token(DiscardParkedEventRequest { position, reason }, Some(&self.token));
        self.server.connection.projections().discard_parked_event(request).await?;
        print(&format!("the event at position {position} is discarded\n"))
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
    table.load_style(NOTHING).set_header(["projection", "version", "stored", "position", "log", "behind"]);
    for one in projections {
        let (applied, head) = (one.applied_position.to_string(), one.head_position.to_string());
        let (version, stored) = (one.version.to_string(), one.stored_version.to_string());
        table.add_row([one.name.clone(), version, stored, applied, head, behind(one)]);
    }
    format!("{table}\n")
}

fn lines(projections: &[Projection]) -> String {
    let mut text = String::new();
    for one in projections {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}{}", one.name, behind(one), outdated(one));
    }
    text
}

fn stage(message: &RebuildResponse) -> String {
    match message.stage() {
        RebuildStage::Comparing => "comparing".to_owned(),
        RebuildStage::Exchanging => "exchanging".to_owned(),
        RebuildStage::Building | RebuildStage::Unspecified => {
            let behind = message.in_use_position.saturating_sub(message.position);
            format!("{} events read, {behind} positions to go", message.events)
        }
    }
}

fn outcome(result: &RebuildResult, events: u64) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["table", "rows in use", "rows anew"]);
    for one in &result.rows {
        table.add_row([one.table.clone(), one.in_use.to_string(), one.next.to_string()]);
    }
    let mut text = format!("{table}\n");
    for one in &result.differences {
        let column = if one.column.is_empty() { "the row" } else { &one.column };
        let said = |side: &Option<String>| side.as_deref().map_or("nothing".to_owned(), printable);
        let (in_use, next) = (said(&one.in_use), said(&one.next));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {}: {column} is {in_use} in use and {next} anew", one.table, one.key);
    }
    let differing = result.differing;
    let _ = match result.exchanged {
        true => writeln!(text, "{events} events read, {differing} rows differ; the new tables are in use"),
        false => writeln!(
            text,
            "{events} events read, {differing} rows differ; the tables in use are left as they are"
        ),
    };
    text
}

/// Says so where the tables are of another version than the server makes.
fn outdated(one: &Projection) -> String {
    match one.stored_version == one.version {
        true => String::new(),
        false => format!(
            "; its tables are of version {} and this server makes version {}: build them anew with 'rebuild --accept-differences'",
            one.stored_version, one.version
        ),
    }
}

fn behind(one: &Projection) -> String {
    let more = if one.behind_by_more { "more than " } else { "" };
    format!("{more}{} events and {} ms behind", one.behind_events, one.behind_ms)
}

fn parked(event: &ParkedEvent) -> String {
    let at = event.parked_at.map_or(0, |at| at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000);
    let discarded = match event.discarded_at {
        Some(_) => format!("  discarded: {}\n", printable(&event.discard_reason)),
        None => String::new(),
    };
    format!(
        "{} {} revision {} {} parked at {}\n  {}\n{discarded}",
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

//! Which events of the whole log a client wants, by prefixes or by a regular expression with look-around.

use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};
use nimaora_event_log::{Filter, RecordedEvent};
use tonic::Status;

use crate::wire::client::streams::read_req::options::FilterOptions;
use crate::wire::client::streams::read_req::options::filter_options::{Expression, Filter as Looked, Window};

/// How often one expression may go back on one name. What takes longer counts as no match: the client's expression is at fault, and
/// the server goes on.
const BACKTRACKS_MAX: usize = 10_000;
/// The longest expression, in bytes. A longer one is refused.
const REGEX_BYTES_MAX: usize = 4_096;
/// The events between checkpoints where the client does not say.
const CHECKPOINT_EVENTS: u64 = 4_096;

/// What a client wants.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What the log itself looks for.
    pub(crate) in_log: Filter,
    regex: Option<(Field, Regex)>,
    /// A checkpoint is sent after so many events; never without a filter.
    pub(crate) checkpoint_events: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Stream,
    Type,
}

impl Wanted {
    /// One stream.
    pub(crate) fn stream(name: &str) -> Self {
        Self { in_log: Filter::stream_prefix(name), ..Self::default() }
    }

    /// # Errors
    /// The expression is none, or too long.
    pub(crate) fn new(options: FilterOptions) -> Result<Self, Status> {
        let window = match options.window {
            Some(Window::Max(max)) if max > 0 => u64::from(max),
            Some(Window::Count(_)) => 1,
            _ => CHECKPOINT_EVENTS,
        };
        let every = window.saturating_mul(u64::from(options.checkpoint_interval_multiplier.max(1)));
        let mut wanted = Self { checkpoint_events: Some(every), ..Self::default() };
        let (field, expression) = match options.filter {
            Some(Looked::StreamIdentifier(expression)) => (Field::Stream, expression),
            Some(Looked::EventType(expression)) => (Field::Type, expression),
            None => return Ok(wanted),
        };
        let Expression { regex, prefix } = expression;
        wanted.look(field, &regex, &prefix)?;
        Ok(wanted)
    }

    /// Events whose type, or whose stream's name, is like this.
    ///
    /// # Errors
    /// The expression is none, or too long.
    pub(crate) fn like(by_type: bool, regex: &str, prefixes: &[String]) -> Result<Self, Status> {
        let mut wanted = Self::default();
        wanted.look(if by_type { Field::Type } else { Field::Stream }, regex, prefixes)?;
        Ok(wanted)
    }

    fn look(&mut self, field: Field, regex: &str, prefixes: &[String]) -> Result<(), Status> {
        if !prefixes.is_empty() {
            let prefixes: Vec<Arc<str>> = prefixes.iter().map(|prefix| prefix.as_str().into()).collect();
            match field {
                Field::Stream => self.in_log.stream_prefixes = prefixes,
                Field::Type => self.in_log.type_prefixes = prefixes,
            }
        } else if !regex.is_empty() {
            self.regex = Some((field, compile(regex)?));
        }
        Ok(())
    }

    /// Whether the log's own filter may let through what is not wanted.
    pub(crate) fn has_expression(&self) -> bool {
        self.regex.is_some()
    }

    /// Whether an event that the log's own filter let through is wanted.
    pub(crate) fn lets_through(&self, event: &RecordedEvent) -> bool {
        let Some((field, regex)) = &self.regex else { return true };
        let name = match field {
            Field::Stream => &event.stream,
            Field::Type => &event.event_type,
        };
        regex.is_match(name).unwrap_or(false)
    }
}

fn compile(regex: &str) -> Result<Regex, Status> {
    if regex.len() > REGEX_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "the expression is longer than {REGEX_BYTES_MAX} bytes"
        )));
    }
    RegexBuilder::new(regex)
        .backtrack_limit(BACKTRACKS_MAX)
        .build()
        .map_err(|error| Status::invalid_argument(format!("the filter is no regular expression: {error}")))
}

//! Which events of the whole log a client wants, by prefixes or by a regular expression with look-around.

use std::sync::Arc;

use nimaora_event_log::{Filter, RecordedEvent};
use tonic::Status;

use crate::expressions::{Expression, Expressions};
use crate::wire::client::streams::read_req::options::FilterOptions;
use crate::wire::client::streams::read_req::options::filter_options::{
    Expression as Asked, Filter as Looked, Window,
};

/// The events between checkpoints where the client does not say.
const CHECKPOINT_EVENTS: u64 = 4_096;

/// What a client wants.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What the log itself looks for.
    pub(crate) in_log: Filter,
    expression: Option<(Field, Arc<Expression>)>,
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
    /// As [`Expressions::compiled`].
    pub(crate) fn new(expressions: &Expressions, options: FilterOptions) -> Result<Self, Status> {
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
        let Asked { regex, prefix } = expression;
        wanted.look(expressions, field, &regex, &prefix)?;
        Ok(wanted)
    }

    /// Events whose type, or whose stream's name, is like this.
    ///
    /// # Errors
    /// As [`Expressions::compiled`].
    pub(crate) fn like(
        expressions: &Expressions,
        by_type: bool,
        regex: &str,
        prefixes: &[String],
    ) -> Result<Self, Status> {
        let mut wanted = Self::default();
        wanted.look(expressions, if by_type { Field::Type } else { Field::Stream }, regex, prefixes)?;
        Ok(wanted)
    }

    fn look(
        &mut self,
        expressions: &Expressions,
        field: Field,
        regex: &str,
        prefixes: &[String],
    ) -> Result<(), Status> {
        if !prefixes.is_empty() {
            let prefixes: Vec<Arc<str>> = prefixes.iter().map(|prefix| prefix.as_str().into()).collect();
            match field {
                Field::Stream => self.in_log.stream_prefixes = prefixes,
                Field::Type => self.in_log.type_prefixes = prefixes,
            }
        } else if !regex.is_empty() {
            self.expression = Some((field, expressions.compiled(regex)?));
        }
        Ok(())
    }

    /// Whether the log's own filter may let through what is not wanted.
    pub(crate) fn has_expression(&self) -> bool {
        self.expression.is_some()
    }

    /// Whether an event that the log's own filter let through is wanted.
    pub(crate) fn lets_through(&self, event: &RecordedEvent) -> bool {
        let Some((field, expression)) = &self.expression else { return true };
        let name = match field {
            Field::Stream => &event.stream,
            Field::Type => &event.event_type,
        };
        expression.matches(name)
    }
}

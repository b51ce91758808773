//! Limits of a command's own shape, collected so that its author hears of all mistakes at once.

use crate::refusal::{Refusal, Violation};
use crate::text::{self, Kind};

/// The longest reason of a cancellation or removal, in characters.
pub(super) const REASON_CHARS_MAX: usize = 200;

/// The violations found so far.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a violation.
    pub(super) fn push(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation { field: field.into(), description: description.into() });
    }

    /// Notes a violation unless `value` lies within the limits.
    pub(super) fn within(&mut self, field: impl Into<String>, value: u64, min: u64, max: u64) {
        if value < min || value > max {
            self.push(field, format!("{value} is not between {min} and {max}"));
        }
    }

    /// Notes a violation unless `text` has an allowed number of characters, and only such as one line may have.
    pub(super) fn line(&mut self, field: &str, text: &str, chars_min: usize, chars_max: usize) {
        let chars = text.chars().count();
        let fits = (chars_min..=chars_max).contains(&chars);
        if !fits {
            let description = format!("it has {chars} characters; {chars_min} to {chars_max} are possible");
            self.push(field, description);
        }
        if let Some(flaw) = text::flaw(Kind::Line, text) {
            self.push(field, flaw);
        } else if fits && chars_min > 0 && text::is_blank(text) {
            self.push(field, "it is blank; choose visible characters");
        }
    }

    /// Refuses the command if anything was noted.
    pub(super) fn refuse(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Invalid(self.0)) }
    }
}

/// Checks the reason of a cancellation or removal, and answers it trimmed.
pub(super) fn reason(raw: &str) -> Result<String, Refusal> {
    reason_of(raw, 0)
}

/// Checks a reason that must be given, and answers it trimmed.
pub(super) fn required_reason(raw: &str) -> Result<String, Refusal> {
    reason_of(raw, 1)
}

fn reason_of(raw: &str, chars_min: usize) -> Result<String, Refusal> {
    let mut violations = Violations::default();
    violations.line("reason", raw.trim(), chars_min, REASON_CHARS_MAX);
    violations.refuse()?;
    Ok(raw.trim().to_owned())
}

//! Regular expressions of clients. What they take of memory is bounded for all clients together: by how many different ones are in use,
//! and by what one of them may become.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use fancy_regex::{Regex, RegexBuilder};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::metrics;

/// What different expressions in use at a time may take together, in bytes; one that is in use already is shared. When it is reached, a
/// further one is refused.
const BYTES_MAX: usize = 128 * MIB;
/// The longest expression, in bytes. A longer one is refused.
const EXPRESSION_BYTES_MAX: usize = 4_096;
/// What an expression may be compiled to that neither looks around nor goes back, in bytes. A larger one is refused.
const COMPILED_BYTES_MAX: usize = 512 * KIB;
/// What such an expression counts for.
const PLAIN_BYTES: usize = MIB;
/// What one counts for that does, for each thing in it that may be a class of characters: such parts are compiled each by itself, and
/// the limit above does not hold for them.
const PIECE_BYTES: usize = 128 * KIB;
/// What such an expression may count for. A larger one is refused.
const LOOKING_BYTES_MAX: usize = 4 * MIB;
/// Memory is counted off in units of so many bytes.
const UNIT_BYTES: usize = PIECE_BYTES;
const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;
/// How often one expression may go back on one name. What takes longer counts as no match: the client's expression is at fault, and
/// the server goes on.
const BACKTRACKS_MAX: usize = 10_000;

/// A compiled expression, for as long as somebody uses it.
#[derive(Debug)]
pub(crate) struct Expression {
    regex: Regex,
    _place: OwnedSemaphorePermit,
}

impl Expression {
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name).unwrap_or(false)
    }
}

/// The expressions that are in use.
#[derive(Clone)]
pub(crate) struct Expressions {
    places: Arc<Semaphore>,
    in_use: Arc<Mutex<HashMap<Box<str>, Weak<Expression>>>>,
}

impl Expressions {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(BYTES_MAX / UNIT_BYTES)), in_use: Arc::default() }
    }

    /// # Errors
    /// It is none, it is too large, or too many others are in use.
    pub(crate) fn compiled(&self, text: &str) -> Result<Arc<Expression>, Status> {
        if let Some(found) = self.in_use.lock().get(text).and_then(Weak::upgrade) {
            return Ok(found);
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            let reason = format!("the expression is longer than {EXPRESSION_BYTES_MAX} bytes");
            return Err(Status::invalid_argument(reason));
        }
        let bytes = weight(text);
        if bytes > LOOKING_BYTES_MAX {
            let reason = "the expression would take too much memory; look around less, or repeat less in what looks around";
            return Err(Status::invalid_argument(reason));
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let Ok(place) = Arc::clone(&self.places).try_acquire_many_owned(units) else {
            metrics::shed();
            let reason = "the regular expressions of all clients take too much memory now; use prefixes, or try again after a while";
            return Err(Status::resource_exhausted(reason));
        };
        let expression = Arc::new(Expression { regex: compile(text)?, _place: place });
        let mut in_use = self.in_use.lock();
        in_use.retain(|_, expression| expression.strong_count() > 0);
        in_use.insert(text.into(), Arc::downgrade(&expression));
        Ok(expression)
    }
}

fn compile(text: &str) -> Result<Regex, Status> {
    RegexBuilder::new(text)
        .backtrack_limit(BACKTRACKS_MAX)
        .delegate_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| Status::invalid_argument(format!("the filter is no regular expression: {error}")))
}

/// What an expression may take, in bytes: rather more than it does.
fn weight(text: &str) -> usize {
    let bytes = text.as_bytes();
    let looking = bytes.windows(3).filter(|three| looks_around(three)).count();
    if looking == 0 {
        return PLAIN_BYTES;
    }
    let classes = bytes.iter().filter(|byte| br"\.[".contains(byte)).count();
    let times = text.split('{').skip(1).map(most_repeated).fold(1, usize::saturating_mul);
    (1 + looking + classes).saturating_mul(times).saturating_mul(PIECE_BYTES)
}

/// Whether something may begin here that looks around, goes back or keeps hold.
fn looks_around(three: &[u8]) -> bool {
    match three {
        [b'(', b'?', next] => !b":imsux-".contains(next),
        [b'*' | b'+' | b'?' | b'}', b'+', _] | [_, b'*' | b'+' | b'?' | b'}', b'+'] => true,
        [b'\\', letter, _] | [_, b'\\', letter] => {
            letter.is_ascii_alphanumeric() && !b"dDsSwWpPbB".contains(letter)
        }
        _ => false,
    }
}

/// The largest number of a counted repetition that begins here; 1 where it is none.
fn most_repeated(behind: &str) -> usize {
    let counts = behind.split('}').next().unwrap_or_default().split(',');
    counts.map(|count| count.trim().parse().unwrap_or(1)).fold(1, usize::max)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn what_is_in_use_is_shared_and_bounded() {
        let expressions = Expressions::new();
        let most = BYTES_MAX / PLAIN_BYTES;
        let held: Vec<_> =
            (0..most).map(|n| expressions.compiled(&format!("^notes-{n}$")).unwrap()).collect();
        assert!(held.iter().zip(0..).all(|(one, n)| one.matches(&format!("notes-{n}"))));
        assert_eq!(expressions.compiled("^other$").unwrap_err().code(), Code::ResourceExhausted);
        let shared = expressions.compiled("^notes-7$").unwrap();
        assert!(Arc::ptr_eq(&shared, &held[7]));
        drop(held);
        drop(shared);
        assert!(expressions.compiled("^other$").unwrap().matches("other"));
        assert_eq!(expressions.in_use.lock().len(), 1);
    }

    #[test]
    fn what_would_become_large_is_refused_and_takes_no_place() {
        let expressions = Expressions::new();
        let large = [
            "a".repeat(EXPRESSION_BYTES_MAX + 1),
            "((a{100}){100}){100}".into(),
            r"\w{200}".into(),
            r"(?=\w{90})".into(),
            r"(?=\w)".repeat(300),
            r"(\w{9})\1(\w{9})".into(),
            "(".into(),
        ];
        for text in large {
            assert_eq!(expressions.compiled(&text).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
        assert_eq!(expressions.places.available_permits(), BYTES_MAX / UNIT_BYTES);
    }

    #[test]
    fn what_clients_ask_for_is_taken() {
        let expressions = Expressions::new();
        let python = expressions.compiled(r"^(?!(\$.+$|PersistentConfig\d+$|Result$))").unwrap();
        assert!(python.matches("Noted") && !python.matches("Result") && !python.matches("$metadata"));
        for text in [
            r"^[^\$].*",
            r"^(?:battle|notes)-[0-9a-f]{8}-\w+$",
            r"(?i)^order-(?=.*eu)\S+(?<!test)$",
            r"(\w)\1",
        ] {
            expressions.compiled(text).unwrap();
        }
    }
}

//! Answers: bringing them into one form, and the keyed hash that stands for them in the log.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

use crate::ids::{BattleId, QuestionId};
use crate::refusal::Violation;
use crate::rules::{ANSWER_BYTES_MAX, EXTERNAL_ANSWER_BYTES_MAX, QuestionKind};

/// The block of SHA-256, to which HMAC pads its key.
const BLOCK_BYTES: usize = 64;

/// The secret under which answers are hashed. Without it, the few possible answers to a question could be tried out
/// against the hashes in the log. Every command-service of one installation has the same.
#[derive(Clone)]
pub struct AnswerKey(Hmac<Sha256>);

impl AnswerKey {
    /// The key with these bytes.
    pub fn new(key: [u8; 32]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        block[..key.len()].copy_from_slice(&key);
        Self(Hmac::new(&block.into()))
    }

    /// The keyed hash, in hex, of a normalised answer to one question of one battle: HMAC-SHA256 over the three, each
    /// preceded by its length, so that no answer can pass for another elsewhere.
    pub fn hash(&self, battle_id: BattleId, question_id: QuestionId, normalised: &str) -> String {
        let mut mac = self.0.clone();
        for part in [battle_id.0.as_bytes().as_slice(), &question_id.0.to_be_bytes(), normalised.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerKey(secret)")
    }
}

/// Brings an answer into the one form in which answers to a question of this kind are compared. `choices` is how many
/// choices the question has, and `field` the answer's path in the command.
///
/// # Errors
/// [`Violation`] when it cannot be an answer to such a question at all: empty, too long, no number, no such choice.
pub fn normalise(kind: QuestionKind, choices: usize, raw: &str, field: &str) -> Result<String, Violation> {
    let violation = |description| Violation { field: field.to_owned(), description };
    let bytes_max = match kind {
        QuestionKind::Choice | QuestionKind::Text | QuestionKind::Number => ANSWER_BYTES_MAX,
        QuestionKind::External => EXTERNAL_ANSWER_BYTES_MAX,
    };
    if raw.len() > bytes_max {
        return Err(violation(format!("it has {} bytes; at most {bytes_max} are possible", raw.len())));
    }
    if raw.trim().is_empty() {
        return Err(violation("it is empty".to_owned()));
    }
    match kind {
        QuestionKind::Choice => choice(raw.trim(), choices).map_err(violation),
        QuestionKind::Text => Ok(raw.trim().nfc().collect()),
        QuestionKind::Number => number(raw.trim()).ok_or_else(|| {
            violation(format!("'{}' is no number; write it as 42, -1.5 or 6.02e23", shortened(raw.trim())))
        }),
        // Some stores cannot hold a NUL in a text.
        QuestionKind::External if raw.contains('\0') => Err(violation("it has a NUL character".to_owned())),
        QuestionKind::External => Ok(raw.to_owned()),
    }
}

fn choice(raw: &str, choices: usize) -> Result<String, String> {
    match raw.parse::<usize>() {
        Ok(number) if (1..=choices).contains(&number) => Ok(number.to_string()),
        _ => Err(format!("'{}' is no choice; give its number, 1 to {choices}", shortened(raw))),
    }
}

/// The number as `[-]digits` or `[-]digits e exponent`, the digits without zeros at either end, so that equal values and only those
/// are written the same. The value itself is never computed: it may have a thousand digits.
fn number(raw: &str) -> Option<String> {
    let compatible: String = raw.nfkc().map(|c| if c == '\u{2212}' { '-' } else { c }).collect();
    let (negative, unsigned) = match compatible.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, compatible.strip_prefix('+').unwrap_or(&compatible)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = all.trim_end_matches('0');
    let zeros_cut = all.len() - significant.len();
    let digits = significant.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = i64::from(exponent) + zeros_cut as i64 - fraction.len() as i64;
    let sign = if negative { "-" } else { "" };
    Some(if exponent == 0 { format!("{sign}{digits}") } else { format!("{sign}{digits}e{exponent}") })
}

/// Enough of a bad answer to recognise it.
fn shortened(raw: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match raw.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &raw[..end]),
        None => raw.to_owned(),
    }
}

//! Answers: their normal form for each kind of question, and the keyed hash that answer keys are stored as.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

use crate::ids::{BattleId, QuestionId};
use crate::rules::{ANSWER_BYTES_MAX, EXTERNAL_ANSWER_BYTES_MAX, QuestionKind};

/// The most digits of a number's exponent shift; keeps the normal form of `1e999999999` short.
const EXPONENT_MAX: i64 = 400;

/// The secret that answers are hashed with, so that nobody can try answers against the log.
#[derive(Clone)]
pub struct AnswerKey([u8; 32]);

impl std::fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerKey(<hidden>)")
    }
}

impl AnswerKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The keyed hash, in hex, of an answer in its normal form; the same answer to another question has another hash.
    pub fn hash(&self, battle_id: BattleId, question_id: QuestionId, normal: &str) -> String {
        // HMAC takes keys of any length, so this cannot fail; an empty tag would match no answer.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(battle_id.0.as_bytes());
        mac.update(&question_id.0.to_be_bytes());
        mac.update(&(normal.len() as u64).to_be_bytes());
        mac.update(normal.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

/// The normal form of an answer to a question of this kind with so many choices.
///
/// # Errors
/// What is wrong with the answer, for the player to read.
pub fn normalise(kind: QuestionKind, choices: usize, raw: &str) -> Result<String, String> {
    let bytes_max = match kind {
        QuestionKind::External => EXTERNAL_ANSWER_BYTES_MAX,
        QuestionKind::Choice | QuestionKind::Text | QuestionKind::Number => ANSWER_BYTES_MAX,
    };
    if raw.len() > bytes_max {
        return Err(format!("{} bytes long; at most {bytes_max}", raw.len()));
    }
    if raw.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    match kind {
        QuestionKind::Choice => choice(choices, raw.trim()),
        QuestionKind::Text => Ok(raw.trim().nfc().collect()),
        QuestionKind::Number => {
            number(raw.trim()).ok_or_else(|| format!("'{}' is no number such as -12.5 or 3e8", raw.trim()))
        }
        QuestionKind::External => Ok(raw.to_owned()),
    }
}

fn choice(choices: usize, raw: &str) -> Result<String, String> {
    match raw.parse::<usize>() {
        Ok(number) if (1..=choices).contains(&number) => Ok(number.to_string()),
        _ => Err(format!("'{raw}' is no choice; give its number, 1 to {choices}")),
    }
}

/// The shortest form `-digits e exponent` of a decimal number, the same for equal numbers; zero is `0`.
fn number(raw: &str) -> Option<String> {
    let (mantissa, exponent) = match raw.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (raw, 0),
    };
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (negative, unsigned) = match mantissa.strip_prefix(['-', '+']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let trailing = digits.len() - digits.trim_end_matches('0').len();
    let exponent = exponent + i64::try_from(trailing).ok()? - i64::try_from(fraction.len()).ok()?;
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{significant}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_one_form() {
        for (one, other) in [
            ("1.5", "1.50"),
            ("1.5", "+1.5"),
            ("1.5", "15e-1"),
            ("100", "1E2"),
            ("0", "-0.00"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            (" 5 ", "5"),
        ] {
            assert_eq!(
                normalise(QuestionKind::Number, 0, one).unwrap(),
                normalise(QuestionKind::Number, 0, other).unwrap(),
                "{one} and {other}"
            );
        }
        assert_ne!(number("1.5"), number("-1.5"));
        assert_ne!(number("10"), number("1"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for raw in ["", ".", "-", "1e", "one", "1.2.3", "0x10", "1e9999999999", "NaN", "1 2"] {
            assert!(normalise(QuestionKind::Number, 0, raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_choice_is_its_number() {
        assert_eq!(normalise(QuestionKind::Choice, 3, " 2 ").unwrap(), "2");
        for raw in ["0", "4", "b", "-1", "99999999999999999999999"] {
            assert!(normalise(QuestionKind::Choice, 3, raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn hashes_depend_on_key_battle_question_and_answer() {
        let battle = |n| BattleId(uuid::Uuid::from_u128(n));
        let hash = |key: u8, b, q, a| AnswerKey::new([key; 32]).hash(battle(b), QuestionId(q), a);
        let first = hash(1, 1, 1, "a");
        assert_eq!(first, hash(1, 1, 1, "a"));
        for other in [hash(2, 1, 1, "a"), hash(1, 2, 1, "a"), hash(1, 1, 2, "a"), hash(1, 1, 1, "b")] {
            assert_ne!(first, other);
        }
        assert!(!format!("{:?}", AnswerKey::new([7; 32])).contains('7'));
    }
}

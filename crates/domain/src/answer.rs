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

/// The secret under which answers are hashed. Without it, the few possible answers to a question could be
/// tried out against the hashes in the log. Every command-service of one installation has the same.
#[derive(Clone)]
pub struct AnswerKey(Hmac<Sha256>);

impl AnswerKey {
    /// The key with these bytes.
    pub fn new(key: [u8; 32]) -> Self {
        let mut block = [0; BLOCK_BYTES];
        block[..key.len()].copy_from_slice(&key);
        Self(Hmac::new(&block.into()))
    }

    /// The keyed hash, in hex, of a normalised answer to one question of one battle: HMAC-SHA256 over the
    /// three, each preceded by its length, so that no answer can pass for another elsewhere.
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

/// Brings an answer into the one form in which answers to a question of this kind are compared. `choices` is
/// how many choices the question has, and `field` the answer's path in the command.
///
/// # Errors
/// [`Violation`] when it cannot be an answer to such a question at all: empty, too long, no number, no such
/// choice.
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

/// The number as `[-]digits` or `[-]digits e exponent`, the digits without zeros at either end, so that equal
/// values and only those are written the same. The value itself is never computed: it may have a thousand
/// digits.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CAPITAL, HALF, battle_id, key};

    fn number_of(raw: &str) -> Result<String, Violation> {
        normalise(QuestionKind::Number, 0, raw, "answer")
    }

    #[test]
    fn equal_numbers_and_only_those_have_the_same_form() {
        let equal = [
            ("1.5", "+1.50"),
            ("1.5", "01.5"),
            ("1.5", "150e-2"),
            ("1.5", "0.15E1"),
            ("100", "1e2"),
            ("100", "1e+2"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0", "-0.000"),
            ("0", "0e99"),
            ("-3", "\u{2212}3"),
            ("42", "４２"),
            ("1000000000000000000000000000001", "1000000000000000000000000000001.0"),
        ];
        for (a, b) in equal {
            assert_eq!(number_of(a).unwrap(), number_of(b).unwrap(), "{a} and {b}");
        }
        let different = [("1", "-1"), ("1", "10"), ("1.05", "1.5"), ("100", "1"), ("1e400", "1e401")];
        for (a, b) in different {
            assert_ne!(number_of(a).unwrap(), number_of(b).unwrap(), "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in
            ["abc", "1,5", "1 5", "--1", "+-1", "1e", "e5", ".", "-", "1.2.3", "0x10", "1e99999999999", "NaN"]
        {
            let said = number_of(bad).unwrap_err();
            assert_eq!(said.field, "answer");
            assert!(said.description.contains(bad), "{}", said.description);
        }
        let long = number_of(&"x".repeat(1_000)).unwrap_err();
        assert!(long.description.len() < 200, "{}", long.description);
    }

    #[test]
    fn a_choice_is_a_number_of_one() {
        let choice = |raw| normalise(QuestionKind::Choice, 3, raw, "answer");
        assert_eq!(choice(" 03 ").unwrap(), "3");
        for bad in ["0", "4", "-1", "1.0", "a", "99999999999999999999999"] {
            assert!(choice(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_is_composed_and_trimmed_and_nothing_else() {
        let text = |raw| normalise(QuestionKind::Text, 0, raw, "answer").unwrap();
        assert_eq!(text(" Zoe\u{308} \n"), "Zoë");
        assert_ne!(text("oslo"), text("Oslo"));
        assert_ne!(text("a  b"), text("a b"));
    }

    #[test]
    fn a_hash_belongs_to_one_key_battle_question_and_answer() {
        let hash = key().hash(battle_id(), CAPITAL, "Oslo");
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, key().hash(battle_id(), CAPITAL, "Oslo"));
        let other_battle = BattleId(uuid::Uuid::nil());
        let others = [
            AnswerKey::new([8; 32]).hash(battle_id(), CAPITAL, "Oslo"),
            key().hash(other_battle, CAPITAL, "Oslo"),
            key().hash(battle_id(), HALF, "Oslo"),
            key().hash(battle_id(), CAPITAL, "oslo"),
        ];
        assert!(!others.contains(&hash));
    }

    #[test]
    fn a_hash_is_the_hmac_of_the_parts_with_their_lengths() {
        let mut parts = Vec::new();
        for part in [battle_id().0.as_bytes().as_slice(), &1_u32.to_be_bytes(), b"Oslo"] {
            parts.extend((part.len() as u64).to_be_bytes());
            parts.extend(part);
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
        mac.update(&parts);
        assert_eq!(hex::encode(mac.finalize().into_bytes()), key().hash(battle_id(), CAPITAL, "Oslo"));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", AnswerKey::new([7; 32])), "AnswerKey(secret)");
    }
}

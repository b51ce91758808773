//! A participant's name: shown as typed (in Unicode NFC), unique without regard to case or equivalent spelling.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::refusal::Violation;

/// The longest name, in characters.
pub const USERNAME_CHARS_MAX: usize = 50;

/// A name of 1 to [`USERNAME_CHARS_MAX`] visible characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Username(Box<str>);

impl Username {
    /// The name as it is shown: in Unicode NFC and without white space around it.
    ///
    /// # Errors
    /// A [`Violation`] of the field `username` for a name that is empty, too long, or holds characters that cannot be seen.
    pub fn new(raw: &str) -> Result<Self, Violation> {
        let violation = |description| Err(Violation { field: "username".to_owned(), description });
        // Normalising can only triple the length; what is longer than this need not be looked at.
        if raw.len() > 16 * USERNAME_CHARS_MAX {
            return violation(format!("{} bytes long; at most {USERNAME_CHARS_MAX} characters", raw.len()));
        }
        if let Some(bad) = raw.chars().find(|c| is_invisible(*c)) {
            let code = u32::from(bad);
            return violation(format!("holds the invisible character U+{code:04X}; use visible ones"));
        }
        let name: String = raw.trim().nfc().collect();
        match name.chars().count() {
            _ if name.chars().all(|c| c.is_whitespace() || is_joiner(c)) => {
                violation("is empty; at least one visible character".to_owned())
            }
            1..=USERNAME_CHARS_MAX => Ok(Self(name.into())),
            chars => violation(format!("{chars} characters long; at most {USERNAME_CHARS_MAX}")),
        }
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names are compared: two names with the same folded form are the same name.
    pub fn folded(&self) -> String {
        // Upper case first: it maps 'ß' to "SS" and 'ſ' to "S", so that equivalents meet in lower case.
        let visible = self.0.chars().filter(|c| !is_joiner(*c));
        let upper: String = visible.nfkc().flat_map(char::to_uppercase).collect();
        let lower: String = upper.nfkc().flat_map(char::to_lowercase).collect();
        lower.nfkc().map(|c| if c == 'ς' { 'σ' } else { c }).collect()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Joiners shape Persian names and emoji, so they are shown; names that differ by nothing else are the same.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0E}' | '\u{FE0F}')
}

/// Control characters, and those that change how text is shown without being seen (zero width, direction, tags).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
                | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0D}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(raw: &str) -> String {
        Username::new(raw).unwrap().folded()
    }

    #[test]
    fn equivalent_spellings_are_one_name() {
        for (one, other) in [
            ("ali", "ALI"),
            ("Stra\u{df}e", "STRASSE"),
            ("\u{e9}", "e\u{301}"),
            ("\u{ff41}li", "ali"),
            ("\u{3c3}", "\u{3c2}"),
            ("  ali ", "ali"),
            ("\u{646}\u{200c}\u{645}", "\u{646}\u{645}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one:?} and {other:?}");
        }
        assert_ne!(folded("ali"), folded("alf"));
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for raw in ["", "   ", "\u{200d}", "a\u{0}b", "a\nb", "a\u{200b}b", "a\u{202e}b", &"x".repeat(51)] {
            assert_eq!(Username::new(raw).unwrap_err().field, "username", "{raw:?}");
        }
        assert_eq!(Username::new(&"\u{e9}".repeat(50)).unwrap().as_str().chars().count(), 50);
    }
}

//! A participant's name in a battle.

use std::fmt;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::refusal::Violation;
use crate::text::{self, Kind};

/// The longest username, in characters.
pub const USERNAME_CHARS_MAX: usize = 50;

/// The longest text that is looked at, in bytes: no longer one could be a name, however it is composed.
const RAW_BYTES_MAX: usize = 64 * USERNAME_CHARS_MAX;

/// A name as it is shown: trimmed, in Unicode NFC, its inner white space single spaces.
///
/// Reading one from an event does not check it again: it was right when it was written, and a rule made later
/// must not make history unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username {
    shown: Arc<str>,
    /// How it stands in the log, where it does not stand there in clear.
    sealed: Option<SealedName>,
}

/// A name as it stands in the log: only who holds its key can read it, and without a key nobody ever can again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedName {
    /// Which participant of the battle has it, from 1 in the order of joining. The key has the same number.
    pub number: u32,
    /// The sealed name.
    #[serde(rename = "sealed")]
    pub text: Arc<str>,
}

/// What a name that cannot be read any more begins with when it is shown. Nobody can join under such a name.
const ERASED: &str = "erased player";

impl Username {
    /// The name that somebody typed as `raw`.
    ///
    /// # Errors
    /// [`Violation`] of the field `username` when it is blank, too long, or has characters that a name may not have.
    pub fn new(raw: &str) -> Result<Self, Violation> {
        let violation = |description| Violation { field: "username".to_owned(), description };
        if raw.len() > RAW_BYTES_MAX {
            let description =
                format!("it has {} bytes; at most {USERNAME_CHARS_MAX} characters are possible", raw.len());
            return Err(violation(description));
        }
        let shown = joined_by_single_spaces(&raw.nfc().collect::<String>());
        // Joining hides tabs, and takes away what a mark may have stood on.
        if let Some(flaw) = text::flaw(Kind::Name, raw.trim()).or_else(|| text::flaw(Kind::Name, &shown)) {
            return Err(violation(flaw));
        }
        let chars = shown.chars().count();
        if chars > USERNAME_CHARS_MAX {
            return Err(violation(format!(
                "it has {chars} characters; at most {USERNAME_CHARS_MAX} are possible"
            )));
        }
        let name = Self { shown: shown.into(), sealed: None };
        if text::is_blank(&name.shown) || name.folded().is_empty() {
            let description = format!("it is blank; choose 1 to {USERNAME_CHARS_MAX} visible characters");
            return Err(violation(description));
        }
        if name.folded().starts_with(ERASED) {
            let description = format!("it begins with '{ERASED}', which stands for names that were erased");
            return Err(violation(description));
        }
        Ok(name)
    }

    /// What is shown of a name that was erased: of whom it was is told by the number alone.
    pub fn erased(number: u32) -> Self {
        Self { shown: format!("{ERASED} {number}").into(), sealed: None }
    }

    /// This name, as it is to stand in the log.
    pub fn sealed_as(self, sealed: SealedName) -> Self {
        Self { sealed: Some(sealed), ..self }
    }

    /// The name that somebody with the key has read.
    pub fn opened(self, name: &str) -> Self {
        Self { shown: name.into(), ..self }
    }

    /// How it stands in the log; `None` where that is in clear.
    pub fn sealed(&self) -> Option<&SealedName> {
        self.sealed.as_ref()
    }

    /// Whether it is sealed and was not read: its key was not at hand, or is no more.
    pub fn is_closed(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| *self.shown == *Self::erased(sealed.number).shown)
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What two names have in common when they count as the same: compatibility forms (NFKC), case, white
    /// space and characters without a shape of their own make no difference.
    pub fn folded(&self) -> String {
        let visible: String = self.shown.nfkc().filter(|&c| !text::is_shapeless(c)).collect();
        // Upper case in between unfolds what lower case alone would keep apart: ß and SS, ς and σ.
        let lower = lower_case(&lower_case(&visible).to_uppercase());
        joined_by_single_spaces(&lower.nfkc().collect::<String>())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A text, or an object where it is sealed.
impl Serialize for Username {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.sealed {
            Some(sealed) => sealed.serialize(serializer),
            None => serializer.serialize_str(&self.shown),
        }
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrSealed)
    }
}

struct TextOrSealed;

impl<'de> Visitor<'de> for TextOrSealed {
    type Value = Username;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a sealed name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Username, E> {
        Ok(Username { shown: name.into(), sealed: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Username, A::Error> {
        let sealed = SealedName::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Username::erased(sealed.number).sealed_as(sealed))
    }
}

/// Character by character, because the lower case of a whole text depends on where its words end.
fn lower_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn joined_by_single_spaces(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(raw: &str) -> Username {
        Username::new(raw).unwrap()
    }

    fn raw(shown: &str) -> Username {
        Username { shown: shown.into(), sealed: None }
    }

    fn said_of(raw: &str) -> String {
        let violation = Username::new(raw).unwrap_err();
        assert_eq!(violation.field, "username");
        violation.description
    }

    #[test]
    fn is_shown_as_typed_but_for_white_space_and_composition() {
        assert_eq!(name("  Ada   Lovelace\u{3000}").as_str(), "Ada Lovelace");
        assert_eq!(name("Zoe\u{308}").as_str(), "Zoë");
        assert_eq!(name("Ａｄａ").to_string(), "Ａｄａ");
    }

    #[test]
    fn counts_characters_and_not_bytes() {
        assert_eq!(name(&"é".repeat(50)).as_str().len(), 100);
        assert!(said_of(&"é".repeat(51)).contains("51"));
        assert!(said_of(&"é".repeat(5_000)).contains("10000 bytes"));
        assert_eq!(name(&"e\u{301}".repeat(50)).as_str().chars().count(), 50);
    }

    #[test]
    fn is_never_blank() {
        for blank in ["", "   ", "\u{3000}", "\u{3164}", "\u{FE0F}\u{2800} \u{115F}", "\u{200D}"] {
            assert!(said_of(blank).contains("blank"), "{blank:?}");
        }
    }

    #[test]
    fn has_no_invisible_characters() {
        for bad in ["a\tb", "a\u{0}b", "a\u{202E}b", "a\u{200B}b", "a\u{2028}b", "\u{FEFF}a", "a\u{E0041}"] {
            assert!(said_of(bad).contains("U+"), "{bad:?}");
        }
    }

    #[test]
    fn has_only_characters_that_are_some_and_marks_that_stand_on_one() {
        for (bad, why) in [
            ("a\u{FFFF}b", "noncharacter U+FFFF"),
            ("\u{E000}", "private-use character"),
            ("\u{301}\u{301}", "no character to stand on"),
            ("a\u{A0}\u{301}", "no character to stand on"),
            (&format!("a{}", "\u{315}".repeat(49)), "combining marks on one character"),
        ] {
            assert!(said_of(bad).contains(why), "{bad:?}: {}", said_of(bad));
        }
        assert_eq!(name("שָׁלוֹם").as_str().chars().count(), 7);
    }

    #[test]
    fn nobody_takes_the_place_of_a_name_that_was_erased() {
        assert_eq!(Username::erased(3).as_str(), "erased player 3");
        for bad in ["erased player 3", "Erased  Player", "ERASED PLAYER of old"] {
            assert!(said_of(bad).contains("erased"), "{bad}");
        }
        name("erased");
    }

    #[test]
    fn that_is_sealed_is_written_as_its_seal_alone_and_read_without_it() {
        let sealed = SealedName { number: 3, text: "c2VhbGVk".into() };
        let ada = name("Ada").sealed_as(sealed.clone());
        let json = serde_json::to_string(&ada).unwrap();
        assert_eq!(json, "{\"number\":3,\"sealed\":\"c2VhbGVk\"}");
        let read: Username = serde_json::from_str(&json).unwrap();
        assert!(read.is_closed() && !ada.is_closed() && !name("Ada").is_closed());
        assert_eq!((read.as_str(), read.sealed()), ("erased player 3", Some(&sealed)));
        assert_eq!(read.opened("Ada"), ada);
        for bad in ["7", "{}", "{\"number\":3}", "{\"number\":3,\"sealed\":\"\",\"name\":\"Ada\"}"] {
            assert!(serde_json::from_str::<Username>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_before_is_read_whatever_the_rules_say_now() {
        let old: Username = serde_json::from_str("\"a\u{E000}\u{301}\"").unwrap();
        assert_eq!(old.as_str(), "a\u{E000}\u{301}");
    }

    #[test]
    fn the_same_name_in_another_spelling_folds_to_the_same() {
        let same = [
            ("Ada", "aDA"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ſam", "Sam"),
            ("Ａｄａ", "ada"),
            ("ﬁn", "FIN"),
            ("Zoe\u{308}", "zoë"),
            ("Ada  L", "ada l"),
            ("❤\u{FE0F}", "❤"),
            ("Ⅷ", "viii"),
            ("\u{646}\u{200C}\u{645}", "\u{646}\u{645}"),
        ];
        for (a, b) in same {
            assert_eq!(name(a).folded(), name(b).folded(), "{a} and {b}");
        }
        assert_ne!(name("Zoe").folded(), name("Zoë").folded());
    }

    fn is_syllabic(c: char) -> bool {
        matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{12000}'..='\u{1AFFF}')
    }

    #[test]
    fn folding_is_stable_for_every_character() {
        // Behind U+1FBFF come ideographs and what is not assigned; they and syllables have no case.
        for c in ('\u{21}'..='\u{1FBFF}').filter(|&c| !is_syllabic(c)) {
            let Ok(typed) = Username::new(&c.to_string()) else { continue };
            let folded = typed.folded();
            assert_eq!(raw(&folded).folded(), folded, "U+{:04X}", c as u32);
            let upper: String = c.to_uppercase().collect();
            assert_eq!(raw(&upper).folded(), folded, "upper case of U+{:04X}", c as u32);
        }
    }
}

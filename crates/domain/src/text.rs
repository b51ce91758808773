//! Which characters a text for players may have. A name is one word on a board, and has to look like nothing else; a title, a
//! question or a reason is prose, and has more to say.
//!
//! Only what is new is judged: a rule made later must not make history unreadable.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How many combining marks may stand on one character. Written Burmese needs five and pointed Hebrew four; a tower of them
/// covers the lines above and below.
const MARKS_MAX: usize = 6;

/// What a mark stands on that is to be shown alone.
const NO_BREAK_SPACE: char = '\u{A0}';

/// What kind of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name.
    Name,
    /// One line of prose.
    Line,
    /// Prose of several lines.
    Prose,
}

/// What is wrong with the characters of a text; `None` when nothing is.
pub(crate) fn flaw(kind: Kind, text: &str) -> Option<String> {
    if let Some((bad, why)) = text.chars().find_map(|c| Some((c, refused(kind, c)?))) {
        return Some(format!("it has the {why} U+{:04X}; leave it out", bad as u32));
    }
    let mut marks = Marks::default();
    text.nfc().find_map(|c| marks.flaw(c))
}

/// Whether there is nothing to be seen in a text.
pub(crate) fn is_blank(text: &str) -> bool {
    !text.chars().any(is_visible_base)
}

/// What is to be seen of a line: two of which this is the same cannot be told apart.
pub(crate) fn seen(text: &str) -> String {
    let visible: String = text.nfc().filter(|&c| !is_shapeless(c) && !is_invisible(c)).collect();
    visible.trim().nfc().collect()
}

/// A character that has a shape and carries marks, rather than being one.
fn is_visible_base(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !is_combining_mark(c) && !is_shapeless(c) && !is_invisible(c)
}

/// Counts the marks on the character that is being read.
#[derive(Default)]
struct Marks {
    /// Whether there is one that they stand on.
    have_base: bool,
    count: usize,
}

impl Marks {
    /// What is wrong when `c` comes next.
    fn flaw(&mut self, c: char) -> Option<String> {
        // Joiners and variation selectors are neither a mark to be seen nor something to stand on.
        if is_shapeless(c) || is_invisible(c) {
            return None;
        }
        if !is_combining_mark(c) {
            *self = Self { have_base: is_visible_base(c) || c == NO_BREAK_SPACE, count: 0 };
            return None;
        }
        self.count += 1;
        if !self.have_base {
            return Some(format!("the combining mark U+{:04X} has no character to stand on", c as u32));
        }
        (self.count > MARKS_MAX)
            .then(|| format!("it has more than {MARKS_MAX} combining marks on one character"))
    }
}

/// What kind of refused character `c` is; `None` when it may be there.
fn refused(kind: Kind, c: char) -> Option<&'static str> {
    let is_line_break = matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}');
    if is_line_break && kind == Kind::Prose {
        None
    } else if c.is_control() {
        Some("control character")
    } else if is_private(c) {
        Some("private-use character")
    } else if is_noncharacter(c) {
        Some("noncharacter")
    } else if is_invisible(c) && !(kind != Kind::Name && is_of_prose(c)) {
        Some("invisible character")
    } else {
        None
    }
}

/// Code points that mean what a font or a vendor wants them to.
fn is_private(c: char) -> bool {
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}')
}

/// Code points that will never be a character.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FDD0}'..='\u{FDEF}') || matches!(c as u32 & 0xFFFF, 0xFFFE | 0xFFFF)
}

/// Format characters (Unicode's category Cf: direction marks, zero widths, tags) and line separators. They let two names look
/// the same, or a text disturb the one around it. The two joiners are format characters too, but Persian names and emoji need
/// them; see [`is_shapeless`].
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}'
        | '\u{8E2}' | '\u{180E}' | '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}'
        | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0001}' | '\u{E0020}'..='\u{E007F}')
}

/// Format characters that prose needs and that reach no further than their word: where it may break (soft hyphen, zero-width
/// space, word joiner), which way a mark of punctuation runs, and the signs that Arabic, Syriac and Kaithi write around numbers.
/// Embeddings, overrides and isolates are not among them: one that is left open turns around what follows.
fn is_of_prose(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{200B}' | '\u{2060}' | '\u{61C}' | '\u{200E}'..='\u{200F}' | '\u{600}'..='\u{605}'
        | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{110BD}' | '\u{110CD}')
}

/// Characters that are allowed in a name but do not tell it from another: joiners, variation selectors and
/// fillers.
pub(crate) fn is_shapeless(c: char) -> bool {
    matches!(c,
        '\u{34F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200C}'..='\u{200D}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}'
        | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Name, Kind::Line, Kind::Prose];

    #[test]
    fn words_of_many_scripts_are_text() {
        let texts = [
            "Zoë",
            "Nguyễn Thị Ánh",
            "लक्ष्मी",
            "தமிழ்ச்செல்வி",
            "กิ่งแก้ว น้ำผึ้ง",
            "\u{101C}\u{103B}\u{103E}\u{1031}\u{102C}\u{1037}",
            "ខ្ញុំស្រឡាញ់",
            "བཀྲ་ཤིས་",
            "שָׁלוֹם",
            "مُحَمَّدٌ",
            "김철수",
            "山田太郎",
            "👩🏽‍🚀 👨‍👩‍👧‍👦 ❤️‍🔥 1️⃣ 🇩🇪",
            "a\u{20DD}",
            "´",
        ];
        for (text, kind) in texts.into_iter().flat_map(|text| KINDS.map(|kind| (text, kind))) {
            assert_eq!((flaw(kind, text), is_blank(text)), (None, false), "{text}");
        }
    }

    #[test]
    fn what_nobody_can_see_is_blank() {
        for blank in
            ["", " \u{3000}", "\u{200B}", "\u{301}", "\u{E49}\u{E49}", "\u{FE0F}\u{200D}", "\u{AD} \u{200F}"]
        {
            assert!(is_blank(blank), "{blank:?}");
        }
    }

    #[test]
    fn no_text_has_what_means_nothing_or_turns_around_what_follows() {
        for (bad, why) in [
            ('\u{202E}', "invisible character U+202E"),
            ('\u{2066}', "invisible character U+2066"),
            ('\u{E0041}', "invisible character U+E0041"),
            ('\u{FFFF}', "noncharacter U+FFFF"),
            ('\u{FDD0}', "noncharacter U+FDD0"),
            ('\u{10FFFF}', "noncharacter U+10FFFF"),
            ('\u{E000}', "U+E000"),
            ('\u{10FFFD}', "U+10FFFD"),
            ('\u{1B}', "control character U+001B"),
        ] {
            for kind in KINDS {
                let told = flaw(kind, &format!("a{bad}b")).unwrap();
                assert!(told.contains(why), "{told}");
            }
        }
    }

    #[test]
    fn prose_has_what_a_name_must_not_have() {
        for c in ['\u{AD}', '\u{200B}', '\u{200F}', '\u{61C}', '\u{6DD}'] {
            let text = format!("a{c}b");
            assert_eq!(KINDS.map(|kind| flaw(kind, &text).is_none()), [false, true, true], "{text:?}");
        }
        for c in ['\n', '\t', '\u{2028}'] {
            let text = format!("a{c}b");
            assert_eq!(KINDS.map(|kind| flaw(kind, &text).is_none()), [false, false, true], "{text:?}");
        }
    }

    #[test]
    fn marks_stand_on_characters_and_not_on_towers() {
        let tower = |count| format!("a{}", "\u{315}".repeat(count));
        assert_eq!(flaw(Kind::Name, &tower(MARKS_MAX)), None);
        for bad in [tower(MARKS_MAX + 1), format!("b{}\u{200D}\u{315}", tower(MARKS_MAX))] {
            assert!(flaw(Kind::Line, &bad).unwrap().contains("more than 6 combining marks"), "{bad}");
        }
        for bad in ["\u{301}a", "a \u{301}", "\u{200D}\u{301}a"] {
            assert!(flaw(Kind::Name, bad).unwrap().contains("U+0301 has no character to stand on"), "{bad}");
        }
    }

    #[test]
    fn lines_that_look_the_same_are_seen_the_same() {
        for (a, b) in [("Oslo", " Oslo"), ("Zoe\u{308}", "Zoë"), ("a\u{200B}b", "ab"), ("ok\u{FE0F}", "ok")]
        {
            assert_eq!(seen(a), seen(b));
        }
        for (a, b) in [("Oslo", "oslo"), ("a b", "ab"), ("1", "１")] {
            assert_ne!(seen(a), seen(b));
        }
    }
}

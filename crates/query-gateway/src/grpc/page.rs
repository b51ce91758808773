//! The tokens that say where the next page of battles begins. Clients hand them back as they are; their form is ours.

use nimaora_domain::Phase;
use nimaora_read_models::Position;

/// The form's version, the phase and 16 hex digits.
const TOKEN_BYTES: usize = 18;
const VERSION: &str = "1";

/// The token of the page that begins below the position, in a list of battles in this phase.
pub(super) fn write(before: Position, phase: Option<Phase>) -> String {
    format!("{VERSION}{}{before:016x}", letter(phase))
}

/// The position that the token says; `None` when it is no token of a list of battles in this phase.
pub(super) fn read(token: &str, phase: Option<Phase>) -> Option<Position> {
    if token.len() != TOKEN_BYTES {
        return None;
    }
    let digits = token.strip_prefix(VERSION)?.strip_prefix(letter(phase))?;
    let before = Position::from_str_radix(digits, 16).ok()?;
    // A sign and capital letters are read by the standard library, but never written by us.
    (write(before, phase) == token).then_some(before)
}

fn letter(phase: Option<Phase>) -> char {
    match phase {
        None | Some(Phase::Absent) => 'a',
        Some(Phase::Created) => 'c',
        Some(Phase::Running) => 'r',
        Some(Phase::Finished) => 'f',
        Some(Phase::Cancelled) => 'x',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for position in [0, 1, 0xabc, u64::MAX] {
            for phase in [None, Some(Phase::Created), Some(Phase::Running), Some(Phase::Finished)] {
                assert_eq!(read(&write(position, phase), phase), Some(position));
            }
        }
    }

    #[test]
    fn a_token_counts_only_for_its_own_list() {
        let token = write(7, Some(Phase::Running));
        assert_eq!(read(&token, None), None);
        assert_eq!(read(&token, Some(Phase::Finished)), None);
    }

    #[test]
    fn what_was_not_written_here_is_no_token() {
        let token = write(0xabc, None);
        let capitals = token.replace("abc", "ABC");
        let signed = token.replacen("a0", "a+", 1);
        for wrong in [
            "",
            "1",
            "1a",
            "é",
            &token[1..],
            &format!("{token}0"),
            &token.replacen('1', "2", 1),
            &capitals,
            &signed,
        ] {
            assert_eq!(read(wrong, None), None, "{wrong}");
        }
    }
}

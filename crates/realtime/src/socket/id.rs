//! The name of a socket, in the form that the protocol and its server libraries want: two numbers and a dot.

use std::fmt;

/// A socket's name. Signatures are bound to it, so it must not be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SocketId(u64, u64);

impl SocketId {
    /// A name that nobody can guess: about 120 random bits from the operating system.
    pub(crate) fn random() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self(high >> 1, low >> 1)
    }

    /// The name that the text is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.split_once('.')?;
        Some(Self(first.parse().ok()?, second.parse().ok()?))
    }

    /// Whether the text has the form of a socket's name.
    pub(crate) fn is_valid(text: &str) -> bool {
        const DIGITS_MAX: usize = 20;
        let is_number = |part: &str| {
            (1..=DIGITS_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        text.split_once('.').is_some_and(|(first, second)| is_number(first) && is_number(second))
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_form_that_server_libraries_check() {
        assert!(SocketId::is_valid(&SocketId::random().to_string()));
        for wrong in ["", ".", "1", "1.", ".1", "1.2.3", "a.1", "1.-2", "1.2\n", "123456789012345678901.1"] {
            assert!(!SocketId::is_valid(wrong), "{wrong}");
        }
    }
}

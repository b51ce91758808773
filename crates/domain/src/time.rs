//! A point in time as the domain sees it. Only the runtime's clock makes one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, written as RFC 3339 with milliseconds (`2026-11-24T01:47:14.123Z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is no RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no RFC 3339 time such as 2026-11-24T01:47:14.123Z")]
pub struct TimestampError(String);

/// The last millisecond before 9999-12-30T22:00:00Z, the largest time that is in the year 9999 in every time
/// zone.
const MAX_MILLIS: i64 = 253_402_207_199_999;

impl Timestamp {
    /// The first one: the Unix epoch.
    pub const MIN: Self = Self(0);
    /// The last one: 9999-12-30T21:59:59.999Z.
    pub const MAX: Self = Self(MAX_MILLIS);

    /// The time `millis` after the Unix epoch, held between [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn from_millis(millis: i64) -> Self {
        Self(millis).clamp(Self::MIN, Self::MAX)
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// This time plus `millis`, held between [`Timestamp::MIN`] and [`Timestamp::MAX`].
    pub fn plus_millis(self, millis: u64) -> Self {
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this time; 0 when `earlier` is later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimestampError(text.to_owned()))?;
        Ok(Self::from_millis(time.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_with_milliseconds_and_read_back() {
        let time = Timestamp::from_millis(1_795_484_834_120);
        let text = time.to_string();
        assert!(text.ends_with(".120Z"), "{text}");
        assert_eq!(text.parse::<Timestamp>().unwrap(), time);
        assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{text}\""));
    }

    #[test]
    fn never_leaves_what_can_be_written() {
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(last.to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(last.plus_millis(u64::MAX), last);
    }
}

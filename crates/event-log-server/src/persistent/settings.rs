//! A group of consumers: its name, its settings, and from where it reads. This is what the log keeps of it.

use serde::{Deserialize, Serialize};
use tonic::Status;

use crate::expressions::Expressions;
use crate::filter::Wanted;

/// A place in what a group reads: a revision of its stream, or a position of the whole log.
pub(super) type Place = u64;

/// What the whole log is called.
pub(super) const ALL: &str = "$all";
/// How the names of the streams of groups begin.
pub(super) const STREAMS: &str = "$persistentsubscription-";
/// What stands between the names of a stream and of a group.
const SEPARATOR: &str = "::";
/// The longest name of a group and its stream together, in bytes; longer ones are refused.
const NAME_BYTES_MAX: usize = 960;
/// The most events that a group reads ahead; more are not read, whatever the settings say.
pub(super) const AHEAD_EVENTS_MAX: usize = 4_096;
/// The most consumers of a group; further ones are refused.
pub(super) const CONSUMERS_MAX: usize = 128;

/// Which group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct GroupId {
    /// Its stream, or [`ALL`].
    pub(super) source: String,
    pub(super) name: String,
}

impl GroupId {
    /// # Errors
    /// It has no name, too long a one, or one that could be taken for a part of the stream's.
    pub(super) fn new(source: String, name: String) -> Result<Self, Status> {
        if name.is_empty() || source.len() + name.len() > NAME_BYTES_MAX {
            let reason = format!("a group has a name, and with its stream's at most {NAME_BYTES_MAX} bytes");
            return Err(Status::invalid_argument(reason));
        }
        // Stream and name stand in one name with the separator between them, and it must be clear where.
        if name.contains(SEPARATOR) || name.starts_with(':') {
            let reason =
                format!("the name of a group neither begins with ':' nor holds '{SEPARATOR}': '{name}'");
            return Err(Status::invalid_argument(reason));
        }
        Ok(Self { source, name })
    }

    pub(super) fn is_all(&self) -> bool {
        self.source == ALL
    }

    /// How clients know it.
    pub(super) fn subscription(&self) -> String {
        format!("{}{SEPARATOR}{}", self.source, self.name)
    }

    pub(super) fn checkpoints(&self) -> String {
        format!("{STREAMS}{}-checkpoint", self.subscription())
    }

    pub(super) fn parked(&self) -> String {
        format!("{STREAMS}{}-parked", self.subscription())
    }

    /// A place as clients read it.
    pub(super) fn write_place(&self, place: Option<Place>) -> String {
        match (self.is_all(), place) {
            (true, place) => {
                let position = place.unwrap_or(0);
                format!("C:{position}/P:{position}")
            }
            (false, Some(revision)) => revision.to_string(),
            (false, None) => "-1".to_owned(),
        }
    }

    /// The place that [`write_place`](Self::write_place) wrote.
    pub(super) fn read_place(&self, text: &str) -> Option<Place> {
        match self.is_all() {
            true => {
                let (commit, _) = text.strip_prefix("C:")?.split_once('/')?;
                commit.parse().ok().filter(|position| *position > 0)
            }
            false => text.parse().ok(),
        }
    }
}

/// Who gets an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Strategy {
    /// The first consumer that has room.
    DispatchToSingle,
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The same one for all events of a stream.
    Pinned,
    /// The same one for all events that have `$correlationId` in common.
    PinnedByCorrelation,
}

impl Strategy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DispatchToSingle => "DispatchToSingle",
            Self::RoundRobin => "RoundRobin",
            Self::Pinned => "Pinned",
            Self::PinnedByCorrelation => "PinnedByCorrelation",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::DispatchToSingle, Self::RoundRobin, Self::Pinned, Self::PinnedByCorrelation]
            .into_iter()
            .find(|strategy| strategy.name() == name)
    }
}

/// Where a group begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Start {
    Beginning,
    /// At this place.
    At(Place),
    /// Behind what was there when the group was made.
    End,
}

/// How a group works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    pub(super) resolve_links: bool,
    pub(super) extra_statistics: bool,
    /// How often an event is delivered again before it is parked.
    pub(super) max_retry_count: u32,
    /// The place is not written before so many events are done.
    pub(super) min_checkpoint_count: u32,
    /// The place is written when so many events are done.
    pub(super) max_checkpoint_count: u32,
    /// 0 for no limit but the server's.
    pub(super) max_subscriber_count: u32,
    pub(super) live_buffer_size: u32,
    pub(super) read_batch_size: u32,
    /// How many events are read ahead of the consumers.
    pub(super) history_buffer_size: u32,
    /// How long a consumer may take for an event; 0 for ever.
    pub(super) message_timeout_ms: u32,
    /// How often the place is written at least, if enough is done.
    pub(super) checkpoint_after_ms: u32,
    pub(super) strategy: Strategy,
    pub(super) start: Start,
}

impl Settings {
    /// How many consumers the group takes.
    pub(super) fn consumers_max(&self) -> usize {
        match self.max_subscriber_count as usize {
            0 => CONSUMERS_MAX,
            wanted => wanted.min(CONSUMERS_MAX),
        }
    }

    /// How many events are read ahead.
    pub(super) fn ahead_max(&self) -> usize {
        (self.history_buffer_size as usize).clamp(1, AHEAD_EVENTS_MAX)
    }
}

/// Which events of the whole log a group wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupFilter {
    /// Whether the event's type is looked at, or the stream's name.
    pub(super) by_type: bool,
    pub(super) regex: String,
    pub(super) prefixes: Vec<String>,
}

/// A group as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) settings: Settings,
    pub(super) filter: Option<GroupFilter>,
}

impl Group {
    /// # Errors
    /// The filter is none, or as [`Expressions::compiled`].
    pub(super) fn wanted(&self, expressions: &Expressions) -> Result<Wanted, Status> {
        match &self.filter {
            _ if !self.id.is_all() => Ok(Wanted::stream(&self.id.source)),
            None => Ok(Wanted::default()),
            Some(filter) => Wanted::like(expressions, filter.by_type, &filter.regex, &filter.prefixes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_groups_have_the_same_streams() {
        let group = |source: &str, name: &str| GroupId::new(source.to_owned(), name.to_owned());
        for name in ["", "b::c", ":c"] {
            assert_eq!(group("a", name).unwrap_err().code(), tonic::Code::InvalidArgument, "'{name}'");
        }
        let streams: std::collections::BTreeSet<_> = [("a::b", "c"), ("a", "b"), ("a:", "b"), ("a::", "b")]
            .map(|(source, name)| group(source, name).unwrap().parked())
            .into();
        assert_eq!(streams.len(), 4);
    }

    #[test]
    fn places_are_read_as_they_were_written() {
        for (source, none, some) in [(ALL, "C:0/P:0", "C:7/P:7"), ("notes", "-1", "7")] {
            let id = GroupId { source: source.to_owned(), name: "readers".to_owned() };
            for (place, text) in [(None, none), (Some(7), some)] {
                assert_eq!(id.write_place(place), text);
                assert_eq!(id.read_place(text), place);
            }
            assert_eq!(id.read_place(""), None);
        }
    }

    #[test]
    fn strategies_are_known_by_their_names() {
        for strategy in [
            Strategy::DispatchToSingle,
            Strategy::RoundRobin,
            Strategy::Pinned,
            Strategy::PinnedByCorrelation,
        ] {
            assert_eq!(Strategy::from_name(strategy.name()), Some(strategy));
        }
        assert_eq!(Strategy::from_name("Any"), None);
    }
}

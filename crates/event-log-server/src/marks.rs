//! What the log has no field for: the content type of an event, and what became of the stream that metadata is about. It is the
//! beginning of the event's stored metadata, before the client's own. A battle's metadata is JSON and begins with none of these bytes.

use bytes::{BufMut, Bytes, BytesMut};
use nimaora_event_log::Revision;

/// The most bytes of a mark.
pub(crate) const MARK_BYTES_MAX: usize = 1 + size_of::<Revision>();

const JSON: u8 = 1;
const BINARY: u8 = 2;
const ENDED: u8 = 3;
const DELETED: u8 = 4;

/// What an event is marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Its body is JSON.
    Json,
    /// Its body is anything.
    Binary,
    /// It is metadata of a stream that is over for ever. All metadata behind it is marked so too.
    Ended,
    /// It is metadata that deletes all events of a stream before this revision.
    Deleted(Revision),
}

impl Mark {
    /// Metadata as it is stored: the mark, then what the client keeps beside its event.
    pub(crate) fn before(self, custom: &[u8]) -> Bytes {
        let mut stored = BytesMut::with_capacity(MARK_BYTES_MAX + custom.len());
        match self {
            Self::Json => stored.put_u8(JSON),
            Self::Binary => stored.put_u8(BINARY),
            Self::Ended => stored.put_u8(ENDED),
            Self::Deleted(before) => {
                stored.put_u8(DELETED);
                stored.put_u64(before);
            }
        }
        stored.put_slice(custom);
        stored.freeze()
    }

    /// The mark and the client's own metadata. What has no mark did not come through this server.
    pub(crate) fn split(stored: &Bytes) -> (Self, Bytes) {
        match stored.first() {
            Some(&JSON) => (Self::Json, stored.slice(1..)),
            Some(&BINARY) => (Self::Binary, stored.slice(1..)),
            Some(&ENDED) => (Self::Ended, stored.slice(1..)),
            Some(&DELETED) => match stored.get(1..MARK_BYTES_MAX).map(<[u8; 8]>::try_from) {
                Some(Ok(before)) => {
                    (Self::Deleted(Revision::from_be_bytes(before)), stored.slice(MARK_BYTES_MAX..))
                }
                _ => (Self::Binary, stored.clone()),
            },
            _ => (Self::Binary, stored.clone()),
        }
    }

    /// Whether the body is JSON. Metadata of streams is.
    pub(crate) fn is_json(self) -> bool {
        self != Self::Binary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_marked_is_found_again() {
        for mark in [Mark::Json, Mark::Binary, Mark::Ended, Mark::Deleted(7)] {
            assert_eq!(Mark::split(&mark.before(b"own")), (mark, Bytes::from_static(b"own")));
        }
    }

    #[test]
    fn what_has_no_whole_mark_is_kept_as_it_is() {
        for stored in [b"".as_slice(), b"{}", &[DELETED, 0]] {
            let stored = Bytes::copy_from_slice(stored);
            assert_eq!(Mark::split(&stored), (Mark::Binary, stored));
        }
    }
}

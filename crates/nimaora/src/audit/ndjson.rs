//! An event as a line of an export, and back. `data` and `metadata` are the stored bytes as text, so that the hashes can be
//! computed from the line alone.

use nimaora_event_log::RecordedEvent;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Line {
    pub(super) position: u64,
    pub(super) stream: String,
    pub(super) revision: u64,
    pub(super) id: Uuid,
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) created_ms: i64,
    pub(super) data: String,
    pub(super) metadata: String,
}

impl Line {
    /// The line of an event whose chain was checked; what is sealed is JSON, and so text.
    pub(super) fn of(event: &RecordedEvent) -> Result<Self, std::string::FromUtf8Error> {
        Ok(Self {
            position: event.position,
            stream: event.stream.to_string(),
            revision: event.revision,
            id: event.id,
            event_type: event.event_type.to_string(),
            created_ms: event.created_ms,
            data: String::from_utf8(event.data.to_vec())?,
            metadata: String::from_utf8(event.metadata.to_vec())?,
        })
    }

    /// The event of a line.
    pub(super) fn into_event(self) -> RecordedEvent {
        RecordedEvent {
            position: self.position,
            stream: self.stream.into(),
            revision: self.revision,
            id: self.id,
            event_type: self.event_type.into(),
            created_ms: self.created_ms,
            data: self.data.into_bytes().into(),
            metadata: self.metadata.into_bytes().into(),
        }
    }
}

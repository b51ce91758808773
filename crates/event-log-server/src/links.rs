//! Links: events of the type `$>` that stand for another one, as `REVISION@STREAM`. Who asks for it is sent that one, and the link beside it.

use bytes::Bytes;
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, ReadError, RecordedEvent, Revision};
use tonic::Status;

use crate::convert::{self, IdForm};
use crate::refusal;
use crate::standing::Shown;
use crate::wire::client::streams::ReadResp;

/// The type of links.
pub(crate) const LINK_TYPE: &str = "$>";

/// How a client wants events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) ids: IdForm,
    /// Whether it wants what links stand for.
    pub(crate) resolved: bool,
}

/// Where the link leads.
pub(crate) fn target(link: &Bytes) -> Option<(Revision, &str)> {
    let (revision, stream) = std::str::from_utf8(link).ok()?.split_once('@')?;
    Some((revision.parse().ok()?, stream))
}

impl Form {
    /// The event as the client is sent it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(crate) async fn told(
        self,
        log: &SharedLog,
        event: RecordedEvent,
        now_ms: i64,
    ) -> Result<ReadResp, Status> {
        if !self.resolved || &*event.event_type != LINK_TYPE {
            return Ok(convert::event(event, self.ids));
        }
        let found = resolve(log, &event.data, now_ms).await.map_err(|error| refusal::read(&error))?;
        Ok(convert::linked(found, event, self.ids))
    }
}

/// The event that the link stands for; none where it is not shown, or never was there.
async fn resolve(log: &SharedLog, link: &Bytes, now_ms: i64) -> Result<Option<RecordedEvent>, ReadError> {
    let Some((revision, stream)) = target(link) else { return Ok(None) };
    match Shown::look(log, stream, now_ms).await? {
        Shown::Events { first, last } if (first..=last).contains(&revision) => {
            Ok(log.read_stream(stream, revision, Direction::Forwards, 1).await?.pop())
        }
        _ => Ok(None),
    }
}

//! What operators ask about the projections. It is read from the log and the tables, so that a process that stands by can answer too.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use nimaora_api::details;
use nimaora_api::v1::projection_admin_service_server::{
    ProjectionAdminService, ProjectionAdminServiceServer,
};
use nimaora_api::v1::{
    DiscardParkedEventRequest, DiscardParkedEventResponse, ListParkedEventsRequest, ListParkedEventsResponse,
    ListProjectionsRequest, ListProjectionsResponse, ParkedEvent, Projection, RebuildRequest,
    RebuildResponse,
};
use nimaora_domain::{BattleId, Timestamp};
use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, Filter, Position, ReadError};
use nimaora_projection_service::rebuild::{PROJECTION_VERSION, version_of};
use nimaora_read_models::{Discarded, ReadModels, StoreError};
use nimaora_runtime::Clock;
use nimaora_sessions::TokenVerifier;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, async_trait};

use super::admin::require_admin;
use super::rebuilds::Rebuilds;

/// The name of the projection that makes boards, tables and changes.
const BATTLES: &str = "battles";
/// The largest request, in bytes. A larger one is answered `OUT_OF_RANGE`.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// How many events that wait are counted. With more, the answer says so: a reader of the whole log would slow down who catches up.
const BEHIND_EVENTS_MAX: usize = 10_000;
/// Events that are read at once to count them.
const COUNTED_PAGE_EVENTS: usize = 1_000;
/// Parked events in an answer when the request does not say how many, and the most that it may ask for.
const PARKED_EVENTS_DEFAULT: u32 = 100;
const PARKED_EVENTS_MAX: u32 = 1_000;
/// The longest reason for discarding an event.
const DISCARD_REASON_CHARS_MAX: usize = 500;
/// How long log and tables together may take for one call; then they count as unavailable.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// When a call that failed because of a store is worth a repeat.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The service's implementation.
pub(super) struct ProjectionAdmin {
    pub(super) log: SharedLog,
    pub(super) tables: Arc<dyn ReadModels>,
    pub(super) verifier: TokenVerifier,
    pub(super) clock: Clock,
    pub(super) rebuilds: Rebuilds,
}

/// What waits to be applied.
#[derive(Default)]
struct Behind {
    events: usize,
    by_more: bool,
    oldest_ms: Option<i64>,
}

impl ProjectionAdmin {
    /// The service for the port.
    pub(super) fn grpc(self) -> ProjectionAdminServiceServer<Self> {
        ProjectionAdminServiceServer::new(self).max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    fn require_admin(&self, metadata: &MetadataMap) -> Result<(), Status> {
        require_admin(&self.verifier, &self.clock, metadata)
    }

    async fn battles(&self) -> Result<Projection, Status> {
        // The tables first: what they hold was in the log before, so the head is never before them.
        let checkpoints = self.tables.checkpoints().await.map_err(|error| of_tables(&error))?;
        let applied = checkpoints.tables;
        let head = self.log.status().await.map_err(|error| of_log(&error))?.head;
        let behind = self.behind(applied).await.map_err(|error| of_log(&error))?;
        let waited = behind.oldest_ms.map_or(0, |since| self.clock.now_ms().saturating_sub(since));
        Ok(Projection {
            name: BATTLES.to_owned(),
            applied_position: applied,
            head_position: head,
            behind_events: u32::try_from(behind.events).unwrap_or(u32::MAX),
            behind_by_more: behind.by_more,
            behind_ms: u64::try_from(waited).unwrap_or(0),
            version: PROJECTION_VERSION,
            stored_version: version_of(&checkpoints),
        })
    }

    /// Counts events and not positions, which have gaps in some logs.
    async fn behind(&self, applied: Position) -> Result<Behind, ReadError> {
        let filter = Filter::stream_prefix(BattleId::STREAM_PREFIX);
        let mut behind = Behind::default();
        let mut from = Some(applied.saturating_add(1));
        while let Some(position) = from {
            if behind.events >= BEHIND_EVENTS_MAX {
                behind.by_more = true;
                break;
            }
            let page = self.log.read_all(position, Direction::Forwards, COUNTED_PAGE_EVENTS, &filter).await?;
            behind.events += page.events.len();
            behind.oldest_ms = behind.oldest_ms.or(page.events.first().map(|event| event.created_ms));
            from = page.next;
        }
        Ok(behind)
    }

    async fn parked(&self, asked: ListParkedEventsRequest) -> Result<ListParkedEventsResponse, Status> {
        let limit = match asked.limit {
            0 => PARKED_EVENTS_DEFAULT,
            limit if limit <= PARKED_EVENTS_MAX => limit,
            limit => {
                let wrong = format!("{limit} are too many; at most {PARKED_EVENTS_MAX} are answered");
                return Err(details::bad_field("limit", wrong));
            }
        };
        // The tables count with signed numbers, and no log gets that far.
        let after = asked.after_position.min(i64::MAX as u64);
        let mut found = self.tables.parked(after, limit + 1).await.map_err(|error| of_tables(&error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next_after_position = found.last().filter(|_| more).map_or(0, |event| event.position);
        Ok(ListParkedEventsResponse { events: found.into_iter().map(told).collect(), next_after_position })
    }
}

impl ProjectionAdmin {
    async fn discard(&self, asked: DiscardParkedEventRequest) -> Result<DiscardParkedEventResponse, Status> {
        let reason = asked.reason.trim();
        let characters = reason.chars().count();
        if !(1..=DISCARD_REASON_CHARS_MAX).contains(&characters) || reason.chars().any(char::is_control) {
            let wrong = format!("say why, in 1 to {DISCARD_REASON_CHARS_MAX} characters of one line");
            return Err(details::bad_field("reason", wrong));
        }
        let at = Timestamp::from_millis(self.clock.now_ms());
        let position = asked.position.min(i64::MAX as u64);
        let why = Discarded { at, reason: reason.to_owned() };
        match self.tables.discard_parked(position, &why).await.map_err(|error| of_tables(&error))? {
            true => Ok(DiscardParkedEventResponse {}),
            false => {
                let message =
                    format!("no event is parked at position {position}, or it was discarded before");
                Err(details::status(Code::NotFound, "NOT_PARKED", message))
            }
        }
    }
}

#[async_trait]
impl ProjectionAdminService for ProjectionAdmin {
    type RebuildStream = BoxStream<'static, Result<RebuildResponse, Status>>;

    async fn discard_parked_event(
        &self,
        request: Request<DiscardParkedEventRequest>,
    ) -> Result<Response<DiscardParkedEventResponse>, Status> {
        self.require_admin(request.metadata())?;
        in_time(self.discard(request.into_inner())).await.map(Response::new)
    }

    async fn rebuild(
        &self,
        request: Request<RebuildRequest>,
    ) -> Result<Response<Self::RebuildStream>, Status> {
        self.require_admin(request.metadata())?;
        self.rebuilds.begin(request.into_inner()).map(Response::new)
    }

    async fn list_projections(
        &self,
        request: Request<ListProjectionsRequest>,
    ) -> Result<Response<ListProjectionsResponse>, Status> {
        self.require_admin(request.metadata())?;
        let battles = in_time(self.battles()).await?;
        Ok(Response::new(ListProjectionsResponse { projections: vec![battles] }))
    }

    async fn list_parked_events(
        &self,
        request: Request<ListParkedEventsRequest>,
    ) -> Result<Response<ListParkedEventsResponse>, Status> {
        self.require_admin(request.metadata())?;
        in_time(self.parked(request.into_inner())).await.map(Response::new)
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let reason = "the log and the tables did not answer in time; try again";
            Err(details::retry(Code::Unavailable, "STORE_UNAVAILABLE", reason, RETRY_AFTER))
        }
    }
}

pub(crate) fn of_tables(error: &StoreError) -> Status {
    match error {
        StoreError::Unavailable { .. } => {
            details::retry(Code::Unavailable, "TABLES_UNAVAILABLE", error.to_string(), RETRY_AFTER)
        }
        StoreError::Damaged { .. } => details::status(Code::DataLoss, "TABLES_DAMAGED", error.to_string()),
        StoreError::NotHeld(_) | StoreError::Constraint { .. } | StoreError::Overtaken { .. } => {
            details::status(Code::Internal, "INTERNAL", error.to_string())
        }
    }
}

pub(crate) fn of_log(error: &ReadError) -> Status {
    match error {
        ReadError::Unavailable { .. } => {
            details::retry(Code::Unavailable, "LOG_UNAVAILABLE", error.to_string(), RETRY_AFTER)
        }
        ReadError::Damaged { .. } => details::status(Code::DataLoss, "LOG_DAMAGED", error.to_string()),
        ReadError::Invalid { .. } => details::status(Code::Internal, "INTERNAL", error.to_string()),
    }
}

fn told(event: nimaora_read_models::ParkedEvent) -> ParkedEvent {
    ParkedEvent {
        position: event.position,
        stream: event.stream,
        revision: event.revision,
        event_id: event.event_id.to_string(),
        event_type: event.event_type,
        reason: event.reason,
        parked_at: Some(timestamp(event.parked_at)),
        discarded_at: event.discarded.as_ref().map(|why| timestamp(why.at)),
        discard_reason: event.discarded.map(|why| why.reason).unwrap_or_default(),
    }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    nimaora_api::timestamp(time.as_millis())
}

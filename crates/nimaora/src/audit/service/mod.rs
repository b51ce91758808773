//! What a running server answers to auditors: `AuditService`. The work is that of the command line; this is its face.
//!
//! Long answers are made in a task of their own, a few messages ahead of a client that reads slowly, and end with the client.

mod telling;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use nimaora_api::details;
use nimaora_api::v1::audit_service_server::{AuditService, AuditServiceServer};
use nimaora_api::v1::{
    ExportBattleRequest, ExportBattleResponse, IssueReceiptRequest, IssueReceiptResponse, ReplayRequest,
    ReplayResponse, TailRequest, TailResponse, TellStoryRequest, TellStoryResponse, VerifyRequest,
    VerifyResponse, replay_request, tell_story_request,
};
use nimaora_domain::{BattleId, Timestamp};
use nimaora_event_log::Position;
use nimaora_event_log::log::SharedLog;
use nimaora_read_models::{AuditedTables, Leaderboard};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::TokenVerifier;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tonic::{Code, Request, Response, Status, async_trait};

use super::error::AuditError;
use super::receipt;
use super::remote::DIFFERS;
use super::replay::{Replayed, Until, replay};
use super::tail::Tail;
use super::verify::{Progress, Stores, verify};
use super::walk::{Fold, stream as walk};
use crate::config::Config;
use crate::serve::{of_log, of_tables, require_admin};

pub(super) use telling::timestamp;

/// The largest request, in bytes. A larger one is answered `OUT_OF_RANGE`.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Calls that are carried out at a time. When it is reached, another one is answered `RESOURCE_EXHAUSTED` with a retry delay: an audit
/// reads the whole log, and players come first.
const AUDITS_MAX: usize = 4;
/// Tails that are followed at a time, besides. They read little once they have caught up, but stay for as long as their clients do, and leave the
/// other calls their places.
const TAILS_MAX: usize = 4;
/// Battles that one verification may name.
const BATTLES_MAX: usize = 100;
/// How long a replay or a receipt may take. Then the call ends with `DEADLINE_EXCEEDED`.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages that wait for a client that reads slowly. When so many wait, the work waits too.
const MESSAGES_AHEAD_MAX: usize = 4;
/// How often it is told how far a verification is.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// When a call that was turned away is worth a repeat.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service's implementation.
pub(crate) struct AuditAdmin {
    log: SharedLog,
    stores: Arc<Stores>,
    config: Config,
    verifier: TokenVerifier,
    clock: Clock,
    shutdown: Shutdown,
    under_way: Arc<Semaphore>,
    tails: Arc<Semaphore>,
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// Where the messages of a long answer go. Sending fails when nobody wants them any more.
type Messages<T> = mpsc::Sender<Result<T, Status>>;

/// The client went away.
struct Gone;

impl AuditAdmin {
    pub(crate) fn new(
        log: SharedLog,
        tables: Arc<dyn AuditedTables>,
        leaderboard: Arc<dyn Leaderboard>,
        config: Config,
        verifier: TokenVerifier,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        let stores = Arc::new(Stores { tables, leaderboard: Some(leaderboard) });
        let under_way = Arc::new(Semaphore::new(AUDITS_MAX));
        let tails = Arc::new(Semaphore::new(TAILS_MAX));
        Self { log, stores, config, verifier, clock, shutdown, under_way, tails }
    }

    /// The service for the port.
    pub(crate) fn grpc(self) -> AuditServiceServer<Self> {
        AuditServiceServer::new(self).max_decoding_message_size(REQUEST_BYTES_MAX)
    }

    /// Refuses everybody but an admin, and audits that are too many.
    fn enter<T>(&self, request: &Request<T>) -> Result<OwnedSemaphorePermit, Status> {
        require_admin(&self.verifier, &self.clock, request.metadata())?;
        let message = || format!("{AUDITS_MAX} audits are under way in this process; try again");
        place(&self.under_way, message)
    }

    /// Answers with what the work sends, until it is done or the client is gone.
    fn answer<T: Send + 'static, W>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(Messages<T>) -> W,
    ) -> Response<Answers<T>>
    where
        W: Future<Output = Result<(), AuditError>> + Send + 'static,
    {
        let (messages, told) = mpsc::channel(MESSAGES_AHEAD_MAX);
        let work = work(messages.clone());
        self.shutdown.spawn(async move {
            let _permit = permit;
            let failed = tokio::select! {
                done = work => done.err(),
                // Also in the middle of a long read.
                () = messages.closed() => None,
            };
            if let Some(error) = failed {
                // Whoever is gone does not want to know.
                let _ = messages.send(Err(status(&error))).await;
            }
        });
        let told = stream::unfold(told, |mut told| async move { told.recv().await.map(|one| (one, told)) });
        Response::new(told.boxed())
    }
}

fn place(places: &Arc<Semaphore>, full: impl FnOnce() -> String) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(places)
        .try_acquire_owned()
        .map_err(|_| details::retry(Code::ResourceExhausted, "TOO_MANY_AUDITS", full(), RETRY_AFTER))
}

async fn tell<T>(messages: &Messages<T>, message: T) -> Result<(), Gone> {
    messages.send(Ok(message)).await.map_err(|_| Gone)
}

fn battle(text: &str) -> Result<BattleId, Status> {
    text.parse()
        .map_err(|_| details::bad_field("battle_id", format!("'{}' is no UUID", super::printable(text))))
}

fn position_or_end(position: Option<Position>) -> Until {
    Until::Position(position.unwrap_or(Position::MAX))
}

fn until_time(time: &prost_types::Timestamp) -> Until {
    Until::Time(Timestamp::from_millis(
        time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000),
    ))
}

/// What a failed audit is on the wire.
fn status(error: &AuditError) -> Status {
    match error {
        AuditError::Differs(difference) => details::status(Code::DataLoss, DIFFERS, difference),
        AuditError::NoBattle(_) => details::status(Code::NotFound, "BATTLE_UNKNOWN", error.to_string()),
        AuditError::NoParticipant(_) => {
            details::status(Code::NotFound, "PARTICIPANT_UNKNOWN", error.to_string())
        }
        AuditError::Read(error) => of_log(error),
        AuditError::Store { source, .. } => of_tables(source),
        AuditError::Config(_)
        | AuditError::Open(_)
        | AuditError::Connect { .. }
        | AuditError::NoLog(_)
        | AuditError::At(_)
        | AuditError::Range { .. }
        | AuditError::File { .. }
        | AuditError::Content { .. }
        | AuditError::Secret(_)
        | AuditError::Json(_)
        | AuditError::Task(_)
        | AuditError::Client(_)
        | AuditError::NotConfirmed(_)
        | AuditError::Input(_)
        | AuditError::Output(_) => details::status(Code::Internal, "INTERNAL", error.to_string()),
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, AuditError>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_TIMEOUT, work).await {
        Ok(done) => done.map_err(|error| status(&error)),
        Err(_) => Err(details::status(
            Code::DeadlineExceeded,
            "DEADLINE_PASSED",
            "the battle is too long to be read in the time that a call has",
        )),
    }
}

#[async_trait]
impl AuditService for AuditAdmin {
    type TellStoryStream = Answers<TellStoryResponse>;
    type ExportBattleStream = Answers<ExportBattleResponse>;
    type VerifyStream = Answers<VerifyResponse>;
    type TailStream = Answers<TailResponse>;

    async fn replay(&self, request: Request<ReplayRequest>) -> Result<Response<ReplayResponse>, Status> {
        let _permit = self.enter(&request)?;
        let ReplayRequest { battle_id, until } = request.into_inner();
        let until = match until {
            None => position_or_end(None),
            Some(replay_request::Until::Position(position)) => position_or_end(Some(position)),
            Some(replay_request::Until::Time(time)) => until_time(&time),
        };
        let replayed = in_time(replay(&*self.log, battle(&battle_id)?, until, None)).await?;
        Ok(Response::new(telling::standings(&replayed.fold)))
    }

    async fn tell_story(
        &self,
        request: Request<TellStoryRequest>,
    ) -> Result<Response<Self::TellStoryStream>, Status> {
        let permit = self.enter(&request)?;
        let TellStoryRequest { battle_id, participant, until } = request.into_inner();
        let until = match until {
            None => position_or_end(None),
            Some(tell_story_request::Until::Position(position)) => position_or_end(Some(position)),
            Some(tell_story_request::Until::Time(time)) => until_time(&time),
        };
        let (log, battle_id) = (Arc::clone(&self.log), battle(&battle_id)?);
        Ok(self.answer(permit, |messages| async move {
            let Replayed { who, moments, .. } = replay(&*log, battle_id, until, Some(&participant)).await?;
            let Some(who) = who else { return Err(AuditError::NoParticipant(participant)) };
            for moment in moments {
                if let Err(Gone) = tell(&messages, telling::moment(who, moment)).await {
                    return Ok(());
                }
            }
            Ok(())
        }))
    }

    async fn export_battle(
        &self,
        request: Request<ExportBattleRequest>,
    ) -> Result<Response<Self::ExportBattleStream>, Status> {
        let permit = self.enter(&request)?;
        let ExportBattleRequest { battle_id, from_position, to_position } = request.into_inner();
        let (log, battle_id) = (Arc::clone(&self.log), battle(&battle_id)?);
        let to = if to_position == 0 { Position::MAX } else { to_position };
        Ok(self.answer(permit, |messages| async move {
            export(&log, battle_id, from_position, to, &messages).await
        }))
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        let permit = self.enter(&request)?;
        let battles = request.into_inner().battle_ids;
        if battles.len() > BATTLES_MAX {
            let wrong = format!("{} are too many; at most {BATTLES_MAX} are checked at once", battles.len());
            return Err(details::bad_field("battle_ids", wrong));
        }
        let battles = battles.iter().map(|text| battle(text)).collect::<Result<Vec<_>, _>>()?;
        let (log, stores) = (Arc::clone(&self.log), Arc::clone(&self.stores));
        Ok(self.answer(permit, |messages| async move {
            let (progress, mut told) = watch::channel(Progress::default());
            let tell_progress = |now| {
                progress.send_replace(now);
            };
            let checking = verify(&log, Some(&stores), &battles, &tell_progress);
            tokio::pin!(checking);
            let mut ticks = tokio::time::interval(TELL_EVERY);
            let checked = loop {
                tokio::select! {
                    checked = &mut checking => break checked,
                    _ = ticks.tick() => {
                        let now = *told.borrow_and_update();
                        // A client that reads slowly misses some; it has the last one all the same.
                        let _ = messages.try_send(Ok(telling::progress(now)));
                    }
                }
            };
            let last = match checked {
                Ok(report) => telling::report(report),
                Err(AuditError::Differs(difference)) => telling::difference(*told.borrow(), difference),
                Err(error) => return Err(error),
            };
            // The client may be gone at this very moment.
            let _ = messages.send(Ok(last)).await;
            Ok(())
        }))
    }

    async fn issue_receipt(
        &self,
        request: Request<IssueReceiptRequest>,
    ) -> Result<Response<IssueReceiptResponse>, Status> {
        let _permit = self.enter(&request)?;
        let battle_id = battle(&request.into_inner().battle_id)?;
        let config = self.config.clone();
        let key = tokio::task::spawn_blocking(move || receipt::signing_key(&config)).await;
        let key = key.map_err(AuditError::from).and_then(|key| key).map_err(|error| status(&error))?;
        let receipt = in_time(receipt::issue(&*self.log, battle_id, &key)).await?;
        let public_key = hex::encode(key.verifying_key().to_bytes());
        Ok(Response::new(IssueReceiptResponse { receipt, public_key }))
    }

    async fn tail(&self, request: Request<TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        require_admin(&self.verifier, &self.clock, request.metadata())?;
        let full = || format!("{TAILS_MAX} clients follow the log in this process; try again");
        let permit = place(&self.tails, full)?;
        let TailRequest { after_position, no_follow } = request.into_inner();
        let log = Arc::clone(&self.log);
        let shutdown = self.shutdown.clone();
        Ok(self.answer(permit, |messages| async move {
            let mut tail = Tail::begin(log, after_position, no_follow).await?;
            loop {
                let batch = tokio::select! {
                    batch = tail.next() => batch?,
                    () = shutdown.requested() => None,
                };
                for told in batch.iter().flatten() {
                    if let Err(Gone) = tell(&messages, telling::told(told)).await {
                        return Ok(());
                    }
                }
                if batch.is_none() {
                    return Ok(());
                }
            }
        }))
    }
}

/// Sends a battle's events, each checked against the chain from its beginning on.
async fn export(
    log: &SharedLog,
    battle_id: BattleId,
    from: Position,
    to: Position,
    messages: &Messages<ExportBattleResponse>,
) -> Result<(), AuditError> {
    let (mut fold, mut next) = (Fold::default(), 0);
    loop {
        let (mut page, mut last) = (Vec::new(), true);
        walk(&**log, battle_id, next, |event| {
            if event.position > to {
                return Ok(false);
            }
            fold.event(event)?;
            if event.position >= from {
                page.push(telling::stored(event));
            }
            last = page.len() < telling::PAGE_EVENTS;
            Ok(last)
        })
        .await?;
        if fold.next_revision == 0 && next == 0 && !exists(log, battle_id).await? {
            return Err(AuditError::NoBattle(battle_id));
        }
        next = fold.next_revision;
        if !page.is_empty()
            && let Err(Gone) = tell(messages, ExportBattleResponse { events: page }).await
        {
            return Ok(());
        }
        if last {
            return Ok(());
        }
    }
}

async fn exists(log: &SharedLog, battle_id: BattleId) -> Result<bool, AuditError> {
    let stream = battle_id.stream();
    let first = log.read_stream(&stream, 0, nimaora_event_log::Direction::Forwards, 1).await?;
    Ok(!first.is_empty())
}

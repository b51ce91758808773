//! The service `Streams`: which call goes where.

use std::future::Future;

use nimaora_event_log::{Direction, Expected, Position, Revision};
use nimaora_runtime::{Clock, Shutdown};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Principal;
use crate::bounds::WritingCalls;
use crate::budget::Budget;
use crate::convert::{self, IdForm};
use crate::expressions::Expressions;
use crate::filter::Wanted;
use crate::following::{From, Listener};
use crate::links::Form;
use crate::reading::{AllRead, StreamRead};
use crate::standing::Shown;
use crate::wire::client::Empty;
use crate::wire::client::streams::delete_req::options::ExpectedStreamRevision as DeleteExpected;
use crate::wire::client::streams::delete_resp::{self, PositionOption as DeletedAt};
use crate::wire::client::streams::read_req::Options;
use crate::wire::client::streams::read_req::options::all_options::AllOption;
use crate::wire::client::streams::read_req::options::stream_options::RevisionOption;
use crate::wire::client::streams::read_req::options::uuid_option::Content as IdOption;
use crate::wire::client::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, ReadDirection, StreamOption, StreamOptions,
};
use crate::wire::client::streams::streams_server::Streams;
use crate::wire::client::streams::tombstone_req::options::ExpectedStreamRevision as TombstoneExpected;
use crate::wire::client::streams::tombstone_resp::{self, PositionOption as EndedAt};
use crate::wire::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    TombstoneReq, TombstoneResp,
};
use crate::writing::Writer;
use crate::{appending, batching, deleting, nodes, refusal};

/// Events of one answer that wait for the client. When it is reached, the log is not read on.
const ANSWERS_MAX: usize = 128;

/// Streams of the log, for those whom [`Access`](crate::access::Access) let in.
#[derive(Clone)]
pub(crate) struct LogStreams {
    pub(crate) writer: Writer,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) writing: WritingCalls,
    pub(crate) budget: Budget,
    pub(crate) expressions: Expressions,
}

type Reading = ReceiverStream<Result<ReadResp, Status>>;

/// A read or a subscription, understood.
enum Plan {
    Stream(StreamRead),
    All(AllRead),
    Follow(From, Wanted, Form),
}

#[tonic::async_trait]
impl Streams for LogStreams {
    type ReadStream = Reading;
    type BatchAppendStream = ReceiverStream<Result<BatchAppendResp, Status>>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Reading>, Status> {
        let missing = || Status::invalid_argument("a read says what to read");
        let plan = plan(&self.expressions, request.into_inner().options.ok_or_else(missing)?)?;
        let (answers, stream) = mpsc::channel(ANSWERS_MAX);
        let (log, now_ms) = (self.writer.log.clone(), self.clock.now_ms());
        match plan {
            // When sending fails the client is gone, and there is nobody to tell.
            Plan::Stream(read) => {
                let (told, shown) = (answers.clone(), self.shown(&read.stream).await?);
                self.run(told, async move { drop(read.run(log, shown, now_ms, answers).await) });
            }
            Plan::All(read) => {
                let told = answers.clone();
                self.run(told, async move { drop(read.run(log, now_ms, answers).await) });
            }
            Plan::Follow(from, wanted, form) => {
                let shown = match &from {
                    From::Stream(stream, _) | From::StreamEnd(stream) => self.shown(stream).await?,
                    From::All(_) | From::AllEnd => Shown::Nothing(0),
                };
                let listener = Listener::new(log, self.clock.clone(), wanted, form, answers.clone());
                self.run(answers, listener.run(from, shown));
            }
        }
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let _place = self.writing.single().await?;
        let (metadata, extensions, parts) = request.into_parts();
        if extensions.get() == Some(&Principal::Node) {
            return Ok(Response::new(nodes::append(&self.writer.log, &self.budget, parts).await?));
        }
        Ok(Response::new(appending::append(&self.writer, &self.budget, &metadata, parts).await?))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let place = self.writing.batches().await?;
        let (answers, stream) = mpsc::channel(ANSWERS_MAX);
        let told = answers.clone();
        let (writer, budget, clock) = (self.writer.clone(), self.budget.clone(), self.clock.clone());
        let batches = batching::run(writer, budget, clock, request.into_inner(), answers);
        self.run(told, async move {
            batches.await;
            drop(place);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let options = request.into_inner().options.ok_or_else(|| missing("a deletion"))?;
        let (stream, expected) = appending::ended(
            options.stream_identifier,
            options.expected_stream_revision.map(|expected| match expected {
                DeleteExpected::Revision(revision) => Expected::Exact(revision),
                DeleteExpected::NoStream(_) => Expected::NoStream,
                DeleteExpected::Any(_) => Expected::Any,
                DeleteExpected::StreamExists(_) => Expected::Exists,
            }),
        )?;
        let written = deleting::delete(&self.writer, &stream, expected).await;
        let option = match written.map_err(|refused| appending::not_ended(&refused, &stream, expected))? {
            Some(position) => {
                let (commit_position, prepare_position) = (position, position);
                DeletedAt::Position(delete_resp::Position { commit_position, prepare_position })
            }
            None => DeletedAt::NoPosition(Empty {}),
        };
        Ok(Response::new(DeleteResp { position_option: Some(option) }))
    }

    async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        let options = request.into_inner().options.ok_or_else(|| missing("a tombstone"))?;
        let (stream, expected) = appending::ended(
            options.stream_identifier,
            options.expected_stream_revision.map(|expected| match expected {
                TombstoneExpected::Revision(revision) => Expected::Exact(revision),
                TombstoneExpected::NoStream(_) => Expected::NoStream,
                TombstoneExpected::Any(_) => Expected::Any,
                TombstoneExpected::StreamExists(_) => Expected::Exists,
            }),
        )?;
        let written = deleting::end(&self.writer, &stream, expected).await;
        let position = written.map_err(|refused| appending::not_ended(&refused, &stream, expected))?;
        let (commit_position, prepare_position) = (position, position);
        let option = EndedAt::Position(tombstone_resp::Position { commit_position, prepare_position });
        Ok(Response::new(TombstoneResp { position_option: Some(option) }))
    }
}

fn missing(what: &str) -> Status {
    Status::invalid_argument(format!("{what} says of which stream"))
}

impl LogStreams {
    /// # Errors
    /// The stream is over for ever, or the log cannot be read.
    async fn shown(&self, stream: &str) -> Result<Shown, Status> {
        match Shown::look(&self.writer.log, stream, self.clock.now_ms()).await {
            Ok(Shown::Ended) => Err(refusal::stream_deleted(stream)),
            Ok(shown) => Ok(shown),
            Err(error) => Err(refusal::read(&error)),
        }
    }

    /// Answers a client until that ends, or the server does.
    fn run<T: Send + 'static>(
        &self,
        answers: mpsc::Sender<Result<T, Status>>,
        answering: impl Future<Output = ()> + Send + 'static,
    ) {
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(async move {
            tokio::select! {
                () = answering => {}
                () = shutdown.requested() => {
                    // A client that does not read is not waited for.
                    let _ = answers.try_send(Err(refusal::stopping()));
                }
            }
        });
    }
}

fn plan(expressions: &Expressions, options: Options) -> Result<Plan, Status> {
    let ids = match options.uuid_option.and_then(|option| option.content) {
        Some(IdOption::Structured(_)) => IdForm::Structured,
        Some(IdOption::String(_)) => IdForm::Text,
        None => return Err(Status::invalid_argument("a read says in which form it wants ids")),
    };
    let form = Form { ids, resolved: options.resolve_links };
    let direction = match ReadDirection::try_from(options.read_direction) {
        Ok(ReadDirection::Forwards) => Direction::Forwards,
        Ok(ReadDirection::Backwards) => Direction::Backwards,
        Err(_) => return Err(Status::invalid_argument("a read goes forwards or backwards")),
    };
    let limit = match options.count_option {
        Some(CountOption::Count(count)) => Some(count),
        Some(CountOption::Subscription(_)) if direction == Direction::Forwards => None,
        Some(CountOption::Subscription(_)) => {
            return Err(Status::invalid_argument("a subscription goes forwards"));
        }
        None => return Err(Status::invalid_argument("a read says how many events it wants")),
    };
    let ends_wanted = options.control_option.is_some_and(|option| option.compatibility >= 1);
    match options.stream_option {
        Some(StreamOption::Stream(stream)) => stream_plan(stream, direction, limit, ends_wanted, form),
        Some(StreamOption::All(all)) => {
            let wanted = match options.filter_option {
                Some(FilterOption::Filter(filter)) => Wanted::new(expressions, filter)?,
                Some(FilterOption::NoFilter(_)) | None => Wanted::default(),
            };
            Ok(all_plan(&all, direction, limit, wanted, form))
        }
        None => Err(Status::invalid_argument("a read says of which stream")),
    }
}

fn stream_plan(
    options: StreamOptions,
    direction: Direction,
    limit: Option<u64>,
    ends_wanted: bool,
    form: Form,
) -> Result<Plan, Status> {
    let stream = convert::stream(options.stream_identifier)?;
    let from = options.revision_option;
    if let Some(limit) = limit {
        let from = match from {
            Some(RevisionOption::Revision(revision)) => revision,
            Some(RevisionOption::Start(_)) | None => 0,
            Some(RevisionOption::End(_)) => Revision::MAX,
        };
        return Ok(Plan::Stream(StreamRead { stream, from, direction, limit, ends_wanted, form }));
    }
    let wanted = Wanted::stream(&stream);
    let from = match from {
        Some(RevisionOption::Revision(after)) => From::Stream(stream, after.saturating_add(1)),
        Some(RevisionOption::Start(_)) | None => From::Stream(stream, 0),
        Some(RevisionOption::End(_)) => From::StreamEnd(stream),
    };
    Ok(Plan::Follow(from, wanted, form))
}

fn all_plan(
    options: &AllOptions,
    direction: Direction,
    limit: Option<u64>,
    wanted: Wanted,
    form: Form,
) -> Plan {
    let Some(limit) = limit else {
        let from = match options.all_option {
            Some(AllOption::Position(position)) => From::All(position.commit_position),
            Some(AllOption::Start(_)) | None => From::All(0),
            Some(AllOption::End(_)) => From::AllEnd,
        };
        return Plan::Follow(from, wanted, form);
    };
    let from = match options.all_option {
        Some(AllOption::Position(position)) => position.commit_position,
        Some(AllOption::Start(_)) | None => 0,
        Some(AllOption::End(_)) => Position::MAX,
    };
    Plan::All(AllRead { from, direction, limit, wanted, form })
}

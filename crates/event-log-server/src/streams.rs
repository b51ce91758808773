//! The service `Streams`: which call goes where.

use std::future::Future;

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, Position, Revision};
use nimaora_runtime::{Clock, Shutdown};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::access::Principal;
use crate::bounds::WritingCalls;
use crate::convert::{self, IdForm};
use crate::filter::Wanted;
use crate::following::{From, Listener};
use crate::reading::{AllRead, StreamRead};
use crate::wire::client::streams::read_req::Options;
use crate::wire::client::streams::read_req::options::all_options::AllOption;
use crate::wire::client::streams::read_req::options::stream_options::RevisionOption;
use crate::wire::client::streams::read_req::options::uuid_option::Content as IdOption;
use crate::wire::client::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, ReadDirection, StreamOption, StreamOptions,
};
use crate::wire::client::streams::streams_server::Streams;
use crate::wire::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    TombstoneReq, TombstoneResp,
};
use crate::{appending, batching, nodes, refusal};

/// Events of one answer that wait for the client. When it is reached, the log is not read on.
const ANSWERS_MAX: usize = 128;

/// Streams of the log, for those whom [`Access`](crate::access::Access) let in.
#[derive(Clone)]
pub(crate) struct LogStreams {
    pub(crate) log: SharedLog,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) writing: WritingCalls,
}

type Reading = ReceiverStream<Result<ReadResp, Status>>;

/// A read or a subscription, understood.
enum Plan {
    Stream(StreamRead),
    All(AllRead),
    Follow(From, Wanted, IdForm),
}

#[tonic::async_trait]
impl Streams for LogStreams {
    type ReadStream = Reading;
    type BatchAppendStream = ReceiverStream<Result<BatchAppendResp, Status>>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Reading>, Status> {
        let missing = || Status::invalid_argument("a read says what to read");
        let plan = plan(request.into_inner().options.ok_or_else(missing)?)?;
        let (answers, stream) = mpsc::channel(ANSWERS_MAX);
        let log = self.log.clone();
        match plan {
            // When sending fails the client is gone, and there is nobody to tell.
            Plan::Stream(read) => {
                let told = answers.clone();
                self.run(told, async move { drop(read.run(log, answers).await) });
            }
            Plan::All(read) => {
                let told = answers.clone();
                self.run(told, async move { drop(read.run(log, answers).await) });
            }
            Plan::Follow(from, wanted, ids) => {
                let listener = Listener::new(log, self.clock.clone(), wanted, ids, answers.clone());
                self.run(answers, listener.run(from));
            }
        }
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let _place = self.writing.single().await?;
        let (metadata, extensions, parts) = request.into_parts();
        if extensions.get() == Some(&Principal::Node) {
            return Ok(Response::new(nodes::append(&self.log, parts).await?));
        }
        Ok(Response::new(appending::append(&self.log, &metadata, parts).await?))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let place = self.writing.batches().await?;
        let (answers, stream) = mpsc::channel(ANSWERS_MAX);
        let told = answers.clone();
        let batches = batching::run(self.log.clone(), self.clock.clone(), request.into_inner(), answers);
        self.run(told, async move {
            batches.await;
            drop(place);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("this server deletes no stream: the log is history"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("this server ends no stream: the log is history"))
    }
}

impl LogStreams {
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

fn plan(options: Options) -> Result<Plan, Status> {
    let ids = match options.uuid_option.and_then(|option| option.content) {
        Some(IdOption::Structured(_)) => IdForm::Structured,
        Some(IdOption::String(_)) => IdForm::Text,
        None => return Err(Status::invalid_argument("a read says in which form it wants ids")),
    };
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
        Some(StreamOption::Stream(stream)) => stream_plan(stream, direction, limit, ends_wanted, ids),
        Some(StreamOption::All(all)) => {
            let wanted = match options.filter_option {
                Some(FilterOption::Filter(filter)) => Wanted::new(filter)?,
                Some(FilterOption::NoFilter(_)) | None => Wanted::default(),
            };
            Ok(all_plan(&all, direction, limit, wanted, ids))
        }
        None => Err(Status::invalid_argument("a read says of which stream")),
    }
}

fn stream_plan(
    options: StreamOptions,
    direction: Direction,
    limit: Option<u64>,
    ends_wanted: bool,
    ids: IdForm,
) -> Result<Plan, Status> {
    let stream = convert::stream(options.stream_identifier)?;
    let from = options.revision_option;
    if let Some(limit) = limit {
        let from = match from {
            Some(RevisionOption::Revision(revision)) => revision,
            Some(RevisionOption::Start(_)) | None => 0,
            Some(RevisionOption::End(_)) => Revision::MAX,
        };
        return Ok(Plan::Stream(StreamRead { stream, from, direction, limit, ends_wanted, ids }));
    }
    let wanted = Wanted::stream(&stream);
    let from = match from {
        Some(RevisionOption::Revision(after)) => From::Stream(stream, after.saturating_add(1)),
        Some(RevisionOption::Start(_)) | None => From::Stream(stream, 0),
        Some(RevisionOption::End(_)) => From::StreamEnd(stream),
    };
    Ok(Plan::Follow(from, wanted, ids))
}

fn all_plan(
    options: &AllOptions,
    direction: Direction,
    limit: Option<u64>,
    wanted: Wanted,
    ids: IdForm,
) -> Plan {
    let Some(limit) = limit else {
        let from = match options.all_option {
            Some(AllOption::Position(position)) => From::All(position.commit_position),
            Some(AllOption::Start(_)) | None => From::All(0),
            Some(AllOption::End(_)) => From::AllEnd,
        };
        return Plan::Follow(from, wanted, ids);
    };
    let from = match options.all_option {
        Some(AllOption::Position(position)) => position.commit_position,
        Some(AllOption::Start(_)) | None => 0,
        Some(AllOption::End(_)) => Position::MAX,
    };
    Plan::All(AllRead { from, direction, limit, wanted, ids })
}

//! Persistent subscriptions: groups of consumers that share the events of a stream or of the whole log, and whose place the server keeps.
//!
//! | module | what it holds |
//! |---|---|
//! | `settings` | a group as the log keeps it |
//! | `asked` | what clients ask for, in our terms |
//! | `registry` | [`Groups`]: which there are, and which are at work here |
//! | `group` | a group at work: the task that deals events out |
//! | `source` | what a group reads |
//! | `deliveries` | events that are read and not done |
//! | `consumers` | who gets an event |
//! | `progress` | how far the group is |
//! | `keeping` | its place and its parked events, in the log |
//! | `info` | how a group is doing |
//! | `out` | what consumers are sent |
//!
//! An event is delivered at least once, and again by another server if that took the group over. The streams of groups begin with
//! `$persistentsubscription-`; no client writes them.

mod asked;
mod consumers;
mod deliveries;
mod group;
mod info;
mod keeping;
mod out;
mod progress;
mod registry;
mod settings;
mod source;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use self::consumers::{Answers, ConsumerId};
use self::group::{Command, Verdict};
pub(crate) use self::registry::Groups;
use self::settings::{ALL, GroupId};
use crate::convert::{self, IdForm};
use crate::metrics::{Kind, Listens};
use crate::refusal;
use crate::wire::client::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptions;
use crate::wire::client::persistent_subscriptions::read_req::nack::Action;
use crate::wire::client::persistent_subscriptions::read_req::options::StreamOption as Consumed;
use crate::wire::client::persistent_subscriptions::read_req::options::uuid_option::Content as IdOption;
use crate::wire::client::persistent_subscriptions::read_req::{Content, Options};
use crate::wire::client::persistent_subscriptions::{
    CreateReq, CreateResp, DeleteReq, DeleteResp, GetInfoReq, GetInfoResp, ListReq, ListResp, ReadReq,
    ReadResp, ReplayParkedReq, ReplayParkedResp, UpdateReq, UpdateResp, delete_req, get_info_req, list_req,
    replay_parked_req,
};
use crate::wire::client::{Empty, Uuid as WireUuid};

/// The most events that a consumer has before it says what became of them; more are not sent, whatever it asks for.
const ROOM_EVENTS_MAX: i32 = 2_048;
/// How long a consumer may take to say which group it wants. Then it is refused.
const OPTIONS_TIMEOUT: Duration = Duration::from_secs(10);
/// The header by which clients call themselves something.
const NAME_HEADER: &str = "connection-name";

#[tonic::async_trait]
impl PersistentSubscriptions for Groups {
    type ReadStream = ReceiverStream<Result<ReadResp, Status>>;

    async fn create(&self, request: Request<CreateReq>) -> Result<Response<CreateResp>, Status> {
        Groups::create(self, asked::created(request.into_inner())?).await?;
        Ok(Response::new(CreateResp {}))
    }

    async fn update(&self, request: Request<UpdateReq>) -> Result<Response<UpdateResp>, Status> {
        let (id, settings) = asked::updated(request.into_inner())?;
        Groups::update(self, &id, |group| group.settings = settings.clone()).await?;
        Ok(Response::new(UpdateResp {}))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let stream = match options.stream_option.ok_or_else(no_options)? {
            delete_req::options::StreamOption::StreamIdentifier(stream) => Some(Some(stream)),
            delete_req::options::StreamOption::All(_) => None,
        };
        Groups::delete(self, &asked::id(stream, options.group_name)?).await?;
        Ok(Response::new(DeleteResp {}))
    }

    async fn read(&self, request: Request<Streaming<ReadReq>>) -> Result<Response<Self::ReadStream>, Status> {
        let name = request.metadata().get(NAME_HEADER).and_then(|name| name.to_str().ok());
        let name = name.unwrap_or_default().to_owned();
        let mut said = request.into_inner();
        let late = |_| Status::deadline_exceeded("a consumer says at once which group it wants");
        let first = timeout(OPTIONS_TIMEOUT, said.message()).await.map_err(late)??;
        let Some(ReadReq { content: Some(Content::Options(options)) }) = first else {
            return Err(Status::invalid_argument("a consumer first says which group it wants"));
        };
        let room = usize::try_from(options.buffer_size.clamp(1, ROOM_EVENTS_MAX)).unwrap_or(1);
        let (id, ids) = consumed(options)?;
        // Its events, the confirmation before them and the end behind them.
        let (answers, stream) = mpsc::channel(room + 2);
        let join = |joined| {
            let (answers, name) = (answers.clone(), name.clone());
            Command::Join { answers, ids, room, name, joined }
        };
        let (joined, commands) = self.ask(&id, join).await?;
        let listening = Listening { id, consumer: joined?, answers, commands };
        self.shutdown().spawn(listening.run(said));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn get_info(&self, request: Request<GetInfoReq>) -> Result<Response<GetInfoResp>, Status> {
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let stream = match options.stream_option.ok_or_else(no_options)? {
            get_info_req::options::StreamOption::StreamIdentifier(stream) => Some(Some(stream)),
            get_info_req::options::StreamOption::All(_) => None,
        };
        let (group, numbers) = self.describe(&asked::id(stream, options.group_name)?).await?;
        Ok(Response::new(GetInfoResp { subscription_info: Some(info::of(&group, &numbers)) }))
    }

    async fn replay_parked(
        &self,
        request: Request<ReplayParkedReq>,
    ) -> Result<Response<ReplayParkedResp>, Status> {
        use replay_parked_req::options::{StopAtOption, StreamOption};
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let stream = match options.stream_option.ok_or_else(no_options)? {
            StreamOption::StreamIdentifier(stream) => Some(Some(stream)),
            StreamOption::All(_) => None,
        };
        let negative = |_| Status::invalid_argument("stop_at cannot be negative");
        let stop_at = match options.stop_at_option {
            Some(StopAtOption::StopAt(stop_at)) => Some(u64::try_from(stop_at).map_err(negative)?),
            Some(StopAtOption::NoLimit(_)) | None => None,
        };
        let id = asked::id(stream, options.group_name)?;
        self.ask(&id, |begun| Command::Replay { stop_at, begun }).await?;
        Ok(Response::new(ReplayParkedResp {}))
    }

    async fn list(&self, request: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        use list_req::options::ListOption;
        use list_req::stream_option::StreamOption;
        let options = request.into_inner().options.ok_or_else(no_options)?;
        let source = match options.list_option.ok_or_else(no_options)? {
            ListOption::ListAllSubscriptions(_) => None,
            ListOption::ListForStream(of) => match of.stream_option.ok_or_else(no_options)? {
                StreamOption::Stream(stream) => Some(convert::stream(Some(stream))?),
                StreamOption::All(_) => Some(ALL.to_owned()),
            },
        };
        let listed = Groups::list(self, source.as_deref()).await?;
        let subscriptions = listed.iter().map(|(group, numbers)| info::of(group, numbers)).collect();
        Ok(Response::new(ListResp { subscriptions }))
    }

    async fn restart_subsystem(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.restart().await;
        Ok(Response::new(Empty {}))
    }
}

fn no_options() -> Status {
    Status::invalid_argument("say which group")
}

fn consumed(options: Options) -> Result<(GroupId, IdForm), Status> {
    let stream = match options.stream_option.ok_or_else(no_options)? {
        Consumed::StreamIdentifier(stream) => Some(Some(stream)),
        Consumed::All(_) => None,
    };
    let ids = match options.uuid_option.and_then(|option| option.content) {
        Some(IdOption::String(_)) => IdForm::Text,
        Some(IdOption::Structured(_)) | None => IdForm::Structured,
    };
    Ok((asked::id(stream, options.group_name)?, ids))
}

/// Passes on what a consumer says, until it is gone.
struct Listening {
    id: GroupId,
    consumer: ConsumerId,
    answers: Answers,
    commands: mpsc::Sender<Command>,
}

impl Listening {
    async fn run(self, mut said: Streaming<ReadReq>) {
        let _listens = Listens::new(Kind::Persistent);
        loop {
            let message = tokio::select! {
                message = said.message() => message,
                () = self.answers.closed() => break,
                () = self.commands.closed() => return,
            };
            let Ok(Some(message)) = message else { break };
            let told = match self.understand(message) {
                Ok(command) => self.commands.send(command).await.is_ok(),
                Err(status) => {
                    // One that has no room for it is not reading.
                    let _ = self.answers.try_send(Err(status));
                    break;
                }
            };
            if !told {
                return;
            }
        }
        // The group may have ended meanwhile.
        let _ = self.commands.send(Command::Leave(self.consumer)).await;
    }

    fn understand(&self, message: ReadReq) -> Result<Command, Status> {
        let (ids, verdict) = match message.content {
            Some(Content::Ack(ack)) => (ack.ids, Verdict::Done),
            Some(Content::Nack(nack)) => {
                let verdict = match nack.action() {
                    Action::Park => Verdict::Park(nack.reason),
                    Action::Skip => Verdict::Done,
                    Action::Retry | Action::Unknown => Verdict::Again,
                    Action::Stop => return Err(refusal::group_dropped(&self.id.source, &self.id.name)),
                };
                (nack.ids, verdict)
            }
            Some(Content::Options(_)) | None => {
                return Err(Status::invalid_argument(
                    "a consumer says what became of events, and nothing else",
                ));
            }
        };
        let ids: Result<Vec<Uuid>, Status> = ids.iter().map(read_id).collect();
        Ok(Command::Settle { consumer: self.consumer, ids: ids?, verdict })
    }
}

fn read_id(id: &WireUuid) -> Result<Uuid, Status> {
    convert::uuid(Some(id))
}

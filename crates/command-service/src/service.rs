//! The command service put together: what it is made from, and the way of every command through it.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1::command_service_server::CommandServiceServer;
use nimaora_domain::{Actor, AnswerKey, BattleId, Command, CommandContext, CommandId, Timestamp};
use nimaora_event_log::log::SharedLog;
use nimaora_runtime::{Clock, Health, Shutdown};
use nimaora_sessions::{Presence, TokenSigner, TokenVerifier};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::config::{Config, REQUEST_BYTES_MAX};
use crate::error::CommandError;
use crate::forward::Forwarder;
use crate::grpc::Commands;
use crate::history;
use crate::ids;
use crate::lapses;
use crate::metrics;
use crate::ownership::{Owner, Ownership};
use crate::presence::PromptPresence;
use crate::snapshot::{self, Snapshots};
use crate::timers::{OpenBattles, Timers};
use crate::writer::order::{Answer, Decided, Order};
use crate::writer::registry::{Parts, Writers};

/// What the command service stands on.
pub struct Deps {
    /// Where events go.
    pub log: SharedLog,
    /// When participants were last heard of.
    pub presence: Arc<dyn Presence>,
    /// Which node writes which battle.
    pub ownership: Arc<dyn Ownership>,
    /// Signs participants' tokens.
    pub signer: TokenSigner,
    /// Checks tokens.
    pub verifier: Arc<TokenVerifier>,
    /// Hashes accepted answers.
    pub answer_key: AnswerKey,
    /// What time it is.
    pub clock: Clock,
}

/// Takes commands, and fires what is scheduled. Cheap to clone.
#[derive(Clone)]
pub struct CommandService {
    core: Arc<Core>,
}

/// What every request works with.
pub(crate) struct Core {
    pub(crate) writers: Writers,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) ownership: Arc<dyn Ownership>,
    pub(crate) forwarder: Forwarder,
    pub(crate) signer: TokenSigner,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// The battles that are not over, as far as the log has been followed; `None` until it has been followed to its end.
    pub(crate) open: watch::Receiver<Option<OpenBattles>>,
}

/// What a command brings along besides itself.
pub(crate) struct Attached {
    /// When its caller stops waiting.
    pub(crate) deadline: Instant,
    /// The W3C trace that it belongs to.
    pub(crate) traceparent: Option<String>,
}

/// How long the writers may take to finish. Then the leases are given up all the same.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// The part of the server's health that this service answers for.
const HEALTH_PART: &str = "commands";

impl CommandService {
    /// Starts the service. Its tasks run until `shutdown` is requested; then it takes no new commands, finishes those it has
    /// taken, and ends. It counts as ready once it knows what is scheduled; for that it looks at the log from where it was when that
    /// was last kept, or from its beginning.
    pub fn start(deps: Deps, config: Config, shutdown: &Shutdown, health: &Health) -> Self {
        health.register(HEALTH_PART);
        let snapshots = config.snapshot_dir.as_deref().and_then(open_snapshots);
        let presence: Arc<dyn Presence> = Arc::new(PromptPresence(deps.presence));
        let (open_sender, open) = watch::channel(None);
        if let Some(snapshots) = snapshots.clone() {
            shutdown.spawn(snapshot::sweep_once(snapshots, open.clone(), shutdown.clone()));
        }
        let tasks = shutdown.child();
        let writers = Writers::new(Parts {
            log: deps.log,
            presence: Arc::clone(&presence),
            answer_key: deps.answer_key,
            ownership: Arc::clone(&deps.ownership),
            clock: deps.clock.clone(),
            config: config.clone(),
            snapshots,
            shutdown: tasks.clone(),
        });
        let core = Arc::new(Core {
            writers,
            presence,
            ownership: deps.ownership,
            forwarder: Forwarder::default(),
            signer: deps.signer,
            verifier: deps.verifier,
            clock: deps.clock,
            config,
            open,
        });
        let timers = Timers::new(Arc::clone(&core), open_sender, tell_health(health.clone(), tasks.clone()));
        tasks.spawn(timers.run(tasks.clone()));
        tasks.spawn(not_ready_when_stopping(health.clone(), tasks.clone()));
        tasks.spawn(lapses::run(Arc::clone(&core), tasks.clone()));
        tasks.spawn(core.writers.clone().let_go_taken());
        shutdown.spawn(drain_when_stopping(Arc::clone(&core), shutdown.clone()));
        Self { core }
    }

    /// Hands this node's battles over: it takes no new ones, finishes the commands that it has taken, and gives up its leases. What
    /// still arrives is sent on to the new owners. To be called before the listener is closed where there are other nodes.
    pub async fn drain(&self) {
        self.core.drain().await;
    }

    /// The gRPC service. It is to be served inside [`nimaora_api::explained::Explained`], which gives the answers to requests that
    /// cannot be read a reason too.
    pub fn grpc(&self) -> CommandServiceServer<Commands> {
        CommandServiceServer::new(Commands::new(Arc::clone(&self.core)))
            .max_decoding_message_size(REQUEST_BYTES_MAX)
    }
}

/// Tells whether commands can be taken as far as the log goes: it is known what is scheduled, and it is the log that it was.
fn tell_health(health: Health, stopping: Shutdown) -> impl Fn(Result<(), &CommandError>) + Send {
    move |log| match log {
        _ if stopping.is_requested() => {}
        Ok(()) => health.ready(HEALTH_PART),
        Err(error) => health.not_ready(HEALTH_PART, error.to_string()),
    }
}

/// A load balancer is to send no more commands here.
async fn not_ready_when_stopping(health: Health, shutdown: Shutdown) {
    shutdown.requested().await;
    health.not_ready(HEALTH_PART, "stopping");
}

async fn drain_when_stopping(core: Arc<Core>, shutdown: Shutdown) {
    shutdown.requested().await;
    core.drain().await;
}

/// Snapshots are a cache: without them the service works, and starts more slowly.
fn open_snapshots(dir: &std::path::Path) -> Option<Snapshots> {
    Snapshots::open(dir)
        .inspect_err(|error| {
            tracing::warn!(dir = %dir.display(), %error, "the folder for snapshots cannot be used");
            metrics::snapshot_failed();
        })
        .ok()
}

impl Core {
    /// Finishes what was taken, and gives up all leases. Each battle is given up as soon as its own mailbox is empty.
    async fn drain(&self) {
        self.ownership.stop_claiming();
        // Whoever asked for this has a patience of his own; each command has a deadline, and the log answers in bounded time.
        self.writers.parts().shutdown.finish(DRAIN_MAX).await;
        self.ownership.leave().await;
    }

    /// Whether another node is known to write the battle.
    pub(crate) fn is_elsewhere(&self, battle_id: BattleId) -> bool {
        matches!(self.ownership.known(battle_id), Some(Owner::Other(_)))
    }

    /// Whether this node is to act in a battle of its own accord. It claims the battle if nobody owns it.
    pub(crate) async fn acts(&self, battle_id: BattleId) -> Result<bool, CommandError> {
        match self.ownership.known(battle_id) {
            Some(owner) => Ok(owner == Owner::Me),
            None => Ok(self.ownership.owner(battle_id).await? == Owner::Me),
        }
    }

    /// The time, as the domain sees it.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now_ms())
    }

    /// The deadline of a command whose caller names none.
    pub(crate) fn default_deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.command_timeout_ms)
    }

    /// Carries a command out and answers when it is durable; `None` when there was nothing to do.
    pub(crate) async fn carry_out(
        &self,
        battle_id: BattleId,
        actor: Actor,
        command_id: CommandId,
        command: Command,
        attached: Attached,
    ) -> Result<Option<Answer>, CommandError> {
        let context = CommandContext { command_id, actor, received_at: self.now() };
        let Attached { deadline, traceparent } = attached;
        let (reply, decided) = oneshot::channel();
        let order = Order { context, command, traceparent, deadline, reply };
        let answer = async {
            self.writers.submit(battle_id, order).await?;
            match decided.await {
                Ok(Ok(Decided::Done(answer))) => Ok(Some(answer)),
                Ok(Ok(Decided::Before(revision))) => {
                    history::answer_at(&*self.writers.parts().log, battle_id, revision).await.map(Some)
                }
                Ok(Ok(Decided::Nothing)) => Ok(None),
                Ok(Err(error)) => Err(error),
                Err(_) => {
                    Err(CommandError::Internal { reason: "the writer of this battle ended".to_owned() })
                }
            }
        };
        timeout_at(deadline, answer).await.unwrap_or(Err(CommandError::DeadlinePassed))
    }

    /// Gives a command in the name of this service.
    pub(crate) async fn carry_out_as_system(
        &self,
        battle_id: BattleId,
        command_id: CommandId,
        command: Command,
        deadline: Instant,
    ) -> Result<Option<Answer>, CommandError> {
        let attached = Attached { deadline, traceparent: None };
        self.carry_out(battle_id, Actor::System, command_id, command, attached).await
    }

    /// The id of a command of the system that nobody will repeat.
    pub(crate) fn mint_command_id(&self) -> CommandId {
        ids::mint_command(self.clock.now_ms())
    }
}

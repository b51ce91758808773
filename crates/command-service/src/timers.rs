//! Scheduled starts and ends. The log says what is scheduled, so nothing is forgotten in a restart, and what was missed while
//! the server was down happens as soon as it is up.
//!
//! Nothing of this is kept elsewhere: at each start the lifecycle events are read from the log's first position, at most four of
//! each battle that ever was, the others being passed over by their type. Nothing is fired, and the service is not ready, before
//! that is done. Commands are taken meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nimaora_domain::{BattleId, Command};
use nimaora_event_log::{Filter, Position, RecordedEvent, Subscription, SubscriptionMessage};
use nimaora_runtime::Shutdown;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::directory::{Directory, Due, Kind};
use crate::error::CommandError;
use crate::history;
use crate::ids;
use crate::metrics;
use crate::service::Core;

/// How many scheduled commands are under way at a time. When it is reached, the next ones wait.
const UNDER_WAY_MAX: usize = 64;
/// How long after a passing failure a scheduled command is given again, and the log is followed again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long after its time something scheduled is looked at again that another node is to do, in milliseconds.
const ELSEWHERE_RETRY_MS: u64 = 1_000;
/// The longest sleep: the clock may be set while nobody looks.
const LOOK_AT_CLOCK_EVERY: Duration = Duration::from_secs(1);
/// The events of a battle's life, which is what the directory is made of.
const LIFE_EVENTS: [&str; 4] = ["BattleCreated", "BattleStarted", "BattleFinished", "BattleCancelled"];

/// The battles that are not over, and whether each runs, for those who look after them.
pub(crate) type OpenBattles = Arc<HashMap<BattleId, bool, RandomState>>;

/// Follows the lifecycle of all battles in the log and gives the commands that they schedule.
pub(crate) struct Timers<F> {
    core: Arc<Core>,
    directory: Directory,
    /// The position up to which the directory knows the log.
    position: Position,
    open: watch::Sender<Option<OpenBattles>>,
    /// Called once, when the directory has caught up with the log. Nothing is fired before: it may be done already.
    when_caught_up: Option<F>,
    /// Scheduled commands that were given, and battles that are being forgotten. Nothing waits for one of them.
    under_way: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl<F: FnOnce() + Send> Timers<F> {
    pub(crate) fn new(core: Arc<Core>, open: watch::Sender<Option<OpenBattles>>, when_caught_up: F) -> Self {
        Self {
            core,
            directory: Directory::default(),
            position: 0,
            open,
            when_caught_up: Some(when_caught_up),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Runs until `shutdown` is requested.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let stop = shutdown.requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                error = self.follow() => {
                    tracing::warn!(%error, "the timers cannot follow the log; they try again");
                }
            }
            tokio::select! {
                () = &mut stop => return,
                () = sleep(RETRY_AFTER) => {}
            }
        }
    }

    /// Follows the log until that fails.
    async fn follow(&mut self) -> CommandError {
        let log = Arc::clone(&self.core.writers.parts().log);
        let mut subscription = match log.subscribe(self.position, life_filter()).await {
            Ok(subscription) => subscription,
            Err(error) => return error.into(),
        };
        loop {
            if let Err(error) = self.step(&mut *subscription).await {
                return error;
            }
        }
    }

    async fn step(&mut self, subscription: &mut dyn Subscription) -> Result<(), CommandError> {
        self.fire_due();
        let time_to_next = self.time_to_next();
        tokio::select! {
            message = subscription.next() => self.take(message?),
            Some(()) = self.under_way.next() => {}
            () = sleep(time_to_next) => {}
        }
        Ok(())
    }

    fn take(&mut self, message: SubscriptionMessage) {
        match message {
            SubscriptionMessage::Events(events) => {
                let mut over = Vec::new();
                for event in &events {
                    over.extend(self.apply(event));
                    self.position = event.position;
                }
                if self.has_caught_up() {
                    // In this order: a sign of life that comes between the two is not kept.
                    self.tell_open();
                    for battle_id in over {
                        let core = Arc::clone(&self.core);
                        self.under_way.push(Box::pin(async move { core.forget_battle(battle_id).await }));
                    }
                }
            }
            SubscriptionMessage::Checkpoint(position) => self.position = position,
            SubscriptionMessage::CaughtUp(position) => {
                self.position = position;
                self.tell_open();
                if let Some(tell) = self.when_caught_up.take() {
                    tell();
                }
            }
        }
    }

    /// Takes note of an event. Answers the battle that it ended.
    fn apply(&mut self, event: &RecordedEvent) -> Option<BattleId> {
        let battle_id = BattleId::from_stream(&event.stream)?;
        match history::read(event) {
            Ok(recorded) => {
                self.directory.apply(battle_id, &recorded.event);
                (!self.directory.knows(battle_id)).then_some(battle_id)
            }
            Err(error) => {
                tracing::error!(%battle_id, position = event.position, %error, "the timers cannot read an event; what it schedules will not happen");
                None
            }
        }
    }

    fn has_caught_up(&self) -> bool {
        self.when_caught_up.is_none()
    }

    fn tell_open(&self) {
        self.open.send_replace(Some(Arc::new(self.directory.open().collect())));
    }

    fn fire_due(&mut self) {
        if !self.has_caught_up() {
            return;
        }
        let room = UNDER_WAY_MAX.saturating_sub(self.under_way.len());
        for due in self.directory.take_due(self.core.now(), room) {
            if self.core.is_elsewhere(due.battle_id) {
                // It is done there. Should that node die, it is still to be done here.
                self.directory.postpone(due, self.core.now().plus_millis(ELSEWHERE_RETRY_MS));
                continue;
            }
            let core = Arc::clone(&self.core);
            self.under_way.push(Box::pin(async move { fire(&core, due).await }));
        }
    }

    fn time_to_next(&self) -> Duration {
        if self.under_way.len() >= UNDER_WAY_MAX {
            return LOOK_AT_CLOCK_EVERY;
        }
        let now = self.core.now();
        let wait = self.directory.next_due().map(|at| Duration::from_millis(at.millis_since(now)));
        wait.map_or(LOOK_AT_CLOCK_EVERY, |wait| wait.min(LOOK_AT_CLOCK_EVERY))
    }
}

fn life_filter() -> Filter {
    Filter {
        stream_prefixes: vec![BattleId::STREAM_PREFIX.into()],
        type_prefixes: LIFE_EVENTS.iter().map(|name| (*name).into()).collect(),
    }
}

/// Gives a scheduled command until it is carried out or refused. A refusal means that somebody was faster, or that the battle is
/// not in a state for it any more.
async fn fire(core: &Core, due: Due) {
    let Due { battle_id, kind, at } = due;
    let (command, name) = match kind {
        Kind::Start => (Command::StartBattle, "start"),
        Kind::End => (Command::FinishBattle, "end"),
    };
    let command_id = ids::scheduled(battle_id, name);
    loop {
        let carried_out = match core.acts(battle_id).await {
            Ok(true) => {
                core.carry_out_as_system(battle_id, command_id, command.clone(), core.default_deadline())
                    .await
            }
            Ok(false) if is_done(core, due) => return,
            Ok(false) => Err(CommandError::NotOwner),
            Err(error) => Err(error),
        };
        match carried_out {
            Ok(_) => return metrics::timer_fired(Duration::from_millis(core.now().millis_since(at))),
            Err(CommandError::Refused(refusal)) => {
                return tracing::info!(%battle_id, scheduled = name, %refusal, "a scheduled command was refused");
            }
            Err(error @ (CommandError::LogDamaged { .. } | CommandError::TooLarge { .. })) => {
                return tracing::error!(%battle_id, scheduled = name, %error, "a scheduled command cannot be carried out");
            }
            Err(error) => {
                tracing::warn!(%battle_id, scheduled = name, %error, "a scheduled command is given again");
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Whether the log has overtaken what was due.
fn is_done(core: &Core, due: Due) -> bool {
    let runs = core.open.borrow().as_ref().and_then(|open| open.get(&due.battle_id).copied());
    runs != Some(due.kind == Kind::End)
}

//! Scheduled starts and ends. The log says what is scheduled, so nothing is forgotten in a restart, and what was missed while
//! the server was down happens as soon as it is up.
//!
//! The lifecycle events are read from the log, at most four of each battle that ever was, the others being passed over by their
//! type. What they come to is kept in a file now and then, so that a start reads only what came since; without it, the log is
//! read from its first position. Nothing is fired, and the service is not ready, before that is done. Commands are taken meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nimaora_domain::{BattleId, Command, CommandId, Refusal};
use nimaora_event_log::{
    EventLog, Filter, Position, ReadError, RecordedEvent, Subscription, SubscriptionMessage,
};
use nimaora_runtime::Shutdown;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::directory::{Directory, Due, Kind};
use crate::error::CommandError;
use crate::history;
use crate::ids;
use crate::kept::{Keeper, Kept, Known};
use crate::metrics;
use crate::service::Core;

/// How many scheduled commands are under way at a time. When it is reached, the next ones wait.
const UNDER_WAY_MAX: usize = 64;
/// How long after its time something scheduled is looked at again that another node is to do, in milliseconds.
const ELSEWHERE_RETRY_MS: u64 = 1_000;
/// The longest sleep: the clock may be set while nobody looks.
const LOOK_AT_CLOCK_EVERY: Duration = Duration::from_secs(1);
/// How often what is known of the log is kept.
const KEEP_EVERY: Duration = Duration::from_secs(30);
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
    /// The last event that it took note of.
    last: Option<Known>,
    /// Where it is kept; nowhere without a folder.
    keeper: Option<Keeper>,
    /// Whether it was looked for what is kept.
    looked: bool,
    /// Up to which position it is kept, and when that was done.
    kept: (Position, Instant),
    open: watch::Sender<Option<OpenBattles>>,
    /// Whether the directory has caught up with the log once. Nothing is fired before: it may be done already.
    caught_up: bool,
    /// Called whenever the log was followed to its end, and when it cannot be followed until somebody mends it.
    tell: F,
    /// Scheduled commands that were given, and battles that are being forgotten. Nothing waits for one of them.
    under_way: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Before the log is followed again.
    backoff: Backoff,
}

impl<F: Fn(Result<(), &CommandError>) + Send> Timers<F> {
    pub(crate) fn new(core: Arc<Core>, open: watch::Sender<Option<OpenBattles>>, tell: F) -> Self {
        let keeper = core.config.snapshot_dir.as_deref().map(Keeper::at);
        Self {
            core,
            directory: Directory::default(),
            position: 0,
            last: None,
            keeper,
            looked: false,
            kept: (0, Instant::now()),
            open,
            caught_up: false,
            tell,
            under_way: FuturesUnordered::new(),
            backoff: Backoff::new(fastrand::Rng::new()),
        }
    }

    /// Runs until `shutdown` is requested.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let stop = shutdown.requested();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return self.keep().await,
                error = self.follow() => {
                    tracing::warn!(%error, "the timers cannot follow the log; they try again");
                    if matches!(error, CommandError::LogDamaged { .. }) {
                        (self.tell)(Err(&error));
                    }
                }
            }
            let wait = self.backoff.next_wait();
            tokio::select! {
                () = &mut stop => return self.keep().await,
                () = sleep(wait) => {}
            }
        }
    }

    /// Follows the log until that fails.
    async fn follow(&mut self) -> CommandError {
        let log = Arc::clone(&self.core.writers.parts().log);
        if let Err(error) = self.look_for_kept(&*log).await {
            return error.into();
        }
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

    /// Goes on from what was kept, if anything was.
    async fn look_for_kept(&mut self, log: &dyn EventLog) -> Result<(), ReadError> {
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !self.looked)
            && let Some(kept) = keeper.load(log).await?
        {
            (self.position, self.last) = (kept.position, Some(kept.last));
            self.directory = Directory::from_open(kept.open);
        }
        self.looked = true;
        self.kept = (self.position, Instant::now());
        Ok(())
    }

    /// Keeps what is known, if that is more than what is kept.
    async fn keep(&mut self) {
        let (Some(keeper), Some(last)) = (self.keeper.clone(), self.last) else { return };
        if self.position > self.kept.0 {
            let kept = Kept::new(self.position, last, &self.directory);
            self.kept.0 = self.position;
            // It fails when the process ends at this very moment.
            drop(spawn_blocking(move || keeper.save(&kept)).await);
        }
        self.kept.1 = Instant::now();
    }

    async fn step(&mut self, subscription: &mut dyn Subscription) -> Result<(), CommandError> {
        if self.kept.1.elapsed() >= KEEP_EVERY {
            self.keep().await;
        }
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
        self.backoff.reset();
        match message {
            SubscriptionMessage::Events(events) => {
                let mut over = Vec::new();
                for event in &events {
                    over.extend(self.apply(event));
                    self.position = event.position;
                    self.last = Some(Known { position: event.position, id: event.id });
                }
                if self.caught_up {
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
                self.caught_up = true;
                (self.tell)(Ok(()));
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

    fn tell_open(&self) {
        self.open.send_replace(Some(Arc::new(self.directory.open().collect())));
    }

    fn fire_due(&mut self) {
        if !self.caught_up {
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

/// Gives a scheduled command until it is carried out or refused.
async fn fire(core: &Core, due: Due) {
    let Due { battle_id, kind, at } = due;
    let (command, name) = match kind {
        Kind::Start => (Command::StartBattle, "start"),
        Kind::End => (Command::FinishBattle, "end"),
    };
    let scheduled =
        Scheduled { first_id: ids::scheduled(battle_id, name), backoff: Backoff::new(fastrand::Rng::new()) };
    let give = |command_id| {
        let command = command.clone();
        async move {
            match core.acts(battle_id).await? {
                true => {
                    core.carry_out_as_system(battle_id, command_id, command, core.default_deadline()).await
                }
                // Another node did it.
                false if is_done(core, due) => Ok(None),
                false => Err(CommandError::NotOwner),
            }
        }
    };
    let again = |error: &CommandError| {
        tracing::warn!(%battle_id, scheduled = name, %error, "a scheduled command is given again");
    };
    match scheduled.until_settled(give, || core.mint_command_id(), again).await {
        Ok(Some(_)) => metrics::timer_fired(Duration::from_millis(core.now().millis_since(at))),
        Ok(None) => {}
        Err(CommandError::Refused(refusal)) => {
            tracing::info!(%battle_id, scheduled = name, %refusal, "a scheduled command was refused");
        }
        Err(error) => {
            tracing::error!(%battle_id, scheduled = name, %error, "a scheduled command cannot be carried out");
        }
    }
}

/// A scheduled command on its way.
struct Scheduled {
    /// The id that it is given under unless that is taken.
    first_id: CommandId,
    backoff: Backoff,
}

impl Scheduled {
    /// Gives the command until it is carried out, or refused, or cannot be carried out. A refusal means that somebody was faster,
    /// or that the battle is not in a state for it any more; all but one, which says something of the command's id and nothing
    /// of the battle.
    async fn until_settled<T, F: Future<Output = Result<T, CommandError>>>(
        mut self,
        mut give: impl FnMut(CommandId) -> F,
        another_id: impl Fn() -> CommandId,
        again: impl Fn(&CommandError),
    ) -> Result<T, CommandError> {
        let mut command_id = self.first_id;
        loop {
            match give(command_id).await {
                Ok(done) => return Ok(done),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    again(&error);
                    if error == Refusal::CommandIdReused.into() {
                        // It happens once under whatever id: a battle that has started does not start again.
                        command_id = another_id();
                    }
                    sleep(self.backoff.next_wait()).await;
                }
            }
        }
    }
}

/// Whether the log has overtaken what was due.
fn is_done(core: &Core, due: Due) -> bool {
    let runs = core.open.borrow().as_ref().and_then(|open| open.get(&due.battle_id).copied());
    runs != Some(due.kind == Kind::End)
}

fn is_final(error: &CommandError) -> bool {
    match error {
        CommandError::Refused(refusal) => *refusal != Refusal::CommandIdReused,
        CommandError::LogDamaged { .. } | CommandError::TooLarge { .. } => true,
        CommandError::Malformed(_)
        | CommandError::Token(_)
        | CommandError::AdminRequired
        | CommandError::ParticipantRequired
        | CommandError::SignInRepeatExpired
        | CommandError::MailboxFull
        | CommandError::NotOwner
        | CommandError::OwnerUnavailable { .. }
        | CommandError::WritersFull
        | CommandError::Draining
        | CommandError::LogUnavailable { .. }
        | CommandError::Internal { .. }
        | CommandError::TimedOut
        | CommandError::DeadlinePassed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many commands, of which all fail eight times, is given.
    async fn tries(commands: u64) -> Vec<Vec<Duration>> {
        let began = Instant::now();
        let fired = (0..commands).map(|seed| async move {
            let mut given = Vec::new();
            let first_id = ids::mint_command(0);
            let give = |command_id| {
                assert_eq!(command_id, first_id);
                given.push(began.elapsed());
                std::future::ready(if given.len() > 8 { Ok(()) } else { Err(CommandError::MailboxFull) })
            };
            let scheduled = Scheduled { first_id, backoff: Backoff::new(fastrand::Rng::with_seed(seed)) };
            scheduled.until_settled(give, || ids::mint_command(0), |_| {}).await.unwrap();
            given
        });
        futures::future::join_all(fired).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_in_an_outage_is_tried_less_and_less_often_and_not_in_step() {
        let tries = tries(64).await;
        for given in &tries {
            let waits: Vec<_> = given.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(
                waits[0] <= Duration::from_millis(251) && waits[7] >= Duration::from_millis(2_500),
                "{waits:?}"
            );
            assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(5_001)), "{waits:?}");
        }
        let third: std::collections::HashSet<_> = tries.iter().map(|given| given[2]).collect();
        assert!(third.len() > 32, "{third:?}");
    }

    #[test]
    fn a_refusal_ends_a_timer_unless_it_is_about_the_id() {
        for (refusal, ends) in [(Refusal::BattleStarted, true), (Refusal::CommandIdReused, false)] {
            assert_eq!(is_final(&refusal.into()), ends);
        }
        assert!(is_final(&CommandError::LogDamaged { reason: String::new() }));
        assert!(!is_final(&CommandError::Draining));
    }
}

//! The writer of one battle: a task with a bounded mailbox. It alone appends to the battle's stream.
//!
//! It decides whatever waits, appends it as one batch, and answers when the log says durable. While an append is under way the
//! next batch gathers, so a hot battle commits in groups and an idle one waits for nobody. When an append fails it forgets the
//! battle, answers everybody from what the log holds, and reads the battle again at the next command. When an append is refused
//! because one of its commands is in the log already, it reads the battle at once and decides the others again.
//!
//! It sets the log no deadlines. The port promises that every call answers in time, and that an append whose end is not known says
//! so; to give up an append from here would only be a second way to the same uncertainty. Callers have deadlines of their own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, Command, Phase};
use nimaora_event_log::{AppendError, ReadError, Revision};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::error::CommandError;
use crate::history;
use crate::metrics;
use crate::writer::batch::{Callers, Then, Waiting};
use crate::writer::erasures;
use crate::writer::live::{AppendResult, Folded, InFlight, Live, repeats_old_command};
use crate::writer::order::{Decided, Order};
use crate::writer::registry::{Parts, Shared};
use crate::writer::roster::Roster;
use crate::writer::saver::Saver;
use crate::writer::seen::Seen;

/// How many orders are taken from the mailbox at a time; between two takings a finished append is seen to.
const TAKE_ORDERS: usize = 256;
/// For how long commands are turned away after the log failed, so that an outage is not answered by reading the battle again
/// for each of them.
const COOL_DOWN: Duration = Duration::from_millis(250);

/// The task of one battle.
pub(crate) struct Writer {
    battle_id: BattleId,
    shared: Arc<Shared>,
    mailbox: mpsc::Receiver<Order>,
    /// What others may know of the battle's participants.
    roster: Arc<Roster>,
    /// Another node took the battle.
    retire: Arc<Notify>,
    /// Orders taken from the mailbox and not decided yet.
    taken: VecDeque<Order>,
    /// Whether somebody repeated a command that the state has forgotten.
    keeps_seen: bool,
    saver: Saver,
}

/// Why serving ended.
enum End {
    /// No command came for a while, or the server stops and the mailbox is empty.
    Quiet(Box<Folded>),
    /// The log did not take the batch.
    Lost(AppendError, Revision, Callers),
}

impl Writer {
    pub(crate) fn new(
        battle_id: BattleId,
        shared: Arc<Shared>,
        mailbox: mpsc::Receiver<Order>,
        roster: Arc<Roster>,
        retire: Arc<Notify>,
    ) -> Self {
        let Parts { snapshots, config, .. } = &shared.parts;
        let saver = Saver::new(battle_id, snapshots.clone(), config.snapshot_events);
        Self { battle_id, shared, mailbox, roster, retire, taken: VecDeque::new(), keeps_seen: false, saver }
    }

    /// Serves until the battle is idle or the server stops.
    pub(crate) async fn run(mut self) {
        loop {
            self.take_waiting();
            if self.taken.is_empty() {
                if self.shared.leave(self.battle_id, &self.mailbox, &self.roster) {
                    return;
                }
                continue;
            }
            match self.load().await {
                Ok(live) => match self.serve(live).await {
                    End::Quiet(folded) => {
                        // Where this writer takes no orders any more, another node waits for the battle, and not for this one's snapshot.
                        let handed_over = self.mailbox.is_closed()
                            && self.taken.is_empty()
                            && self.shared.leave(self.battle_id, &self.mailbox, &self.roster);
                        self.saver.leave(&folded).await;
                        if handed_over {
                            return;
                        }
                    }
                    End::Lost(error, from, callers) => {
                        if repeats_old_command(&error, from) && !self.keeps_seen {
                            self.look_for_repeats(callers);
                        } else {
                            self.settle_lost(&error, from, callers).await;
                            self.cool_down(&lost(&error)).await;
                        }
                    }
                },
                Err(error) => self.cool_down(&error).await,
            }
        }
    }

    fn take_waiting(&mut self) {
        if self.shared.parts.shutdown.is_requested() {
            self.mailbox.close();
        }
        while self.taken.len() < TAKE_ORDERS
            && let Ok(order) = self.mailbox.try_recv()
        {
            self.taken.push_back(order);
        }
    }

    /// Reads the battle: its snapshot, if there is one that fits, and all events after it.
    async fn load(&mut self) -> Result<Live, CommandError> {
        let began = Instant::now();
        let Parts { log, answer_key, .. } = &self.shared.parts;
        let snapshot = match self.saver.snapshots() {
            Some(snapshots) => snapshots.load(&**log, self.battle_id).await,
            None => None,
        };
        let mut folded = snapshot.unwrap_or_else(Folded::nothing);
        self.saver.begin(folded.head);
        let names = log.names();
        folded.read_names_with(names.of(self.battle_id).await.map_err(ReadError::from)?);
        let events = folded.catch_up(&**log, self.battle_id).await?;
        if folded.names.is_none() && (folded.head.is_some() || self.is_asked_to_create()) {
            // Somebody else may have made them meanwhile, and names were read that are under them.
            folded.read_names_with(names.made_for(self.battle_id).await.map_err(ReadError::from)?);
        }
        erasures::finish(&names, self.battle_id, &folded).await;
        metrics::loaded(events, began.elapsed());
        self.roster.fill(&folded.battle);
        self.shared.expect_presence(self.battle_id, &folded.battle).await;
        let seen = match self.keeps_seen {
            true => Some(Seen::read(&**log, self.battle_id, folded.head).await?),
            false => None,
        };
        Ok(Live::new(self.battle_id, Arc::clone(log), answer_key.clone(), folded, seen))
    }

    /// Keys are made for battles that come to be, and not for whatever somebody asks for.
    fn is_asked_to_create(&self) -> bool {
        self.taken.iter().any(|order| matches!(order.command, Command::CreateBattle { .. }))
    }

    async fn serve(&mut self, mut live: Live) -> End {
        let shutdown = self.shared.parts.shutdown.clone();
        let retire = Arc::clone(&self.retire);
        let stop = async {
            tokio::select! {
                () = shutdown.requested() => {}
                () = retire.notified() => {}
            }
        };
        tokio::pin!(stop);
        let idle = sleep_until(Instant::now());
        tokio::pin!(idle);
        let mut open = true;
        loop {
            self.decide_taken(&mut live);
            if live.launch() {
                self.saver.copy_when_due(live.folded());
                // The next batch is empty, so it has room for what did not fit in this one.
                continue;
            }
            let settled = live.is_settled();
            if settled {
                if !open || live.folded().head.is_none() {
                    return End::Quiet(Box::new(live.into_folded()));
                }
                idle.as_mut().reset(Instant::now() + self.idle_time(&live));
            }
            tokio::select! {
                biased;
                result = append_result(&mut live.in_flight) => {
                    if let Some(in_flight) = live.in_flight.take() {
                        match result {
                            Ok(appended) => {
                                // Whoever has an answer finds what it says also in the roster.
                                let ended = self.roster.apply(in_flight.changes);
                                let accepted = in_flight.callers.answer(&appended);
                                metrics::committed(accepted, in_flight.events, in_flight.began.elapsed());
                                if ended {
                                    self.shared.forget_presence(self.battle_id).await;
                                }
                                self.saver.durable(appended.last_revision).await;
                            }
                            Err(error) => {
                                let (from, callers) = live.abandon(in_flight);
                                return End::Lost(error, from, callers);
                            }
                        }
                    }
                }
                order = self.mailbox.recv(), if open && self.taken.is_empty() => {
                    open = order.is_some();
                    self.taken.extend(order);
                    self.take_waiting();
                }
                () = &mut stop, if open && !self.mailbox.is_closed() => self.mailbox.close(),
                () = &mut idle, if settled => return End::Quiet(Box::new(live.into_folded())),
            }
        }
    }

    /// Decides what was taken from the mailbox, as much of it as fits in the batch.
    fn decide_taken(&mut self, live: &mut Live) {
        let now = Instant::now();
        while live.has_room()
            && let Some(order) = self.taken.pop_front()
        {
            if let Some(order) = live.take(order, now) {
                self.taken.push_front(order);
            }
        }
    }

    fn idle_time(&self, live: &Live) -> Duration {
        let over = matches!(live.folded().battle.phase(), Phase::Finished | Phase::Cancelled);
        let config = &self.shared.parts.config;
        Duration::from_millis(if over { config.writer_idle_over_ms } else { config.writer_idle_ms })
    }

    /// Has everybody's command decided again, because the log holds one of them already, and does not say which. This time the
    /// writer knows what the log knows, so whose command it is gets told so, and the others do not notice.
    fn look_for_repeats(&mut self, callers: Callers) {
        tracing::debug!(battle_id = %self.battle_id, "somebody used an old command id; the battle is read again");
        self.keeps_seen = true;
        for Waiting { order, .. } in callers.into_waiting().into_iter().rev() {
            self.taken.push_front(order);
        }
    }

    /// Answers everybody whose append failed. Where it is not known what was written, the log is asked.
    async fn settle_lost(&self, error: &AppendError, from: Revision, callers: Callers) {
        metrics::append_failed();
        tracing::warn!(battle_id = %self.battle_id, %error, "an append failed; the battle is read again");
        let nothing_written = matches!(error, AppendError::Unavailable { .. } | AppendError::Invalid { .. });
        if nothing_written {
            return callers.fail(&lost(error));
        }
        match history::answers_from(&*self.shared.parts.log, self.battle_id, from).await {
            Ok(mut found) => {
                for Waiting { order, then } in callers.into_waiting() {
                    let answer = match then {
                        Then::Accepted { .. } => found.remove(&order.context.command_id),
                        Then::Fixed(_) => None,
                    };
                    order.answer(answer.map(Decided::Done).ok_or_else(|| lost(error)));
                }
            }
            Err(_) => callers.fail(&lost(error)),
        }
    }

    /// Turns commands away for a while.
    async fn cool_down(&mut self, error: &CommandError) {
        let until = Instant::now() + COOL_DOWN;
        loop {
            for order in self.taken.drain(..) {
                order.answer(Err(error.clone()));
            }
            tokio::select! {
                () = sleep_until(until) => return,
                order = self.mailbox.recv() => match order {
                    Some(order) => self.taken.push_back(order),
                    None => return,
                }
            }
        }
    }
}

/// The answer of the append under way; never, when there is none.
async fn append_result(in_flight: &mut Option<InFlight>) -> AppendResult {
    match in_flight {
        Some(in_flight) => (&mut in_flight.append).await,
        None => std::future::pending().await,
    }
}

/// What the callers of a failed append are told, unless their events are found after all.
fn lost(error: &AppendError) -> CommandError {
    match error {
        AppendError::Invalid { .. } => CommandError::Internal { reason: error.to_string() },
        AppendError::WrongExpectedRevision { .. } => {
            CommandError::LogUnavailable { reason: "the battle was changed by somebody else".to_owned() }
        }
        AppendError::Unavailable { reason } | AppendError::UnknownOutcome { reason } => {
            CommandError::LogUnavailable { reason: reason.clone() }
        }
    }
}

//! What a battle's feeds have lost, read from the tables and told, however often the tables have to be asked.
//!
//! Beside the feeds, which go on meanwhile. Whatever cannot be read stays owed and is tried again for as long as somebody is
//! there to be told. Until then alerts to those who are owed some are held back, so that they keep their order. Thousands may be
//! owed some, so whoever's alert is held back comes first: it waits for one read, and not for all the others'.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use nimaora_domain::{ParticipantId, Phase};
use nimaora_read_models::{AttackView, BattleView};
use tokio::sync::Notify;

use super::follower::{Follower, Source};
use super::inbox::Settled;
use super::scores::Score;
use crate::Position;
use crate::error::Refusal;
use crate::metrics;
use crate::pusher::events::{AttackReceived, News};

/// How long to wait before the tables are asked again; each time twice as long up to the longest, and up to as much again is
/// added by chance.
const PAUSE_MIN_MS: u64 = 250;
const PAUSE_MAX_MS: u64 = 4_000;
/// So many questions without an answer in a row, and the tables are left alone for a while.
const FAILURES_MAX: usize = 3;
/// Questions of a battle that are under way at a time: few until the tables have answered, and then twice as many with each answer, since what
/// many ask for can be read together.
const QUESTIONS_AT_FIRST: usize = 8;
const QUESTIONS_AT_ONCE: usize = 256;
/// The same over all battles of the node. Further ones wait: the tables have others to answer too.
pub(crate) const QUESTIONS_OF_NODE: usize = 512;

/// What a participant is owed.
#[derive(Clone, Copy)]
enum Debt {
    Alerts(ParticipantId),
    Row(ParticipantId),
}

/// That something is owed to a battle's sockets. What it is to each participant stands in its inbox.
#[derive(Default)]
pub(super) struct Owed {
    /// Whether the phase may be another one than was told.
    phase: AtomicBool,
    came: Notify,
}

impl Owed {
    /// Something is owed, or can be told only now.
    pub(super) fn came(&self) {
        self.came.notify_one();
    }
}

impl Follower {
    /// Alerts were lost.
    pub(super) fn owe_alerts(&self) {
        self.room.inboxes.lock().owe_alerts();
        self.room.owed.came();
    }

    /// News of the battle and of sessions were lost.
    pub(super) fn owe_news(&self) {
        self.room.owed.phase.store(true, Ordering::Relaxed);
        self.owe_scores();
    }

    /// Scores were lost. A participant's row tells its score and its session.
    pub(super) fn owe_scores(&self) {
        self.room.inboxes.lock().owe_rows();
        self.room.owed.came();
    }

    /// Tells what is owed whenever something is. Never ends.
    pub(super) async fn catch_up(&self) {
        loop {
            self.room.owed.came.notified().await;
            let mut pause_ms = PAUSE_MIN_MS;
            while let Err(refusal) = self.catch_up_once().await {
                metrics::catch_up_failed();
                tracing::warn!(battle = %self.room.battle_id, %refusal, "what was lost cannot be read and is tried again");
                tokio::time::sleep(Duration::from_millis(pause_ms + fastrand::u64(..pause_ms))).await;
                pause_ms = (pause_ms * 2).min(PAUSE_MAX_MS);
            }
            metrics::caught_up();
        }
    }

    /// Asks once for everything that is owed, the most urgent first; an error when some of it is owed still.
    async fn catch_up_once(&self) -> Result<(), Refusal> {
        let owed = self.room.inboxes.lock().owed();
        let alerts = self.catch_up_with_all(owed.iter().copied().map(Debt::Alerts)).await;
        let phase = self.catch_up_with_phase().await;
        let rows = self.catch_up_with_all(owed.iter().copied().map(Debt::Row)).await;
        alerts.and(phase).and(rows)
    }

    /// Those whose alerts are held back first, then the others in turn, unless the tables do not answer; an error when that failed for
    /// somebody. What has begun is finished.
    async fn catch_up_with_all(&self, mut debts: impl Iterator<Item = Debt>) -> Result<(), Refusal> {
        let (mut answer, mut failures, mut at_once) = (Ok(()), 0, QUESTIONS_AT_FIRST);
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < at_once && failures < FAILURES_MAX {
                let urgent = self.room.inboxes.lock().next_urgent();
                let Some(debt) = urgent.map(Debt::Alerts).or_else(|| debts.next()) else { break };
                under_way.push(self.catch_up_with(debt));
            }
            match under_way.next().await {
                Some(Ok(())) => {
                    failures = 0;
                    at_once = (at_once * 2).min(QUESTIONS_AT_ONCE);
                }
                Some(Err(refusal)) => {
                    answer = Err(refusal);
                    failures += 1;
                    at_once = QUESTIONS_AT_FIRST;
                }
                None => return answer,
            }
        }
    }

    async fn catch_up_with(&self, debt: Debt) -> Result<(), Refusal> {
        // It is never closed.
        let _turn = self.hub.catching_up.acquire().await;
        match debt {
            Debt::Alerts(id) => self.catch_up_with_alerts(id).await,
            Debt::Row(id) => self.catch_up_with_row(id).await,
        }
    }

    async fn catch_up_with_phase(&self) -> Result<(), Refusal> {
        // Taken back first: what is lost while the tables are read is owed anew.
        if !self.room.owed.phase.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        match self.hub.battle(self.room.battle_id).await {
            Ok(battle) => {
                self.tell_phase(&battle).await;
                Ok(())
            }
            Err(refusal) => {
                self.room.owed.phase.store(true, Ordering::Relaxed);
                Err(refusal)
            }
        }
    }

    async fn tell_phase(&self, battle: &BattleView) {
        let (phase, position) = (battle.phase, battle.as_of);
        match phase {
            Phase::Absent | Phase::Created => {}
            Phase::Running => {
                let news = News::Started { started_at: battle.started_at, position };
                self.announce(Source::Tables, phase, position, &news).await;
            }
            Phase::Finished => self.finish(Source::Tables, position, battle.ended_at).await,
            Phase::Cancelled => {
                let news = News::Cancelled { reason: None, position };
                self.announce(Source::Tables, phase, position, &news).await;
            }
        }
    }

    /// Page by page, until the tables have told what was lost and what was held back since.
    async fn catch_up_with_alerts(&self, id: ParticipantId) -> Result<(), Refusal> {
        let limit = self.hub.config.alerts_page_max.max(1);
        let mut may_be_few = true;
        loop {
            let Some(owed) = self.room.inboxes.lock().owed_alerts(id) else { return Ok(()) };
            let page = self.lost_attacks(id, owed.after, limit, &mut may_be_few).await?;
            for attack in &page {
                self.alert(id, AttackReceived::from(attack), true);
            }
            if page.len() >= limit as usize {
                continue;
            }
            match self.room.inboxes.lock().settle_alerts(id, owed.up_to) {
                Settled::Whole => return Ok(()),
                Settled::MoreCame => {}
                // What was published is not there: the tables are being built anew.
                Settled::Lacking => return Err(Refusal::Unavailable),
            }
        }
    }

    /// The next attacks after a position. They are few as a rule, and then the last ones are all of them: those are asked for while they
    /// may be, since what many ask for is read together.
    async fn lost_attacks(
        &self,
        id: ParticipantId,
        after: Position,
        limit: u32,
        may_be_few: &mut bool,
    ) -> Result<Vec<AttackView>, Refusal> {
        let (store, battle_id) = (&self.hub.read_models, self.room.battle_id);
        if *may_be_few {
            let mut last = self.hub.ask(store.last_attacks_on(battle_id, id, after, limit)).await?;
            *may_be_few = last.len() < limit as usize;
            if *may_be_few {
                last.reverse();
                return Ok(last);
            }
        }
        self.hub.ask(store.attacks_on(battle_id, id, after, limit)).await
    }

    async fn catch_up_with_row(&self, id: ParticipantId) -> Result<(), Refusal> {
        // Taken back first: what is lost while the tables are read is owed anew.
        if !self.room.inboxes.lock().take_owed_row(id) {
            return Ok(());
        }
        let answer = self.tell_row(id).await;
        if answer.is_err() {
            self.room.inboxes.lock().owe_row(id);
        }
        answer
    }

    async fn tell_row(&self, id: ParticipantId) -> Result<(), Refusal> {
        let row = self.hub.ask(self.hub.read_models.participant(self.room.battle_id, id)).await?;
        let Some(participant) = row else { return Ok(()) };
        let position = participant.as_of;
        if participant.has_left || participant.removed {
            self.end_sessions(id, position, None, &News::Gone { position });
            return Ok(());
        }
        let session_id = participant.session_id;
        self.end_sessions(id, position, Some(session_id), &News::SessionReplaced { session_id, position });
        let balance = participant.balance;
        let score =
            Score { points: balance.points, shields: balance.shields, arrows: balance.arrows, position };
        self.score(id, score);
        Ok(())
    }
}

//! What a run of events does to tables, boards and followers, coalesced.
//!
//! Events say what a participant holds after them, so folding needs nothing but the events themselves, and a run can be
//! folded again in other pieces with the same result.

mod battle;
mod changes;
mod participants;

use ahash::AHashMap;
use nimaora_change_bus::ChangeBatch;
use nimaora_domain::event::{
    AnswerJudged, AnswerSubmitted, AttackLanded, BattleCreated, NameErased, ParticipantJoined,
};
use nimaora_domain::{Balance, BattleId, Event, ParticipantId, Phase, Timestamp, Username};
use nimaora_read_models::{
    AnswerRow, AnswerVerdict, AttackRow, BattleRow, BoardBatch, NewParticipant, ParkedEvent, Position,
    QuestionRow, TableBatch,
};

use self::battle::BattleFold;
use self::changes::Attack;
use self::participants::Participants;
use crate::names::Names;
use crate::source::{Content, Decoded};

/// What each receiver has already; only what is past it is folded for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// The tables hold the log up to here.
    pub(crate) tables: Position,
    /// The boards hold the log up to here.
    pub(crate) boards: Position,
    /// Changes up to here are history and are not published.
    pub(crate) changes: Position,
}

/// What a run of events comes to.
#[derive(Debug)]
pub(crate) struct Folded {
    /// For the tables; without checkpoints.
    pub(crate) tables: TableBatch,
    /// For the leaderboard.
    pub(crate) boards: Vec<BoardBatch>,
    /// For the bus, in the order of the lanes.
    pub(crate) changes: Vec<ChangeBatch>,
}

/// Folds a run of events.
#[derive(Debug)]
pub(crate) struct Fold<'a> {
    marks: Marks,
    names: &'a mut Names,
    now: Timestamp,
    tables: TableBatch,
    participants: Participants,
    battles: Vec<BattleFold>,
    index: AHashMap<BattleId, usize>,
}

/// Where and when an event happened, and for whom it is new.
#[derive(Clone, Copy, Debug)]
struct At {
    battle_id: BattleId,
    /// The place of the battle in the fold.
    battle: usize,
    position: Position,
    revision: u64,
    time: Timestamp,
    for_tables: bool,
    for_followers: bool,
}

impl<'a> Fold<'a> {
    /// Nothing yet. `now` is when events are parked.
    pub(crate) fn new(marks: Marks, names: &'a mut Names, now: Timestamp) -> Self {
        Self {
            marks,
            names,
            now,
            tables: TableBatch::default(),
            participants: Participants::default(),
            battles: Vec::new(),
            index: AHashMap::new(),
        }
    }

    /// The next event. One that cannot be projected, by itself or because of `parked`, is parked and moves its battle's
    /// position all the same.
    pub(crate) fn event(&mut self, event: &Decoded, parked: Option<&str>) {
        let for_tables = event.position > self.marks.tables;
        match (&event.content, parked) {
            (Content::Event(time, body), None) => {
                let Some(at) = self.at(event, *time) else { return };
                self.body(at, event, body);
            }
            (Content::Unusable(reason), None) => {
                self.at(event, self.now);
                if for_tables {
                    self.park(event, reason);
                }
            }
            (_, Some(reason)) => {
                self.at(event, self.now);
                if for_tables {
                    self.park(event, reason);
                }
            }
        }
    }

    /// All that the events come to.
    pub(crate) fn finish(self) -> Folded {
        let mut tables = self.tables;
        tables.participants = self.participants.into_updates();
        let (mut boards, mut followed) = (Vec::new(), Vec::new());
        for battle in self.battles {
            tables.updates.extend(battle.update);
            boards.extend(battle.board.into_batches());
            followed.push(battle.changes);
        }
        Folded { tables, boards, changes: changes::into_batches(followed) }
    }

    /// Moves the battle's position to this event. `None` when it is no battle's.
    fn at(&mut self, event: &Decoded, time: Timestamp) -> Option<At> {
        let battle_id = event.battle_id?;
        let position = event.position;
        let battle = *self.index.entry(battle_id).or_insert_with(|| {
            self.battles.push(BattleFold::new(battle_id));
            self.battles.len() - 1
        });
        let at = At {
            battle_id,
            battle,
            position,
            revision: event.revision,
            time,
            for_tables: position > self.marks.tables,
            for_followers: position > self.marks.changes,
        };
        let fold = self.battle(at);
        if at.for_tables {
            fold.update().position = position;
        }
        if position > self.marks.boards {
            self.battle(at).board.moved(position, event.revision);
        }
        if at.for_followers {
            self.battle(at).changes.moved(position);
        }
        Some(at)
    }

    fn battle(&mut self, at: At) -> &mut BattleFold {
        &mut self.battles[at.battle]
    }

    fn park(&mut self, event: &Decoded, reason: &str) {
        self.tables.parked.push(ParkedEvent {
            position: event.position,
            stream: event.stream.to_string(),
            revision: event.revision,
            event_id: event.id,
            event_type: event.event_type.to_string(),
            reason: reason.to_owned(),
            parked_at: self.now,
            discarded: None,
        });
    }

    fn body(&mut self, at: At, event: &Decoded, body: &Event) {
        match body {
            Event::BattleCreated(created) => self.created(at, created),
            Event::BattleStarted(started) => {
                self.phase(at, Phase::Running, started.started_at);
                self.follow(at, |changes| changes.started(at.position, started.started_at));
            }
            Event::BattleFinished(finished) => {
                self.phase(at, Phase::Finished, finished.finished_at);
                self.follow(at, |changes| changes.finished(at.position, finished.finished_at));
            }
            Event::BattleCancelled(cancelled) => {
                self.phase(at, Phase::Cancelled, cancelled.cancelled_at);
                self.follow(at, |changes| changes.cancelled(at.position, &cancelled.reason));
            }
            Event::ParticipantJoined(joined) => self.joined(at, joined),
            Event::SessionReplaced(replaced) => {
                let (who, session_id) = (replaced.participant_id, replaced.session_id);
                self.row(at, who, |row| row.session_id = Some(session_id));
                self.active_now(at, who);
                self.follow(at, |changes| changes.session_replaced(at.position, who, session_id));
            }
            Event::AnswerSubmitted(answer) => self.answered(at, answer),
            Event::AnswerJudged(judged) => self.judged(at, judged),
            Event::AttackLanded(attack) => self.attacked(at, event, attack),
            Event::ParticipantLeft(left) => {
                self.row(at, left.participant_id, |row| {
                    row.is_active = Some(false);
                    row.has_left = true;
                });
                self.active_now(at, left.participant_id);
                self.follow(at, |changes| changes.gone(at.position, left.participant_id));
            }
            Event::ParticipantRemoved(removed) => self.removed(at, removed.participant_id),
            Event::ParticipantsLapsed(lapsed) => {
                for &who in &lapsed.participant_ids {
                    self.row(at, who, |row| row.is_active = Some(false));
                }
            }
            Event::ParticipantReturned(returned) => {
                self.row(at, returned.participant_id, |row| row.is_active = Some(true));
                self.active_now(at, returned.participant_id);
            }
            Event::NameErased(erased) => self.erased(at, erased),
        }
    }

    fn created(&mut self, at: At, created: &BattleCreated) {
        if at.for_followers {
            // Nobody has joined yet; whoever does comes by here.
            self.names.hold(at.battle_id, std::iter::empty());
        }
        if !at.for_tables {
            return;
        }
        self.tables.battles.push(BattleRow {
            id: at.battle_id,
            join_code: created.join_code.clone(),
            title: created.title.clone(),
            rules: created.rules.clone(),
            starts_at: created.starts_at,
            ends_at: created.ends_at,
            created_at: at.time,
            created_position: at.position,
            questions: u32::try_from(created.questions.len()).unwrap_or(u32::MAX),
        });
        for question in &created.questions {
            let mut question = question.clone();
            question.answer_hashes.clear();
            self.tables.questions.push(QuestionRow { battle_id: at.battle_id, question });
        }
    }

    fn phase(&mut self, at: At, phase: Phase, when: Timestamp) {
        if at.for_tables {
            let update = self.battle(at).update();
            update.phase = Some(phase);
            match phase {
                Phase::Running => update.started_at = Some(when),
                Phase::Finished | Phase::Cancelled => update.ended_at = Some(when),
                Phase::Absent | Phase::Created => {}
            }
        }
        if matches!(phase, Phase::Finished | Phase::Cancelled) {
            self.battle(at).board.ended();
        }
    }

    fn joined(&mut self, at: At, joined: &ParticipantJoined) {
        let (who, name) = (joined.participant_id, joined.username.as_str());
        if at.for_tables {
            self.battle(at).update().participants_delta += 1;
            self.tables.joined.push(NewParticipant {
                battle_id: at.battle_id,
                id: who,
                username: name.to_owned(),
                session_id: joined.session_id,
                balance: joined.balance,
                reached_revision: at.revision,
                joined_at: at.time,
            });
        }
        self.battle(at).board.joined(at.position, who, name, joined.balance.points, at.revision);
        if at.for_followers {
            self.names.joined(at.battle_id, who, name);
            self.battle(at).changes.board_changed();
        }
    }

    fn answered(&mut self, at: At, answer: &AnswerSubmitted) {
        if at.for_tables {
            self.tables.answers.push(AnswerRow {
                position: at.position,
                battle_id: at.battle_id,
                participant_id: answer.participant_id,
                question_id: answer.question_id,
                attempt: answer.attempt,
                verdict: answer.verdict,
                earned: answer.earned,
                answer: answer.answer.clone(),
                submitted_at: at.time,
            });
        }
        self.active_now(at, answer.participant_id);
        self.earned(at, answer.participant_id, answer.earned, answer.balance);
    }

    fn judged(&mut self, at: At, judged: &AnswerJudged) {
        if at.for_tables {
            self.tables.verdicts.push(AnswerVerdict {
                battle_id: at.battle_id,
                participant_id: judged.participant_id,
                question_id: judged.question_id,
                attempt: judged.attempt,
                verdict: judged.verdict,
                earned: judged.earned,
                judged_at: at.time,
            });
        }
        self.earned(at, judged.participant_id, judged.earned, judged.balance);
    }

    fn earned(&mut self, at: At, who: ParticipantId, earned: Balance, balance: Balance) {
        if earned != Balance::default() {
            self.holds(at, who, balance, earned.points > 0);
        }
    }

    fn attacked(&mut self, at: At, event: &Decoded, attack: &AttackLanded) {
        let &AttackLanded { attacker_id, target_id, blocked, points_deducted, .. } = attack;
        if at.for_tables {
            self.tables.attacks.push(AttackRow {
                position: at.position,
                event_id: event.id,
                battle_id: at.battle_id,
                attacker_id,
                target_id,
                blocked,
                points_deducted,
                attacked_at: at.time,
            });
        }
        self.active_now(at, attacker_id);
        self.holds(at, attacker_id, attack.attacker_balance, false);
        self.holds(at, target_id, attack.target_balance, points_deducted > 0);
        if at.for_followers {
            let attacker = self.names.name(at.battle_id, attacker_id);
            let target = self.names.name(at.battle_id, target_id);
            let (position, event_id, timestamp) = (at.position, event.id, at.time);
            let attack = Attack { position, event_id, timestamp, attack, attacker, target };
            self.battle(at).changes.attacked(attack);
        }
    }

    fn removed(&mut self, at: At, who: ParticipantId) {
        self.row(at, who, |row| {
            row.is_active = Some(false);
            row.removed = true;
        });
        if at.for_tables {
            self.battle(at).update().participants_delta -= 1;
        }
        self.battle(at).board.removed(at.position, who);
        self.follow(at, |changes| {
            changes.board_changed();
            changes.gone(at.position, who);
        });
    }

    fn erased(&mut self, at: At, erased: &NameErased) {
        let who = erased.participant_id;
        let shown = Username::erased(erased.number);
        self.row(at, who, |row| row.username = Some(shown.as_str().to_owned()));
        self.battle(at).board.renamed(at.position, who, shown.as_str());
        if at.for_followers {
            self.names.joined(at.battle_id, who, shown.as_str());
            self.battle(at).changes.board_changed();
        }
    }

    /// What somebody holds now; `scored` when that is another score than before.
    fn holds(&mut self, at: At, who: ParticipantId, balance: Balance, scored: bool) {
        self.row(at, who, |row| {
            row.balance = Some(balance);
            if scored {
                row.reached_revision = Some(at.revision);
            }
        });
        if scored {
            self.battle(at).board.scored(at.position, who, balance.points, at.revision);
        }
        self.follow(at, |changes| {
            changes.score_changed(at.position, who, balance);
            if scored {
                changes.board_changed();
            }
        });
    }

    fn active_now(&mut self, at: At, who: ParticipantId) {
        self.row(at, who, |row| row.last_activity_at = Some(at.time));
    }

    fn row(
        &mut self,
        at: At,
        who: ParticipantId,
        change: impl FnOnce(&mut nimaora_read_models::ParticipantUpdate),
    ) {
        if at.for_tables {
            change(self.participants.row(at.battle_id, who, at.time));
        }
    }

    fn follow(&mut self, at: At, change: impl FnOnce(&mut changes::BattleChanges)) {
        if at.for_followers {
            change(&mut self.battle(at).changes);
        }
    }
}

#[cfg(test)]
mod tests;

//! The state of a battle: a fold of its events, and all that `decide` looks at.

mod memory;
mod participant;
mod snapshot;

use std::cmp::Reverse;
use std::sync::Arc;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

pub use memory::{BATTLE_COMMANDS_MAX, PARTICIPANT_COMMANDS_MAX};
pub(crate) use memory::{CommandKind, Remembered};
pub use participant::{Attempts, Participant, Status};

use crate::event::{
    AnswerJudged, AnswerSubmitted, AttackLanded, BattleCreated, Event, ParticipantJoined, Recorded,
};
use crate::ids::{CommandId, ParticipantId, QuestionId};
use crate::rules::{Question, Rules};
use crate::time::Timestamp;
use crate::username::{SealedName, Username};
use memory::Memory;

/// Where a battle is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It has no event: there is no such battle.
    #[default]
    Absent,
    /// It takes joins and has not started.
    Created,
    /// It takes answers and attacks.
    Running,
    /// The standings are final.
    Finished,
    /// It was called off.
    Cancelled,
}

/// A battle, up to the event that was folded last. The default is the state before the first event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Battle {
    core: Core,
    index: Index,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Core {
    revision: Option<u64>,
    phase: Phase,
    title: String,
    join_code: String,
    rules: Rules,
    questions: Arc<[Question]>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    created_by: Option<CommandId>,
    memory: Memory,
    participants: Vec<Participant>,
}

/// Where a participant stands in the core, found in three ways. It follows from the core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    by_id: AHashMap<ParticipantId, u32>,
    by_folded_name: AHashMap<Arc<str>, u32>,
    by_join_command: AHashMap<CommandId, u32>,
}

impl Battle {
    /// The revision of the last event; `None` before the first.
    pub fn revision(&self) -> Option<u64> {
        self.core.revision
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.core.phase
    }

    /// What the players see.
    pub fn title(&self) -> &str {
        &self.core.title
    }

    /// The short code people type to find it.
    pub fn join_code(&self) -> &str {
        &self.core.join_code
    }

    /// How it is played.
    pub fn rules(&self) -> &Rules {
        &self.core.rules
    }

    /// What is asked, in order.
    pub fn questions(&self) -> &[Question] {
        &self.core.questions
    }

    /// The question with this number.
    pub fn question(&self, question_id: QuestionId) -> Option<&Question> {
        let place = question_id.0.checked_sub(1)?;
        self.core.questions.get(usize::try_from(place).ok()?)
    }

    /// When it starts by itself.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.core.starts_at
    }

    /// When it finishes by itself.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.core.ends_at
    }

    /// When it started.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.core.started_at
    }

    /// Everybody who ever joined, in the order of joining.
    pub fn participants(&self) -> &[Participant] {
        &self.core.participants
    }

    /// The participant with this id, also when it has left or was removed.
    pub fn participant(&self, participant_id: ParticipantId) -> Option<&Participant> {
        let place = *self.index.by_id.get(&participant_id)?;
        self.core.participants.get(place as usize)
    }

    /// Whether somebody has this name, or had it, in any spelling that counts as the same.
    pub fn is_taken(&self, username: &Username) -> bool {
        self.index.by_folded_name.contains_key(username.folded().as_str())
    }

    /// Which participant this is, from 1 in the order of joining. Who joins next gets the next number.
    pub fn number_of(&self, participant_id: ParticipantId) -> Option<u32> {
        self.index.by_id.get(&participant_id).map(|place| place.saturating_add(1))
    }

    /// Reads the names that are sealed, as after a snapshot, with `open`, which answers those whose keys it holds.
    pub fn open_names(&mut self, mut open: impl FnMut(ParticipantId, &SealedName) -> Option<String>) {
        let closed = self.core.participants.iter().filter(|found| found.username.is_closed());
        let name = |found: &Participant| Some((found.id, open(found.id, found.username.sealed()?)?));
        let opened: Vec<_> = closed.filter_map(name).collect();
        for (participant_id, name) in opened {
            self.rename(participant_id, |username| username.opened(&name));
        }
    }

    /// The board: everybody who was not removed, best first.
    pub fn standings(&self) -> Vec<&Participant> {
        let on_board = |participant: &&Participant| participant.status != Status::Removed;
        let mut standings: Vec<_> = self.core.participants.iter().filter(on_board).collect();
        standings.sort_by_key(|p| (Reverse(p.balance.points), p.reached_revision));
        standings
    }

    /// The revision of the last event of a command that was carried out, if it is remembered. Commands that
    /// name a participant are remembered with that one (an attack with the attacker); all others with the
    /// battle.
    pub fn answered(&self, command_id: CommandId, participant_id: Option<ParticipantId>) -> Option<u64> {
        self.remembered(command_id, participant_id).map(|Remembered(_, revision, _)| revision)
    }

    /// What is remembered of a command. See [`Battle::answered`].
    pub(crate) fn remembered(
        &self,
        command_id: CommandId,
        participant_id: Option<ParticipantId>,
    ) -> Option<Remembered> {
        if self.core.created_by == Some(command_id) {
            return Some(Remembered(command_id, 0, CommandKind::Create));
        }
        let Some(participant_id) = participant_id else {
            return self.remembered_join(command_id).or_else(|| self.core.memory.find(command_id));
        };
        let participant = self.participant(participant_id)?;
        if participant.join_command == command_id {
            return Some(participant.as_remembered_join());
        }
        participant.memory.find(command_id)
    }

    fn remembered_join(&self, command_id: CommandId) -> Option<Remembered> {
        let place = *self.index.by_join_command.get(&command_id)?;
        self.core.participants.get(place as usize).map(Participant::as_remembered_join)
    }

    /// Moves the state on by one event. It applies what the event says and decides nothing.
    pub fn evolve(&mut self, recorded: &Recorded) {
        self.apply(recorded);
        self.remember(recorded);
        self.core.revision = Some(recorded.revision);
    }

    fn apply(&mut self, recorded: &Recorded) {
        match &recorded.event {
            Event::BattleCreated(event) => self.created(event, recorded.command_id),
            Event::BattleStarted(event) => {
                self.core.phase = Phase::Running;
                self.core.started_at = Some(event.started_at);
            }
            Event::BattleFinished(_) => self.core.phase = Phase::Finished,
            Event::BattleCancelled(_) => self.core.phase = Phase::Cancelled,
            Event::ParticipantJoined(event) => self.joined(event, recorded),
            Event::SessionReplaced(event) => {
                self.change(event.participant_id, |p| p.session_id = event.session_id);
            }
            Event::AnswerSubmitted(event) => self.answer_submitted(event, recorded.revision),
            Event::AnswerJudged(event) => self.answer_judged(event, recorded.revision),
            Event::AttackLanded(event) => self.attack_landed(event, recorded.revision),
            Event::ParticipantLeft(event) => self.change(event.participant_id, |p| p.status = Status::Left),
            Event::ParticipantRemoved(event) => {
                self.change(event.participant_id, |p| p.status = Status::Removed);
            }
            Event::ParticipantsLapsed(event) => {
                for &participant_id in &event.participant_ids {
                    self.change(participant_id, |p| p.status = Status::Lapsed);
                }
            }
            Event::ParticipantReturned(event) => {
                self.change(event.participant_id, |p| p.status = Status::Active);
            }
            Event::NameErased(event) => {
                self.rename(event.participant_id, |_| Username::erased(event.number));
                self.change(event.participant_id, |p| p.erased_revision = Some(recorded.revision));
            }
        }
    }

    fn created(&mut self, event: &BattleCreated, command_id: CommandId) {
        self.core.phase = Phase::Created;
        self.core.title.clone_from(&event.title);
        self.core.join_code.clone_from(&event.join_code);
        self.core.rules = event.rules.clone();
        self.core.questions = event.questions.as_slice().into();
        self.core.starts_at = event.starts_at;
        self.core.ends_at = event.ends_at;
        self.core.created_by = Some(command_id);
    }

    fn joined(&mut self, event: &ParticipantJoined, recorded: &Recorded) {
        let participant = Participant {
            id: event.participant_id,
            username: event.username.clone(),
            session_id: event.session_id,
            balance: event.balance,
            reached_revision: recorded.revision,
            status: Status::Active,
            attempts: Vec::new(),
            joined_revision: recorded.revision,
            join_command: recorded.command_id,
            memory: Memory::default(),
            erased_revision: None,
        };
        self.index.add(&participant, self.core.participants.len());
        self.core.participants.push(participant);
    }

    fn answer_submitted(&mut self, event: &AnswerSubmitted, revision: u64) {
        let &AnswerSubmitted { question_id, attempt: count, verdict, .. } = event;
        self.change(event.participant_id, |p| {
            p.hold(event.balance, revision);
            p.tried(Attempts { question_id, count, verdict });
        });
    }

    fn answer_judged(&mut self, event: &AnswerJudged, revision: u64) {
        let &AnswerJudged { question_id, attempt: count, verdict, .. } = event;
        self.change(event.participant_id, |p| {
            p.hold(event.balance, revision);
            p.tried(Attempts { question_id, count, verdict });
        });
    }

    fn attack_landed(&mut self, event: &AttackLanded, revision: u64) {
        self.change(event.attacker_id, |p| p.hold(event.attacker_balance, revision));
        self.change(event.target_id, |p| p.hold(event.target_balance, revision));
    }

    fn remember(&mut self, recorded: &Recorded) {
        let (kind, participant_id) = CommandKind::behind(&recorded.event);
        let command = Remembered(recorded.command_id, recorded.revision, kind);
        match (kind, participant_id) {
            // Never forgotten, and found in other ways.
            (CommandKind::Create | CommandKind::Join, _) => {}
            (_, Some(id)) => self.change(id, |p| p.memory.remember(command, PARTICIPANT_COMMANDS_MAX)),
            (_, None) => self.core.memory.remember(command, BATTLE_COMMANDS_MAX),
        }
    }

    fn rename(&mut self, participant_id: ParticipantId, rename: impl FnOnce(Username) -> Username) {
        let Some(&place) = self.index.by_id.get(&participant_id) else { return };
        let Some(participant) = self.core.participants.get_mut(place as usize) else { return };
        let names = &mut self.index.by_folded_name;
        // Two names that cannot be read may be shown the same; each goes for itself.
        let before = participant.username.folded();
        if names.get(before.as_str()) == Some(&place) {
            names.remove(before.as_str());
        }
        participant.username = rename(participant.username.clone());
        names.insert(participant.username.folded().into(), place);
    }

    fn change(&mut self, participant_id: ParticipantId, change: impl FnOnce(&mut Participant)) {
        let place = self.index.by_id.get(&participant_id);
        if let Some(participant) = place.and_then(|&place| self.core.participants.get_mut(place as usize)) {
            change(participant);
        }
    }
}

impl Index {
    fn add(&mut self, participant: &Participant, place: usize) {
        // A battle admits at most rules::PARTICIPANTS_MAX, far below the largest u32.
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.by_id.insert(participant.id, place);
        self.by_folded_name.insert(participant.username.folded().into(), place);
        self.by_join_command.insert(participant.join_command, place);
    }
}

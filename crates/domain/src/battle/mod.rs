//! The state of a battle: what its events say, and no more. `evolve` contains no business choice.

mod memory;
mod participant;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::event::{BattleCreated, Event, Recorded, Verdict};
use crate::ids::{CommandId, ParticipantId, QuestionId, SessionId};
use crate::rules::{Balance, Question, Rules};
use crate::time::Timestamp;

use memory::Memory;
pub use memory::{Answered, CommandKind};
pub use participant::{Attempts, Participant, Status};

/// How many command ids of one participant are remembered.
const PARTICIPANT_COMMANDS_MAX: usize = 16;
/// How many command ids of admins and of the system are remembered.
const BATTLE_COMMANDS_MAX: usize = 64;

/// Where a battle is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It does not exist.
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

/// A battle as its events have made it. `Battle::default()` is the one that has none. Serialisable as a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Battle {
    revision: Option<u64>,
    phase: Phase,
    title: String,
    rules: Rules,
    questions: Vec<Question>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    participants: Vec<Participant>,
    by_id: AHashMap<ParticipantId, u32>,
    by_name: AHashMap<Box<str>, u32>,
    by_join: AHashMap<CommandId, u32>,
    /// How many of the participants were not removed.
    present: u32,
    commands: Memory<BATTLE_COMMANDS_MAX>,
}

impl Battle {
    /// The revision of the last event; `None` before the first.
    pub fn revision(&self) -> Option<u64> {
        self.revision
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What the players see.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How it is played.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What is asked, in order.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The question with this number.
    pub fn question(&self, id: QuestionId) -> Option<&Question> {
        self.questions.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    /// When it starts by itself.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.starts_at
    }

    /// When it ends by itself.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// When it started.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// One participant, whatever became of it.
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        self.by_id.get(&id).map(|index| &self.participants[*index as usize])
    }

    /// All who ever joined, in the order in which they did.
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// How many have joined and were not removed.
    pub fn present(&self) -> u32 {
        self.present
    }

    /// Whether somebody has the name with this folded form.
    pub fn has_name(&self, folded: &str) -> bool {
        self.by_name.contains_key(folded)
    }

    /// Who joined with this command.
    pub fn joined_by(&self, command_id: CommandId) -> Option<&Participant> {
        self.by_join.get(&command_id).map(|index| &self.participants[*index as usize])
    }

    /// Where the command that `participant` (or, for `None`, an admin, a guest or the system) gave before stands in the stream.
    pub fn answered(&self, command_id: CommandId, participant: Option<ParticipantId>) -> Option<Answered> {
        match participant {
            Some(id) => self.participant(id)?.commands.find(command_id),
            None => self.commands.find(command_id).or_else(|| {
                let participant = self.joined_by(command_id)?;
                Some(Answered { revision: participant.joined_revision, kind: CommandKind::Join })
            }),
        }
    }

    /// Takes an event in. Events of participants that never joined (a damaged stream) change nothing but the revision.
    pub fn evolve(&mut self, recorded: &Recorded) {
        let Recorded { revision, command_id, event, .. } = recorded;
        self.revision = Some(*revision);
        let at = At { revision: *revision, command_id: *command_id };
        match event {
            Event::BattleCreated(e) => self.create(e, at),
            Event::BattleStarted(e) => {
                self.started_at = Some(e.started_at);
                self.enter(Phase::Running, CommandKind::Start, at);
            }
            Event::BattleFinished(_) => self.enter(Phase::Finished, CommandKind::Finish, at),
            Event::BattleCancelled(_) => self.enter(Phase::Cancelled, CommandKind::Cancel, at),
            Event::ParticipantJoined(e) => {
                self.join(e.participant_id, e.session_id, e.username.folded().into(), e.balance, recorded);
            }
            Event::SessionReplaced(e) => self.with(e.participant_id, |p| {
                p.session_id = e.session_id;
                p.commands.remember(at.command_id, at.revision, CommandKind::ReplaceSession);
            }),
            Event::AnswerSubmitted(e) => self.with(e.participant_id, |p| {
                p.attempted(e.question_id, e.attempt, e.verdict);
                p.hold(e.balance, at.revision);
                p.commands.remember(at.command_id, at.revision, CommandKind::Answer);
            }),
            Event::AnswerJudged(e) => {
                self.with(e.participant_id, |p| {
                    p.attempted(e.question_id, e.attempt, e.verdict);
                    p.hold(e.balance, at.revision);
                });
                self.commands.remember(at.command_id, at.revision, CommandKind::Judge);
            }
            Event::AttackLanded(e) => {
                self.with(e.target_id, |p| p.hold(e.target_balance, at.revision));
                self.with(e.attacker_id, |p| {
                    p.hold(e.attacker_balance, at.revision);
                    p.commands.remember(at.command_id, at.revision, CommandKind::Attack);
                });
            }
            Event::ParticipantLeft(e) => self.with(e.participant_id, |p| {
                p.status = Status::Left;
                p.commands.remember(at.command_id, at.revision, CommandKind::Leave);
            }),
            Event::ParticipantRemoved(e) => {
                self.with(e.participant_id, |p| p.status = Status::Removed);
                self.present = self.present.saturating_sub(1);
                self.commands.remember(at.command_id, at.revision, CommandKind::Remove);
            }
            Event::ParticipantsLapsed(e) => {
                for id in &e.participant_ids {
                    self.with(*id, |p| p.status = Status::Lapsed);
                }
                self.commands.remember(at.command_id, at.revision, CommandKind::Lapse);
            }
            Event::ParticipantReturned(e) => self.with(e.participant_id, |p| p.status = Status::Active),
        }
    }

    fn create(&mut self, event: &BattleCreated, at: At) {
        self.title.clone_from(&event.title);
        self.rules = event.rules.clone();
        self.questions.clone_from(&event.questions);
        self.starts_at = event.starts_at;
        self.ends_at = event.ends_at;
        self.enter(Phase::Created, CommandKind::Create, at);
    }

    fn enter(&mut self, phase: Phase, kind: CommandKind, at: At) {
        self.phase = phase;
        self.commands.remember(at.command_id, at.revision, kind);
    }

    fn join(
        &mut self,
        id: ParticipantId,
        session_id: SessionId,
        folded: Box<str>,
        balance: Balance,
        recorded: &Recorded,
    ) {
        // The rules admit far fewer than 2^32 participants.
        let Ok(index) = u32::try_from(self.participants.len()) else { return };
        self.participants.push(Participant::joined(id, session_id, balance, recorded));
        self.by_id.insert(id, index);
        self.by_name.insert(folded, index);
        self.by_join.insert(recorded.command_id, index);
        self.present += 1;
    }

    fn with(&mut self, id: ParticipantId, change: impl FnOnce(&mut Participant)) {
        if let Some(index) = self.by_id.get(&id) {
            change(&mut self.participants[*index as usize]);
        }
    }
}

/// Where an event stands and what caused it.
#[derive(Clone, Copy)]
struct At {
    revision: u64,
    command_id: CommandId,
}

/// Whether a verdict settles a question.
pub(crate) fn settles(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Correct => true,
        Verdict::Wrong | Verdict::Pending => false,
    }
}

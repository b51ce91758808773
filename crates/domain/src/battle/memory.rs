//! Which commands were carried out lately, so that a repeat is answered and not carried out again.

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::event::Event;
use crate::ids::{CommandId, ParticipantId};

/// How many commands are remembered of each participant. An older one that comes again is refused by the log,
/// which has its event ids.
pub const PARTICIPANT_COMMANDS_MAX: usize = 16;
/// How many commands that concern the battle as a whole are remembered. Its creation and the joins are never
/// forgotten.
pub const BATTLE_COMMANDS_MAX: usize = 64;

/// What kind of command: the same id for another kind is a mistake of the client, not a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub(crate) enum CommandKind {
    Create = 0,
    Start = 1,
    Finish = 2,
    Cancel = 3,
    Join = 4,
    ReplaceSession = 5,
    Answer = 6,
    Attack = 7,
    Leave = 8,
    Judge = 9,
    Remove = 10,
    Lapse = 11,
    Return = 12,
    EraseName = 13,
}

/// Every kind, at the place of its number.
const KINDS: [CommandKind; 14] = [
    CommandKind::Create,
    CommandKind::Start,
    CommandKind::Finish,
    CommandKind::Cancel,
    CommandKind::Join,
    CommandKind::ReplaceSession,
    CommandKind::Answer,
    CommandKind::Attack,
    CommandKind::Leave,
    CommandKind::Judge,
    CommandKind::Remove,
    CommandKind::Lapse,
    CommandKind::Return,
    CommandKind::EraseName,
];

impl From<CommandKind> for u8 {
    fn from(kind: CommandKind) -> Self {
        kind as Self
    }
}

impl TryFrom<u8> for CommandKind {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        KINDS.get(usize::from(number)).copied().ok_or_else(|| format!("{number} is no kind of command"))
    }
}

impl CommandKind {
    /// The kind of a command, and the participant with whom it is remembered; the rest is remembered with the
    /// battle.
    pub(crate) fn of(command: &Command) -> (Self, Option<ParticipantId>) {
        match command {
            Command::CreateBattle { .. } => (Self::Create, None),
            Command::StartBattle => (Self::Start, None),
            Command::FinishBattle => (Self::Finish, None),
            Command::CancelBattle { .. } => (Self::Cancel, None),
            Command::Join { .. } => (Self::Join, None),
            Command::ReplaceSession { participant_id, .. } => (Self::ReplaceSession, Some(*participant_id)),
            Command::SubmitAnswer { participant_id, .. } => (Self::Answer, Some(*participant_id)),
            Command::Attack { attacker_id, .. } => (Self::Attack, Some(*attacker_id)),
            Command::Leave { participant_id } => (Self::Leave, Some(*participant_id)),
            Command::JudgeAnswer { participant_id, .. } => (Self::Judge, Some(*participant_id)),
            Command::RemoveParticipant { participant_id, .. } => (Self::Remove, Some(*participant_id)),
            Command::EraseName { participant_id, .. } => (Self::EraseName, Some(*participant_id)),
            Command::RecordLapse { .. } => (Self::Lapse, None),
            Command::RecordReturn { participant_id } => (Self::Return, Some(*participant_id)),
        }
    }

    /// The kind of the command that appended `event` last, and the participant with whom it is remembered.
    pub(crate) fn behind(event: &Event) -> (Self, Option<ParticipantId>) {
        match event {
            Event::BattleCreated(_) => (Self::Create, None),
            Event::BattleStarted(_) => (Self::Start, None),
            Event::BattleFinished(_) => (Self::Finish, None),
            Event::BattleCancelled(_) => (Self::Cancel, None),
            Event::ParticipantJoined(_) => (Self::Join, None),
            Event::SessionReplaced(e) => (Self::ReplaceSession, Some(e.participant_id)),
            Event::AnswerSubmitted(e) => (Self::Answer, Some(e.participant_id)),
            Event::AnswerJudged(e) => (Self::Judge, Some(e.participant_id)),
            Event::AttackLanded(e) => (Self::Attack, Some(e.attacker_id)),
            Event::ParticipantLeft(e) => (Self::Leave, Some(e.participant_id)),
            Event::ParticipantRemoved(e) => (Self::Remove, Some(e.participant_id)),
            Event::ParticipantsLapsed(_) => (Self::Lapse, None),
            Event::ParticipantReturned(e) => (Self::Return, Some(e.participant_id)),
            Event::NameErased(e) => (Self::EraseName, Some(e.participant_id)),
        }
    }
}

/// A command that was carried out: its id, the revision of its last event, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered(pub(crate) CommandId, pub(crate) u64, pub(crate) CommandKind);

/// The newest commands, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Memory(Vec<Remembered>);

impl Memory {
    /// Remembers a command, and forgets the oldest when there are `max` already. The next event of the
    /// command that is newest replaces what was remembered of it.
    pub(crate) fn remember(&mut self, command: Remembered, max: usize) {
        if self.0.last().is_some_and(|newest| newest.0 == command.0) {
            self.0.pop();
        } else if self.0.len() == max {
            self.0.remove(0);
        }
        self.0.push(command);
    }

    /// What is remembered of a command. Repeats are mostly of the newest, so it looks there first.
    pub(crate) fn find(&self, command_id: CommandId) -> Option<Remembered> {
        self.0.iter().rev().find(|remembered| remembered.0 == command_id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::command_id;

    #[test]
    fn every_kind_is_found_by_its_number() {
        for (number, kind) in (0..).zip(KINDS) {
            assert_eq!((u8::from(kind), CommandKind::try_from(number)), (number, Ok(kind)));
        }
        assert!(CommandKind::try_from(14).is_err());
    }

    #[test]
    fn the_oldest_is_forgotten_and_a_further_event_takes_no_place() {
        let mut memory = Memory::default();
        let command =
            |number: u8, revision| Remembered(command_id(number.into()), revision, CommandKind::Attack);
        memory.remember(command(1, 10), 2);
        memory.remember(command(2, 11), 2);
        memory.remember(command(2, 12), 2);
        assert_eq!(memory.find(command_id(1)), Some(command(1, 10)));
        assert_eq!(memory.find(command_id(2)), Some(command(2, 12)));
        memory.remember(command(3, 13), 2);
        assert_eq!(memory.find(command_id(1)), None);
        assert_eq!(memory.find(command_id(3)), Some(command(3, 13)));
    }
}

//! The memory of answered commands: the last few ids with the revision of the event that answers each.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::ids::CommandId;

/// What kind of command an id was used for, so that the same id for another kind is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandKind {
    /// `CreateBattle`
    Create,
    /// `StartBattle`
    Start,
    /// `FinishBattle`
    Finish,
    /// `CancelBattle`
    Cancel,
    /// `Join`
    Join,
    /// `ReplaceSession`
    ReplaceSession,
    /// `SubmitAnswer`
    Answer,
    /// `Attack`
    Attack,
    /// `Leave`
    Leave,
    /// `JudgeAnswer`
    Judge,
    /// `RemoveParticipant`
    Remove,
    /// `RecordLapse`
    Lapse,
    /// `RecordReturn`
    Return,
}

/// Where a command was answered before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The revision of the event that answers it.
    pub revision: u64,
    /// What kind of command it was.
    pub kind: CommandKind,
}

/// The last `N` answered commands, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Memory<const N: usize>(VecDeque<(CommandId, Answered)>);

impl<const N: usize> Memory<N> {
    pub(super) fn remember(&mut self, id: CommandId, revision: u64, kind: CommandKind) {
        if self.0.len() >= N {
            self.0.pop_front();
        }
        self.0.push_back((id, Answered { revision, kind }));
    }

    /// A retry follows soon, so the newest are looked at first.
    pub(super) fn find(&self, id: CommandId) -> Option<Answered> {
        self.0.iter().rev().find(|(known, _)| *known == id).map(|(_, answered)| *answered)
    }
}

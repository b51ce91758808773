//! Identifiers. Each is its own type, so that a participant's id can never stand where a battle's belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One battle. Derived from the command that creates it ([`BattleId::created_by`]), so that a repeated
    /// creation finds the same stream on any node.
    BattleId
);
uuid_id!(
    /// One participant of one battle, a UUIDv7 minted by the command-service when somebody joins.
    ParticipantId
);
uuid_id!(
    /// Chosen by the client for each command; the same id gets the same answer and appends nothing twice. The system's
    /// own commands have ids that no client may choose ([`CommandId::is_of_system`]).
    CommandId
);
uuid_id!(
    /// One sign-in of a participant. Only the newest one may act.
    SessionId
);

/// A question of a battle: its number, from 1, in the order in which the battle was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionId(pub u32);

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The namespace of every id that follows from a command id.
const COMMAND_NAMESPACE: Uuid = Uuid::from_u128(0x5b0f_6d55_2f0c_4b39_9a37_6e1f_0d6b_a7c1);

impl BattleId {
    /// What every battle's stream name begins with; a subscription to all battles filters by it.
    pub const STREAM_PREFIX: &'static str = "battle-";

    /// The battle that the command `command` creates.
    pub fn created_by(command: CommandId) -> Self {
        Self(Uuid::new_v5(&COMMAND_NAMESPACE, command.0.as_bytes()))
    }

    /// The stream that holds the battle's events: `battle-{id}`.
    pub fn stream(self) -> String {
        format!("{}{}", Self::STREAM_PREFIX, self.0)
    }

    /// The battle whose stream is called `stream`, if it is one.
    pub fn from_stream(stream: &str) -> Option<Self> {
        stream.strip_prefix(Self::STREAM_PREFIX)?.parse().ok()
    }
}

/// The UUID version of the ids of the system's own commands.
const SYSTEM_VERSION: usize = 8;

impl CommandId {
    /// An id for a command of the system, made of these bytes but for the six bits that tell a UUIDv8.
    pub fn of_system(bytes: [u8; 16]) -> Self {
        Self(Uuid::new_v8(bytes))
    }

    /// Whether only the system may give a command under this id. A client could otherwise use up an id that the system
    /// is going to need, and so keep a scheduled start or end from happening.
    pub fn is_of_system(self) -> bool {
        self.0.get_version_num() == SYSTEM_VERSION
    }

    /// The id of the `index`th event that this command appends: UUIDv5, so that the log itself refuses a
    /// repeat.
    pub fn event_id(self, index: u32) -> Uuid {
        let mut name = [0; 20];
        name[..16].copy_from_slice(self.0.as_bytes());
        name[16..].copy_from_slice(&index.to_be_bytes());
        Uuid::new_v5(&COMMAND_NAMESPACE, &name)
    }
}

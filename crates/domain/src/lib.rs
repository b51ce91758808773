//! The rules of a battle: `decide(state, command) -> events` and `evolve(state, event)`, and nothing else.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ids`] | identifiers and the stream a battle is written to |
//! | [`time`] | [`Timestamp`], milliseconds since the Unix epoch |
//! | [`rules`] | [`Rules`], [`Question`], [`Balance`] and their limits |
//! | `text` | which characters a text for players may have |
//! | [`username`] | [`Username`]: normalised, compared without case |
//! | [`answer`] | normalising an answer and the keyed hash that answer keys are stored as |
//! | [`command`] | every [`Command`] and the [`CommandContext`] it arrives in |
//! | [`event`] | every [`Event`] a battle's stream can hold |
//! | [`codec`] | events as JSON with a stable type name and a schema version; upcasting of old versions |
//! | [`refusal`] | every [`Refusal`]: why the rules said no |
//! | [`battle`] | [`Battle`]: the state, `evolve`, and the memory of answered commands |
//! | [`mod@decide`] | one file per command |
//! | [`outcome`] | what a caller is answered, read from the events alone |
//!
//! This crate does no I/O, reads no clock, draws no random number and spawns nothing: time, ids and keys are
//! arguments. `evolve` contains no business choice.

pub mod answer;
pub mod battle;
pub mod codec;
pub mod command;
pub mod decide;
pub mod event;
pub mod ids;
pub mod outcome;
pub mod refusal;
pub mod rules;
mod text;
pub mod time;
pub mod username;

#[cfg(test)]
mod testing;

pub use answer::AnswerKey;
pub use battle::{Battle, Participant, Phase, Status};
pub use command::{Actor, Command, CommandContext};
pub use decide::{Decision, decide};
pub use event::{Event, Recorded, Verdict};
pub use ids::{BattleId, CommandId, ParticipantId, QuestionId, SessionId};
pub use outcome::Outcome;
pub use refusal::Refusal;
pub use rules::{Balance, Question, QuestionKind, Rules};
pub use time::Timestamp;
pub use username::{SealedName, Username};

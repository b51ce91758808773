//! What comes of a command: events, the answer of before, nothing, or a refusal. One file per command.
//!
//! Every command is looked at in the same order: may this actor give it, was it carried out before, is the
//! battle in the right phase, may the participant act, and then the rule itself. `decide` is total and looks
//! at nothing but its arguments.

mod answer;
mod attack;
mod authority;
mod create;
mod erase;
mod join;
mod judge;
mod lapse;
mod leave;
mod lifecycle;
mod remove;
mod session;
mod shape;

#[cfg(test)]
mod tests;

use crate::answer::AnswerKey;
use crate::battle::{Battle, CommandKind, Participant, Phase, Remembered, Status};
use crate::command::{Actor, Command, CommandContext};
use crate::event::{Event, ParticipantReturned};
use crate::ids::{BattleId, ParticipantId};
use crate::refusal::Refusal;
use crate::rules::{Balance, ITEMS_MAX, POINTS_MAX};
use crate::time::Timestamp;

/// What comes of a command that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These events are to be appended, all or none. There is at least one.
    Append(Vec<Event>),
    /// The command was carried out before; its last event has this revision, and [`crate::Outcome::of`] that
    /// event is the answer.
    Repeat {
        /// The revision of the command's last event.
        revision: u64,
    },
    /// There is nothing to record: nobody lapsed, or nobody returned.
    Nothing,
}

/// Decides what comes of `command`, given as `context` says to the battle `battle_id` in the state `battle`.
/// Answers are hashed under `key`.
///
/// # Errors
/// [`Refusal`] says which rule is against it; nothing is to be appended then.
pub fn decide(
    battle_id: BattleId,
    battle: &Battle,
    key: &AnswerKey,
    command: &Command,
    context: &CommandContext,
) -> Result<Decision, Refusal> {
    authority::check(command, &context.actor)?;
    if let Some(revision) = carried_out_before(battle, command, context)? {
        return Ok(Decision::Repeat { revision });
    }
    let case = Case { battle_id, battle, key, context };
    match command {
        Command::CreateBattle { title, rules, questions, starts_at, ends_at, join_code } => {
            let new = create::NewBattle {
                title,
                rules,
                questions,
                starts_at: *starts_at,
                ends_at: *ends_at,
                join_code,
            };
            create::decide(&case, &new)
        }
        Command::StartBattle => lifecycle::start(&case),
        Command::FinishBattle => lifecycle::finish(&case),
        Command::CancelBattle { reason } => lifecycle::cancel(&case, reason),
        Command::Join { participant_id, username, session_id } => {
            join::decide(&case, *participant_id, username, *session_id)
        }
        Command::ReplaceSession { participant_id, session_id } => {
            session::decide(&case, *participant_id, *session_id)
        }
        Command::SubmitAnswer { participant_id, question_id, answer } => {
            answer::decide(&case, *participant_id, *question_id, answer)
        }
        Command::Attack { attacker_id, target_id } => attack::decide(&case, *attacker_id, *target_id),
        Command::Leave { participant_id } => leave::decide(&case, *participant_id),
        Command::JudgeAnswer { participant_id, question_id, attempt, correct } => {
            judge::decide(&case, *participant_id, *question_id, *attempt, *correct)
        }
        Command::RemoveParticipant { participant_id, reason } => {
            remove::decide(&case, *participant_id, reason)
        }
        Command::EraseName { participant_id, reason } => erase::decide(&case, *participant_id, reason),
        Command::RecordLapse { participant_ids } => lapse::lapse(&case, participant_ids),
        Command::RecordReturn { participant_id } => lapse::come_back(&case, *participant_id),
    }
}

fn carried_out_before(
    battle: &Battle,
    command: &Command,
    context: &CommandContext,
) -> Result<Option<u64>, Refusal> {
    let (kind, participant_id) = CommandKind::of(command);
    match battle.remembered(context.command_id, participant_id) {
        None => Ok(None),
        Some(Remembered(_, revision, of_kind)) if of_kind == kind => Ok(Some(revision)),
        Some(_) => Err(Refusal::CommandIdReused),
    }
}

/// What a command is decided by, besides the command itself.
struct Case<'a> {
    battle_id: BattleId,
    battle: &'a Battle,
    key: &'a AnswerKey,
    context: &'a CommandContext,
}

impl<'a> Case<'a> {
    /// When the server received the command.
    fn now(&self) -> Timestamp {
        self.context.received_at
    }

    /// The battle exists.
    fn exists(&self) -> Result<(), Refusal> {
        match self.battle.phase() {
            Phase::Absent => Err(Refusal::BattleUnknown),
            Phase::Created | Phase::Running | Phase::Finished | Phase::Cancelled => Ok(()),
        }
    }

    /// The battle is not over.
    fn is_open(&self) -> Result<(), Refusal> {
        match self.battle.phase() {
            Phase::Absent => Err(Refusal::BattleUnknown),
            Phase::Created | Phase::Running => Ok(()),
            Phase::Finished => Err(Refusal::BattleFinished),
            Phase::Cancelled => Err(Refusal::BattleCancelled),
        }
    }

    /// The battle runs; answers since when.
    fn running_since(&self) -> Result<Timestamp, Refusal> {
        self.is_open()?;
        self.battle.started_at().ok_or(Refusal::BattleNotStarted)
    }

    /// Players may still do something: the scheduled end has not come, though the event that ends the battle may be
    /// late.
    fn is_before_end(&self) -> Result<(), Refusal> {
        match self.battle.ends_at() {
            Some(ends_at) if ends_at <= self.now() => Err(Refusal::BattleFinished),
            Some(_) | None => Ok(()),
        }
    }

    /// The participant with this id.
    fn participant(&self, participant_id: ParticipantId) -> Result<&'a Participant, Refusal> {
        self.battle.participant(participant_id).ok_or(Refusal::ParticipantUnknown { participant_id })
    }

    /// The participant that gives the command, if it may act in this session.
    fn acting(&self, participant_id: ParticipantId) -> Result<&'a Participant, Refusal> {
        let participant = self.present(participant_id)?;
        match self.context.actor {
            Actor::Participant(_, session_id) if session_id != participant.session_id() => {
                Err(Refusal::SessionReplaced)
            }
            Actor::Participant(..) | Actor::Admin | Actor::Guest | Actor::System => Ok(participant),
        }
    }

    /// The participant that gives the command, in whatever session.
    fn present(&self, participant_id: ParticipantId) -> Result<&'a Participant, Refusal> {
        let participant = self.participant(participant_id)?;
        match participant.status() {
            Status::Active | Status::Lapsed => Ok(participant),
            Status::Left => Err(Refusal::ParticipantGone),
            Status::Removed => Err(Refusal::ParticipantBanned),
        }
    }
}

/// What a participant's own command appends: its return first, if it had lapsed.
fn own(participant: &Participant, event: Event) -> Decision {
    match participant.status() {
        Status::Lapsed => {
            let returned = ParticipantReturned { participant_id: participant.id() };
            Decision::Append(vec![Event::ParticipantReturned(returned), event])
        }
        Status::Active | Status::Left | Status::Removed => Decision::Append(vec![event]),
    }
}

/// What is really earned by whom holds `balance` already, and what it holds then: nothing goes beyond its
/// limit.
fn earn(balance: Balance, reward: Balance) -> (Balance, Balance) {
    let earned = Balance {
        points: reward.points.min(POINTS_MAX.saturating_sub(balance.points)),
        shields: reward.shields.min(ITEMS_MAX.saturating_sub(balance.shields)),
        arrows: reward.arrows.min(ITEMS_MAX.saturating_sub(balance.arrows)),
    };
    let after = Balance {
        points: balance.points.saturating_add(earned.points),
        shields: balance.shields.saturating_add(earned.shields),
        arrows: balance.arrows.saturating_add(earned.arrows),
    };
    (earned, after)
}

//! State and command in, events or a refusal out. One file for each command; what they share is here.

mod answer;
mod attack;
mod create;
mod join;
mod judge;
mod lapse;
mod leave;
mod lifecycle;
mod remove;
mod session;

use crate::answer::AnswerKey;
use crate::battle::{Battle, CommandKind, Participant, Phase, Status};
use crate::command::{Actor, Command, CommandContext};
use crate::event::{Event, ParticipantReturned};
use crate::ids::{BattleId, ParticipantId};
use crate::refusal::{Refusal, Violation};
use crate::rules::{Balance, ITEMS_MAX, POINTS_MAX};

/// The longest reason for a cancellation or a removal, in characters.
const REASON_CHARS_MAX: usize = 200;

/// What comes of a command that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// These events, at least one; the last one answers the command.
    Append(Vec<Event>),
    /// The command was accepted before: the event that answers it is at this revision.
    Repeat {
        /// The event's number in the stream.
        revision: u64,
    },
    /// There is nothing to record.
    Nothing,
}

/// What `decide` looks at, for each command's own file.
struct Case<'a> {
    battle_id: BattleId,
    battle: &'a Battle,
    key: &'a AnswerKey,
    context: &'a CommandContext,
}

/// Decides a command. Total and deterministic: it reads nothing but its arguments.
///
/// # Errors
/// A [`Refusal`] when the rules say no; then nothing is to be appended.
pub fn decide(
    battle_id: BattleId,
    battle: &Battle,
    key: &AnswerKey,
    command: &Command,
    context: &CommandContext,
) -> Result<Decision, Refusal> {
    let case = Case { battle_id, battle, key, context };
    case.allow(command)?;
    if let Some(repeat) = case.repeat(command)? {
        return Ok(repeat);
    }
    case.exists(command)?;
    match command {
        Command::CreateBattle { title, rules, questions, starts_at, ends_at, join_code } => {
            let wanted = create::Wanted { title, rules, questions, starts_at, ends_at, join_code };
            create::decide(&case, &wanted)
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
        Command::RecordLapse { participant_ids } => Ok(lapse::lapse(&case, participant_ids)),
        Command::RecordReturn { participant_id } => lapse::back(&case, *participant_id),
    }
}

/// What a command is called, what kind it is, and whose own it is.
struct Nature {
    action: &'static str,
    kind: CommandKind,
    by: By,
}

/// Who may give a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Admin,
    AdminOrSystem,
    System,
    Anybody,
    Participant(ParticipantId),
}

fn nature(command: &Command) -> Nature {
    let (action, kind, by) = match command {
        Command::CreateBattle { .. } => ("create a battle", CommandKind::Create, By::Admin),
        Command::StartBattle => ("start a battle", CommandKind::Start, By::AdminOrSystem),
        Command::FinishBattle => ("finish a battle", CommandKind::Finish, By::AdminOrSystem),
        Command::CancelBattle { .. } => ("cancel a battle", CommandKind::Cancel, By::Admin),
        Command::Join { .. } => ("join", CommandKind::Join, By::Anybody),
        Command::ReplaceSession { participant_id, .. } => {
            ("sign this participant in", CommandKind::ReplaceSession, By::Participant(*participant_id))
        }
        Command::SubmitAnswer { participant_id, .. } => {
            ("answer for this participant", CommandKind::Answer, By::Participant(*participant_id))
        }
        Command::Attack { attacker_id, .. } => {
            ("attack as this participant", CommandKind::Attack, By::Participant(*attacker_id))
        }
        Command::Leave { participant_id } => {
            ("leave as this participant", CommandKind::Leave, By::Participant(*participant_id))
        }
        Command::JudgeAnswer { .. } => ("judge answers", CommandKind::Judge, By::Admin),
        Command::RemoveParticipant { .. } => ("remove participants", CommandKind::Remove, By::Admin),
        Command::RecordLapse { .. } => ("record a lapse", CommandKind::Lapse, By::System),
        Command::RecordReturn { .. } => ("record a return", CommandKind::Return, By::System),
    };
    Nature { action, kind, by }
}

impl Case<'_> {
    /// Whether the actor may give this command at all.
    fn allow(&self, command: &Command) -> Result<(), Refusal> {
        let Nature { action, by, .. } = nature(command);
        let (actor, allowed) = match self.context.actor {
            Actor::Admin => ("an admin", matches!(by, By::Admin | By::AdminOrSystem | By::Anybody)),
            Actor::System => ("the system", matches!(by, By::System | By::AdminOrSystem)),
            Actor::Guest => ("a guest", by == By::Anybody),
            Actor::Participant(id, _) => ("a participant", by == By::Anybody || by == By::Participant(id)),
        };
        if allowed { Ok(()) } else { Err(Refusal::NotAllowed { actor, action }) }
    }

    /// What the command was answered before, if it was.
    fn repeat(&self, command: &Command) -> Result<Option<Decision>, Refusal> {
        let Nature { kind, by, .. } = nature(command);
        let participant = match by {
            By::Participant(id) => Some(id),
            By::Admin | By::AdminOrSystem | By::System | By::Anybody => None,
        };
        match self.battle.answered(self.context.command_id, participant) {
            Some(answered) if answered.kind == kind => {
                Ok(Some(Decision::Repeat { revision: answered.revision }))
            }
            Some(_) => Err(Refusal::CommandIdReused),
            None => Ok(None),
        }
    }

    /// Every command but the creation needs a battle.
    fn exists(&self, command: &Command) -> Result<(), Refusal> {
        let creates = matches!(command, Command::CreateBattle { .. });
        match (self.battle.phase(), creates) {
            (Phase::Absent, false) => Err(Refusal::BattleUnknown),
            (Phase::Created | Phase::Running | Phase::Finished | Phase::Cancelled, true) => {
                Err(Refusal::BattleExists)
            }
            _ => Ok(()),
        }
    }

    /// Answers and attacks are taken while the battle runs.
    fn running(&self) -> Result<(), Refusal> {
        match self.battle.phase() {
            Phase::Running => Ok(()),
            Phase::Absent => Err(Refusal::BattleUnknown),
            Phase::Created => Err(Refusal::BattleNotStarted),
            Phase::Finished => Err(Refusal::BattleFinished),
            Phase::Cancelled => Err(Refusal::BattleCancelled),
        }
    }

    /// Neither finished nor cancelled.
    fn open(&self) -> Result<(), Refusal> {
        match self.battle.phase() {
            Phase::Created | Phase::Running => Ok(()),
            Phase::Absent => Err(Refusal::BattleUnknown),
            Phase::Finished => Err(Refusal::BattleFinished),
            Phase::Cancelled => Err(Refusal::BattleCancelled),
        }
    }

    fn known(&self, id: ParticipantId) -> Result<&Participant, Refusal> {
        self.battle.participant(id).ok_or(Refusal::ParticipantUnknown { participant_id: id })
    }

    /// The participant that acts: still there. Its session may be an old one.
    fn signed_in(&self, id: ParticipantId) -> Result<&Participant, Refusal> {
        let participant = self.known(id)?;
        match participant.status {
            Status::Active | Status::Lapsed => Ok(participant),
            Status::Left => Err(Refusal::ParticipantGone),
            Status::Removed => Err(Refusal::ParticipantBanned),
        }
    }

    /// The participant that acts: still there, and in its newest session.
    fn acting(&self, id: ParticipantId) -> Result<&Participant, Refusal> {
        let participant = self.signed_in(id)?;
        match self.context.actor {
            Actor::Participant(_, session) if session == participant.session_id => Ok(participant),
            Actor::Participant(..) | Actor::Admin | Actor::Guest | Actor::System => {
                Err(Refusal::SessionReplaced)
            }
        }
    }
}

/// The events of a participant's own command: one that was lapsed is back first.
fn by_participant(participant: &Participant, event: Event) -> Decision {
    if participant.status == Status::Lapsed {
        let back = ParticipantReturned { participant_id: participant.id };
        Decision::Append(vec![Event::ParticipantReturned(back), event])
    } else {
        Decision::Append(vec![event])
    }
}

/// What `earning` really adds to `balance`, and the balance after it: nobody holds more than the most.
fn earn(balance: Balance, earning: Balance) -> (Balance, Balance) {
    let after = Balance {
        points: balance.points.saturating_add(earning.points).min(POINTS_MAX),
        shields: balance.shields.saturating_add(earning.shields).min(ITEMS_MAX),
        arrows: balance.arrows.saturating_add(earning.arrows).min(ITEMS_MAX),
    };
    let earned = Balance {
        points: after.points.saturating_sub(balance.points),
        shields: after.shields.saturating_sub(balance.shields),
        arrows: after.arrows.saturating_sub(balance.arrows),
    };
    (earned, after)
}

fn violation(field: impl Into<String>, description: impl Into<String>) -> Violation {
    Violation { field: field.into(), description: description.into() }
}

/// A reason, short enough to be kept.
fn reason(text: &str) -> Result<String, Refusal> {
    let chars = text.chars().count();
    if chars > REASON_CHARS_MAX {
        let description = format!("{chars} characters long; at most {REASON_CHARS_MAX}");
        return Err(Refusal::Invalid(vec![violation("reason", description)]));
    }
    Ok(text.trim().to_owned())
}

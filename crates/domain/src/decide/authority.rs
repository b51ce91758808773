//! Who may give which command.

use crate::command::{Actor, Command};
use crate::ids::ParticipantId;
use crate::refusal::Refusal;

/// Who may give a command.
enum Holder {
    Admin,
    /// An admin, or the system when the scheduled time has come. The system's own clock says so.
    AdminOrSystem,
    System,
    Guest,
    Themselves(ParticipantId),
}

/// Checks that `actor` may give `command`. Whether a participant's session is still the current one is looked
/// at later.
pub(super) fn check(command: &Command, actor: &Actor) -> Result<(), Refusal> {
    let (holder, action) = holder_of(command);
    match (holder, actor) {
        (Holder::Admin | Holder::AdminOrSystem, Actor::Admin)
        | (Holder::System | Holder::AdminOrSystem, Actor::System)
        | (Holder::Guest, Actor::Guest) => Ok(()),
        (Holder::Themselves(named), Actor::Participant(acting, _)) if named == *acting => Ok(()),
        (Holder::Themselves(_), Actor::Participant(..)) => {
            Err(Refusal::NotAllowed { actor: "a participant", action: "act for another participant" })
        }
        _ => Err(Refusal::NotAllowed { actor: name(actor), action }),
    }
}

fn holder_of(command: &Command) -> (Holder, &'static str) {
    match command {
        Command::CreateBattle { .. } => (Holder::Admin, "create a battle"),
        Command::StartBattle => (Holder::AdminOrSystem, "start the battle"),
        Command::FinishBattle => (Holder::AdminOrSystem, "finish the battle"),
        Command::CancelBattle { .. } => (Holder::Admin, "cancel the battle"),
        Command::Join { .. } => (Holder::Guest, "join the battle"),
        Command::ReplaceSession { participant_id, .. } => {
            (Holder::Themselves(*participant_id), "replace a participant's session")
        }
        Command::SubmitAnswer { participant_id, .. } => {
            (Holder::Themselves(*participant_id), "answer a question")
        }
        Command::Attack { attacker_id, .. } => (Holder::Themselves(*attacker_id), "attack a participant"),
        Command::Leave { participant_id } => (Holder::Themselves(*participant_id), "leave the battle"),
        Command::JudgeAnswer { .. } => (Holder::Admin, "judge an answer"),
        Command::RemoveParticipant { .. } => (Holder::Admin, "remove a participant"),
        Command::EraseName { .. } => (Holder::Admin, "erase a participant's name"),
        Command::RecordLapse { .. } => (Holder::System, "record a lapse"),
        Command::RecordReturn { .. } => (Holder::System, "record a return"),
    }
}

fn name(actor: &Actor) -> &'static str {
    match actor {
        Actor::Admin => "an admin",
        Actor::Participant(..) => "a participant",
        Actor::Guest => "somebody without a token",
        Actor::System => "the system",
    }
}

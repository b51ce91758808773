//! What a caller is answered. It is read from the command's events alone, so that a repeat of the command, on any
//! node and after any restart, gets the same answer.

use crate::event::{Event, Recorded, Verdict};
use crate::ids::{ParticipantId, SessionId};
use crate::rules::Balance;
use crate::username::Username;

/// The answer to an accepted command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The battle's lifecycle moved, or a participant left, returned, lapsed or was removed: there is nothing to add.
    Done,
    /// The battle exists and is found by this code.
    Created {
        /// The short code people type.
        join_code: String,
    },
    /// The participant takes part.
    Joined {
        /// Who.
        participant_id: ParticipantId,
        /// The session that may act.
        session_id: SessionId,
        /// The name as it is shown.
        username: Username,
        /// What the participant holds.
        balance: Balance,
    },
    /// The participant is signed in with this session.
    SignedIn {
        /// Who.
        participant_id: ParticipantId,
        /// The session that may act.
        session_id: SessionId,
    },
    /// The answer was judged, or waits for the judge.
    Answered {
        /// Which of the participant's attempts it is, from 1.
        attempt: u32,
        /// What was said of it.
        verdict: Verdict,
        /// What it earned.
        earned: Balance,
        /// What the participant holds now.
        balance: Balance,
    },
    /// The attack landed.
    Attacked {
        /// Whether a shield absorbed it.
        blocked: bool,
        /// What the target lost.
        points_deducted: u32,
        /// What the attacker holds now.
        balance: Balance,
    },
}

impl Outcome {
    /// The answer to the command whose last event is `recorded`.
    ///
    /// The last one, because the command of a lapsed participant records its return first. It is also the event whose
    /// revision the battle remembers, so a repeat is answered from one event.
    pub fn of(recorded: &Recorded) -> Self {
        match &recorded.event {
            Event::BattleCreated(e) => Self::Created { join_code: e.join_code.clone() },
            Event::ParticipantJoined(e) => Self::Joined {
                participant_id: e.participant_id,
                session_id: e.session_id,
                username: e.username.clone(),
                balance: e.balance,
            },
            Event::SessionReplaced(e) => {
                Self::SignedIn { participant_id: e.participant_id, session_id: e.session_id }
            }
            Event::AnswerSubmitted(e) => Self::Answered {
                attempt: e.attempt,
                verdict: e.verdict,
                earned: e.earned,
                balance: e.balance,
            },
            Event::AnswerJudged(e) => Self::Answered {
                attempt: e.attempt,
                verdict: e.verdict,
                earned: e.earned,
                balance: e.balance,
            },
            Event::AttackLanded(e) => Self::Attacked {
                blocked: e.blocked,
                points_deducted: e.points_deducted,
                balance: e.attacker_balance,
            },
            Event::BattleStarted(_)
            | Event::BattleFinished(_)
            | Event::BattleCancelled(_)
            | Event::ParticipantLeft(_)
            | Event::ParticipantRemoved(_)
            | Event::ParticipantsLapsed(_)
            | Event::ParticipantReturned(_) => Self::Done,
        }
    }
}

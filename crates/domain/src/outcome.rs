//! What a caller is answered. It is read from the command's events alone, so that a repeat of the command, on
//! any node and after any restart, gets the same answer.

use crate::event::{Event, Recorded, Verdict};
use crate::ids::{ParticipantId, SessionId};
use crate::rules::Balance;
use crate::username::Username;

/// The answer to an accepted command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The battle's lifecycle moved, or a participant left, returned, lapsed or was removed: there is nothing
    /// to add.
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
    /// The name is shown no more.
    NameErased {
        /// Which participant of the battle had it, from 1.
        number: u32,
        /// Whether it stands sealed in the log.
        was_sealed: bool,
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
    /// The last one, because the command of a lapsed participant records its return first. It is also the
    /// event whose revision the battle remembers, so a repeat is answered from one event.
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
            Event::NameErased(e) => Self::NameErased { number: e.number, was_sealed: e.was_sealed },
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::event::{AnswerJudged, AnswerSubmitted, AttackLanded, ParticipantReturned, SessionReplaced};
    use crate::ids::QuestionId;
    use crate::testing::*;

    fn of(event: Event) -> Outcome {
        let (event_id, command_id, time) = (Uuid::nil(), command_id(1), after_start(0));
        Outcome::of(&Recorded { revision: 7, event_id, command_id, time, event })
    }

    #[test]
    fn a_creation_is_answered_with_its_join_code() {
        assert_eq!(of(created()), Outcome::Created { join_code: "CUP2026".to_owned() });
    }

    #[test]
    fn a_participant_learns_who_it_is_and_what_it_holds() {
        let username = Username::new("Ada").unwrap();
        let (participant_id, session_id, balance) = (ADA, session(ADA), balance(1, 2, 3));
        let joined = joined(ADA, "Ada", balance);
        assert_eq!(of(joined), Outcome::Joined { participant_id, session_id, username, balance });
        let replaced = Event::SessionReplaced(SessionReplaced { participant_id, session_id });
        assert_eq!(of(replaced), Outcome::SignedIn { participant_id, session_id });
    }

    #[test]
    fn an_answer_and_its_verdict_are_answered_alike() {
        let (participant_id, question_id, attempt) = (ADA, QuestionId(1), 2);
        let (verdict, earned, balance) = (Verdict::Correct, balance(1, 0, 0), balance(4, 0, 0));
        let expected = Outcome::Answered { attempt, verdict, earned, balance };
        let judged = AnswerJudged { participant_id, question_id, attempt, verdict, earned, balance };
        assert_eq!(of(Event::AnswerJudged(judged)), expected);
        let (answer_hash, answer) = (None, None);
        let submitted = AnswerSubmitted {
            participant_id,
            question_id,
            attempt,
            verdict,
            earned,
            balance,
            answer_hash,
            answer,
        };
        assert_eq!(of(Event::AnswerSubmitted(submitted)), expected);
    }

    #[test]
    fn an_attacker_learns_what_the_target_lost_and_what_is_left_to_itself() {
        let landed = AttackLanded {
            attacker_id: ADA,
            target_id: BOB,
            blocked: false,
            points_deducted: 2,
            attacker_balance: balance(1, 1, 1),
            target_balance: balance(2, 2, 2),
        };
        let expected = Outcome::Attacked { blocked: false, points_deducted: 2, balance: balance(1, 1, 1) };
        assert_eq!(of(Event::AttackLanded(landed)), expected);
    }

    #[test]
    fn everything_else_is_done() {
        let returned = ParticipantReturned { participant_id: ADA };
        for event in [started(), lapsed(ADA), Event::ParticipantReturned(returned)] {
            assert_eq!(of(event), Outcome::Done);
        }
    }
}

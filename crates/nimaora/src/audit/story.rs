//! An event in words, as a line that people read.

use nimaora_domain::{Battle, Event, ParticipantId};

/// What happened, in words. Names are those of `battle`, which holds the event already.
pub(super) fn words(event: &Event, battle: &Battle) -> String {
    let name = |id: ParticipantId| {
        battle.participant(id).map_or_else(|| id.to_string(), |found| found.username().as_str().to_owned())
    };
    match event {
        Event::BattleCreated(created) => {
            format!("battle '{}' created with {} questions", created.title, created.questions.len())
        }
        Event::BattleStarted(_) => "battle started".to_owned(),
        Event::BattleFinished(_) => "battle finished".to_owned(),
        Event::BattleCancelled(cancelled) => format!("battle cancelled: {}", cancelled.reason),
        Event::ParticipantJoined(joined) => format!("{} joined", joined.username.as_str()),
        Event::SessionReplaced(replaced) => format!("{} signed in again", name(replaced.participant_id)),
        Event::AnswerSubmitted(answer) => format!(
            "{} answered question {} (attempt {}): {:?}, {:+} points",
            name(answer.participant_id),
            answer.question_id,
            answer.attempt,
            answer.verdict,
            answer.earned.points
        ),
        Event::AnswerJudged(judged) => format!(
            "the answer of {} to question {} (attempt {}) was judged: {:?}, {:+} points",
            name(judged.participant_id),
            judged.question_id,
            judged.attempt,
            judged.verdict,
            judged.earned.points
        ),
        Event::AttackLanded(attack) if attack.blocked => {
            format!("{} attacked {}: blocked by a shield", name(attack.attacker_id), name(attack.target_id))
        }
        Event::AttackLanded(attack) => format!(
            "{} attacked {}, who lost {} points",
            name(attack.attacker_id),
            name(attack.target_id),
            attack.points_deducted
        ),
        Event::ParticipantLeft(left) => format!("{} left", name(left.participant_id)),
        Event::ParticipantRemoved(removed) => {
            format!("{} was removed: {}", name(removed.participant_id), removed.reason)
        }
        Event::ParticipantsLapsed(lapsed) => {
            let names: Vec<_> = lapsed.participant_ids.iter().map(|&id| name(id)).collect();
            format!("silent too long: {}", names.join(", "))
        }
        Event::ParticipantReturned(returned) => format!("{} returned", name(returned.participant_id)),
        Event::NameErased(erased) => {
            format!("the name of {} was erased: {}", name(erased.participant_id), erased.reason)
        }
    }
}

/// Whether the event is about the participant.
pub(super) fn is_about(event: &Event, who: ParticipantId) -> bool {
    match event {
        Event::BattleCreated(_)
        | Event::BattleStarted(_)
        | Event::BattleFinished(_)
        | Event::BattleCancelled(_) => false,
        Event::ParticipantJoined(joined) => joined.participant_id == who,
        Event::SessionReplaced(replaced) => replaced.participant_id == who,
        Event::AnswerSubmitted(answer) => answer.participant_id == who,
        Event::AnswerJudged(judged) => judged.participant_id == who,
        Event::AttackLanded(attack) => attack.attacker_id == who || attack.target_id == who,
        Event::ParticipantLeft(left) => left.participant_id == who,
        Event::ParticipantRemoved(removed) => removed.participant_id == who,
        Event::ParticipantsLapsed(lapsed) => lapsed.participant_ids.contains(&who),
        Event::ParticipantReturned(returned) => returned.participant_id == who,
        Event::NameErased(erased) => erased.participant_id == who,
    }
}

//! From rows to the messages of the API.

use nimaora_api::v1;
use nimaora_domain::{Balance, Phase, Question, QuestionKind, Rules, Timestamp};
use nimaora_read_models::{AttackView, BattleView, ParticipantView};

pub(super) fn battle(view: BattleView) -> v1::Battle {
    let BattleView { battle, phase, started_at, ended_at, participants, as_of: _ } = view;
    v1::Battle {
        id: battle.id.to_string(),
        join_code: battle.join_code,
        title: battle.title,
        phase: to_phase(phase).into(),
        rules: Some(rules(&battle.rules)),
        schedule: Some(v1::Schedule {
            starts_at: battle.starts_at.map(timestamp),
            ends_at: battle.ends_at.map(timestamp),
        }),
        created_at: Some(timestamp(battle.created_at)),
        started_at: started_at.map(timestamp),
        ended_at: ended_at.map(timestamp),
        participants,
        questions: battle.questions,
    }
}

fn rules(rules: &Rules) -> v1::Rules {
    v1::Rules {
        participants_max: rules.participants_max,
        initial: Some(balance(rules.initial)),
        points_per_attack: rules.points_per_attack,
        join_closes_at_start: !rules.late_join,
    }
}

pub(super) fn question(question: Question) -> v1::Question {
    let kind = match question.kind {
        QuestionKind::Choice => v1::QuestionKind::Choice,
        QuestionKind::Text => v1::QuestionKind::Text,
        QuestionKind::Number => v1::QuestionKind::Number,
        QuestionKind::External => v1::QuestionKind::External,
    };
    v1::Question {
        id: question.id.0,
        kind: kind.into(),
        prompt: question.prompt,
        choices: question.choices,
        reward: Some(balance(question.reward)),
        attempts_max: question.attempts_max,
        opens_after_ms: question.opens_after_ms,
        answering_time_ms: question.answering_time_ms,
    }
}

/// What is private stays away unless `private`.
pub(super) fn participant(view: ParticipantView, private: bool) -> v1::Participant {
    let Balance { points, .. } = view.balance;
    let shown = if private { view.balance } else { Balance { points, ..Balance::default() } };
    v1::Participant {
        id: view.id.to_string(),
        battle_id: view.battle_id.to_string(),
        username: view.username,
        balance: Some(balance(shown)),
        active: private && view.is_active,
        joined_at: Some(timestamp(view.joined_at)),
    }
}

pub(super) fn attack(view: AttackView) -> v1::AttackRecord {
    let AttackView { attack, attacker } = view;
    v1::AttackRecord {
        position: attack.position,
        event_id: attack.event_id.to_string(),
        attacker_id: attack.attacker_id.to_string(),
        attacker,
        blocked: attack.blocked,
        points_lost: attack.points_deducted,
        attacked_at: Some(timestamp(attack.attacked_at)),
    }
}

pub(super) fn to_phase(phase: Phase) -> v1::BattlePhase {
    match phase {
        Phase::Absent => v1::BattlePhase::Unspecified,
        Phase::Created => v1::BattlePhase::Created,
        Phase::Running => v1::BattlePhase::Running,
        Phase::Finished => v1::BattlePhase::Finished,
        Phase::Cancelled => v1::BattlePhase::Cancelled,
    }
}

fn balance(balance: Balance) -> v1::Balance {
    let Balance { points, shields, arrows } = balance;
    v1::Balance { points, shields, arrows }
}

fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    nimaora_api::timestamp(time.as_millis())
}

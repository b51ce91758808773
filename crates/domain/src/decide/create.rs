//! `CreateBattle`: everything that is wrong with it is said at once.

use super::{Case, Decision, violation};
use crate::answer::normalise;
use crate::command::NewQuestion;
use crate::event::{BattleCreated, Event};
use crate::ids::QuestionId;
use crate::refusal::{Refusal, Violation};
use crate::rules::{
    ATTEMPTS_MAX, Balance, CHOICE_CHARS_MAX, CHOICES_MAX, ITEMS_MAX, PARTICIPANTS_MAX, POINTS_MAX,
    PROMPT_BYTES_MAX, QUESTIONS_MAX, Question, QuestionKind, Rules, TITLE_CHARS_MAX,
};
use crate::time::Timestamp;

/// How long a join code may be, in letters and digits.
const JOIN_CODE_CHARS: std::ops::RangeInclusive<usize> = 4..=16;
/// The fewest choices that make a question.
const CHOICES_MIN: usize = 2;
/// The most answers that one question accepts.
const ACCEPTED_ANSWERS_MAX: usize = 32;

/// The battle that is asked for.
pub(super) struct Wanted<'a> {
    pub(super) title: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) questions: &'a [NewQuestion],
    pub(super) starts_at: &'a Option<Timestamp>,
    pub(super) ends_at: &'a Option<Timestamp>,
    pub(super) join_code: &'a str,
}

pub(super) fn decide(case: &Case<'_>, wanted: &Wanted<'_>) -> Result<Decision, Refusal> {
    let mut violations = Vec::new();
    check_title(wanted.title, &mut violations);
    check_rules(wanted.rules, &mut violations);
    check_schedule(case, wanted, &mut violations);
    check_join_code(wanted.join_code, &mut violations);
    let questions = questions(case, wanted.questions, &mut violations);
    if !violations.is_empty() {
        return Err(Refusal::Invalid(violations));
    }
    Ok(Decision::Append(vec![Event::BattleCreated(BattleCreated {
        title: wanted.title.trim().to_owned(),
        rules: wanted.rules.clone(),
        questions,
        starts_at: *wanted.starts_at,
        ends_at: *wanted.ends_at,
        join_code: wanted.join_code.to_owned(),
    })]))
}

fn check_title(title: &str, violations: &mut Vec<Violation>) {
    let chars = title.trim().chars().count();
    if chars == 0 {
        violations.push(violation("title", "is empty; at least one visible character"));
    } else if chars > TITLE_CHARS_MAX {
        violations.push(violation("title", format!("{chars} characters long; at most {TITLE_CHARS_MAX}")));
    } else if title.chars().any(char::is_control) {
        violations.push(violation("title", "holds a control character"));
    }
}

fn check_rules(rules: &Rules, violations: &mut Vec<Violation>) {
    let most = rules.participants_max;
    if !(1..=PARTICIPANTS_MAX).contains(&most) {
        let description = format!("is {most}; from 1 to {PARTICIPANTS_MAX}");
        violations.push(violation("rules.participants_max", description));
    }
    let lost = rules.points_per_attack;
    if !(1..=POINTS_MAX).contains(&lost) {
        violations.push(violation("rules.points_per_attack", format!("is {lost}; from 1 to {POINTS_MAX}")));
    }
    check_balance("rules.initial", rules.initial, violations);
}

fn check_balance(field: &str, balance: Balance, violations: &mut Vec<Violation>) {
    let parts = [
        ("points", balance.points, POINTS_MAX),
        ("shields", balance.shields, ITEMS_MAX),
        ("arrows", balance.arrows, ITEMS_MAX),
    ];
    for (part, value, most) in parts {
        if value > most {
            violations.push(violation(format!("{field}.{part}"), format!("is {value}; at most {most}")));
        }
    }
}

fn check_schedule(case: &Case<'_>, wanted: &Wanted<'_>, violations: &mut Vec<Violation>) {
    let Some(ends_at) = wanted.ends_at else { return };
    let earliest = wanted.starts_at.unwrap_or(case.context.received_at);
    if *ends_at <= earliest {
        let description = format!("is {ends_at}, not after {earliest}");
        violations.push(violation("schedule.ends_at", description));
    }
}

fn check_join_code(code: &str, violations: &mut Vec<Violation>) {
    if !JOIN_CODE_CHARS.contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        violations.push(violation("join_code", format!("'{code}' is not 4 to 16 letters and digits")));
    }
}

fn questions(case: &Case<'_>, wanted: &[NewQuestion], violations: &mut Vec<Violation>) -> Vec<Question> {
    if wanted.len() > QUESTIONS_MAX {
        let description = format!("{} questions; at most {QUESTIONS_MAX}", wanted.len());
        violations.push(violation("questions", description));
        return Vec::new();
    }
    let numbered = (1..).map(QuestionId).zip(wanted);
    numbered.map(|(id, wanted)| question(case, id, wanted, violations)).collect()
}

fn question(
    case: &Case<'_>,
    id: QuestionId,
    wanted: &NewQuestion,
    violations: &mut Vec<Violation>,
) -> Question {
    let field = format!("questions[{}]", id.0 - 1);
    check_prompt(&field, &wanted.prompt, violations);
    check_choices(&field, wanted, violations);
    check_balance(&format!("{field}.reward"), wanted.reward, violations);
    if !(1..=ATTEMPTS_MAX).contains(&wanted.attempts_max) {
        let description = format!("is {}; from 1 to {ATTEMPTS_MAX}", wanted.attempts_max);
        violations.push(violation(format!("{field}.attempts_max"), description));
    }
    Question {
        id,
        kind: wanted.kind,
        prompt: wanted.prompt.clone(),
        choices: wanted.choices.clone(),
        answer_hashes: answer_hashes(case, id, &field, wanted, violations),
        reward: wanted.reward,
        attempts_max: wanted.attempts_max,
        opens_after_ms: wanted.opens_after_ms,
        answering_time_ms: wanted.answering_time_ms,
    }
}

fn check_prompt(field: &str, prompt: &str, violations: &mut Vec<Violation>) {
    let bytes = prompt.len();
    if prompt.trim().is_empty() {
        violations.push(violation(format!("{field}.prompt"), "is empty"));
    } else if bytes > PROMPT_BYTES_MAX {
        let description = format!("{bytes} bytes long; at most {PROMPT_BYTES_MAX}");
        violations.push(violation(format!("{field}.prompt"), description));
    }
}

fn check_choices(field: &str, wanted: &NewQuestion, violations: &mut Vec<Violation>) {
    let count = wanted.choices.len();
    let fits = match wanted.kind {
        QuestionKind::Choice => (CHOICES_MIN..=CHOICES_MAX).contains(&count),
        QuestionKind::Text | QuestionKind::Number | QuestionKind::External => count == 0,
    };
    if !fits {
        let description =
            format!("{count} choices; {CHOICES_MIN} to {CHOICES_MAX} for a choice, none for other kinds");
        violations.push(violation(format!("{field}.choices"), description));
    }
    for (index, choice) in wanted.choices.iter().enumerate().take(CHOICES_MAX) {
        let chars = choice.chars().count();
        if choice.trim().is_empty() || chars > CHOICE_CHARS_MAX {
            let description =
                format!("{chars} characters long; 1 to {CHOICE_CHARS_MAX}, not all of them spaces");
            violations.push(violation(format!("{field}.choices[{index}]"), description));
        }
    }
}

fn answer_hashes(
    case: &Case<'_>,
    id: QuestionId,
    field: &str,
    wanted: &NewQuestion,
    violations: &mut Vec<Violation>,
) -> Vec<String> {
    let count = wanted.accepted_answers.len();
    let fits = match wanted.kind {
        QuestionKind::External => count == 0,
        QuestionKind::Choice | QuestionKind::Text | QuestionKind::Number => {
            (1..=ACCEPTED_ANSWERS_MAX).contains(&count)
        }
    };
    if !fits {
        let description =
            format!("{count} answers; 1 to {ACCEPTED_ANSWERS_MAX}, none where an external judge decides");
        violations.push(violation(format!("{field}.accepted_answers"), description));
        return Vec::new();
    }
    let mut hashes = Vec::with_capacity(count);
    for (index, answer) in wanted.accepted_answers.iter().enumerate() {
        match normalise(wanted.kind, wanted.choices.len(), answer) {
            Ok(normal) => hashes.push(case.key.hash(case.battle_id, id, &normal)),
            // The value is an answer key and stays out of messages.
            Err(_) => violations.push(violation(
                format!("{field}.accepted_answers[{index}]"),
                "is no possible answer to a question of this kind",
            )),
        }
    }
    hashes
}

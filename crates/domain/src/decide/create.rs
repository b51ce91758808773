//! `CreateBattle`.

use unicode_normalization::UnicodeNormalization;

use crate::answer::normalise;
use crate::battle::Phase;
use crate::codec;
use crate::command::NewQuestion;
use crate::decide::shape::Violations;
use crate::decide::{Case, Decision};
use crate::event::{BattleCreated, Event};
use crate::ids::QuestionId;
use crate::refusal::Refusal;
use crate::rules::{
    ACCEPTED_ANSWERS_MAX, ATTEMPTS_MAX, BATTLE_BYTES_MAX, Balance, CHOICE_CHARS_MAX, CHOICES_MAX,
    CHOICES_MIN, ITEMS_MAX, JOIN_CODE_CHARS_MAX, JOIN_CODE_CHARS_MIN, PARTICIPANTS_MAX, POINTS_MAX,
    PROMPT_BYTES_MAX, QUESTION_TIME_MS_MAX, QUESTIONS_MAX, Question, QuestionKind, Rules, TITLE_CHARS_MAX,
};
use crate::text::{self, Kind};
use crate::time::Timestamp;

/// The command's fields.
pub(super) struct NewBattle<'a> {
    pub(super) title: &'a str,
    pub(super) rules: &'a Rules,
    pub(super) questions: &'a [NewQuestion],
    pub(super) starts_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) join_code: &'a str,
}

pub(super) fn decide(case: &Case<'_>, new: &NewBattle<'_>) -> Result<Decision, Refusal> {
    if case.battle.phase() != Phase::Absent {
        return Err(Refusal::BattleExists);
    }
    let mut violations = Violations::default();
    let title: String = new.title.trim().nfc().collect();
    violations.line("title", &title, 1, TITLE_CHARS_MAX);
    check_rules(&mut violations, new.rules);
    let questions = questions(case, &mut violations, new.questions);
    check_schedule(case, &mut violations, new);
    check_join_code(&mut violations, new.join_code);
    violations.refuse()?;
    let event = Event::BattleCreated(BattleCreated {
        title,
        rules: new.rules.clone(),
        questions,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        join_code: new.join_code.to_owned(),
    });
    check_size(&event)?;
    Ok(Decision::Append(vec![event]))
}

fn check_rules(violations: &mut Violations, rules: &Rules) {
    let (participants, points) = (rules.participants_max.into(), rules.points_per_attack.into());
    violations.within("rules.participants_max", participants, 1, PARTICIPANTS_MAX.into());
    violations.within("rules.points_per_attack", points, 1, POINTS_MAX.into());
    check_balance(violations, "rules.initial", rules.initial);
}

fn check_balance(violations: &mut Violations, path: &str, balance: Balance) {
    let Balance { points, shields, arrows } = balance;
    violations.within(format!("{path}.points"), points.into(), 0, POINTS_MAX.into());
    violations.within(format!("{path}.shields"), shields.into(), 0, ITEMS_MAX.into());
    violations.within(format!("{path}.arrows"), arrows.into(), 0, ITEMS_MAX.into());
}

fn questions(case: &Case<'_>, violations: &mut Violations, new: &[NewQuestion]) -> Vec<Question> {
    if new.len() > QUESTIONS_MAX {
        // Ids would run out of bounds below, and a list of ten thousand mistakes helps nobody.
        violations
            .push("questions", format!("{} are too many; at most {QUESTIONS_MAX} are possible", new.len()));
        return Vec::new();
    }
    (1..).zip(new).map(|(number, new)| question(case, violations, QuestionId(number), new)).collect()
}

fn question(
    case: &Case<'_>,
    violations: &mut Violations,
    question_id: QuestionId,
    new: &NewQuestion,
) -> Question {
    let path = format!("questions[{}]", question_id.0.saturating_sub(1));
    check_prompt(violations, &path, &new.prompt);
    check_choices(violations, &path, new);
    check_balance(violations, &format!("{path}.reward"), new.reward);
    violations.within(format!("{path}.attempts_max"), new.attempts_max.into(), 1, ATTEMPTS_MAX.into());
    violations.within(format!("{path}.opens_after_ms"), new.opens_after_ms, 0, QUESTION_TIME_MS_MAX);
    violations.within(format!("{path}.answering_time_ms"), new.answering_time_ms, 0, QUESTION_TIME_MS_MAX);
    Question {
        id: question_id,
        kind: new.kind,
        prompt: new.prompt.clone(),
        choices: new.choices.clone(),
        answer_hashes: answer_hashes(case, violations, &path, question_id, new),
        reward: new.reward,
        attempts_max: new.attempts_max,
        opens_after_ms: new.opens_after_ms,
        answering_time_ms: new.answering_time_ms,
    }
}

fn check_prompt(violations: &mut Violations, path: &str, prompt: &str) {
    let field = format!("{path}.prompt");
    let bytes = prompt.len();
    if text::is_blank(prompt) {
        violations.push(field, "it is blank");
    } else if bytes > PROMPT_BYTES_MAX {
        violations.push(field, format!("it has {bytes} bytes; at most {PROMPT_BYTES_MAX} are possible"));
    } else if let Some(flaw) = text::flaw(Kind::Prose, prompt) {
        violations.push(field, flaw);
    }
}

fn check_choices(violations: &mut Violations, path: &str, new: &NewQuestion) {
    let (count, field) = (new.choices.len(), format!("{path}.choices"));
    match new.kind {
        QuestionKind::Choice if !(CHOICES_MIN..=CHOICES_MAX).contains(&count) => {
            violations.push(field, format!("{count} choices; {CHOICES_MIN} to {CHOICES_MAX} are possible"));
        }
        QuestionKind::Choice => {
            let mut before: Vec<String> = Vec::with_capacity(count);
            for (index, choice) in new.choices.iter().enumerate() {
                let field = format!("{field}[{index}]");
                violations.line(&field, choice, 1, CHOICE_CHARS_MAX);
                let seen = text::seen(choice);
                if let Some(same) = before.iter().position(|other| *other == seen) {
                    // Only one of the two would be the right answer.
                    violations.push(field, format!("it looks the same as choice {}", same.saturating_add(1)));
                }
                before.push(seen);
            }
        }
        QuestionKind::Text | QuestionKind::Number | QuestionKind::External if count > 0 => {
            violations.push(field, "only a question of the kind choice has choices");
        }
        QuestionKind::Text | QuestionKind::Number | QuestionKind::External => {}
    }
}

fn answer_hashes(
    case: &Case<'_>,
    violations: &mut Violations,
    path: &str,
    question_id: QuestionId,
    new: &NewQuestion,
) -> Vec<String> {
    let (count, field) = (new.accepted_answers.len(), format!("{path}.accepted_answers"));
    if new.kind == QuestionKind::External {
        if count > 0 {
            violations.push(field, "the judge of an external question knows its answers; leave them out");
        }
        return Vec::new();
    }
    if !(1..=ACCEPTED_ANSWERS_MAX).contains(&count) {
        violations.push(field, format!("{count} answers; 1 to {ACCEPTED_ANSWERS_MAX} are possible"));
        return Vec::new();
    }
    let mut hashes = Vec::with_capacity(count);
    for (index, raw) in new.accepted_answers.iter().enumerate() {
        let field = format!("{field}[{index}]");
        match normalise(new.kind, new.choices.len(), raw, &field) {
            Ok(normalised) => hashes.push(case.key.hash(case.battle_id, question_id, &normalised)),
            // What is wrong with it would quote it, and accepted answers stay out of messages and their logs.
            Err(_) => violations
                .push(field, "no answer to a question of this kind and with these choices can be so"),
        }
    }
    hashes
}

fn check_schedule(case: &Case<'_>, violations: &mut Violations, new: &NewBattle<'_>) {
    let Some(ends_at) = new.ends_at else { return };
    if ends_at <= case.now() {
        violations.push("schedule.ends_at", format!("{ends_at} is in the past"));
    }
    if let Some(starts_at) = new.starts_at
        && ends_at <= starts_at
    {
        violations.push("schedule.ends_at", format!("{ends_at} is not after the start at {starts_at}"));
    }
}

fn check_join_code(violations: &mut Violations, join_code: &str) {
    let in_shape = join_code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !in_shape || !(JOIN_CODE_CHARS_MIN..=JOIN_CODE_CHARS_MAX).contains(&join_code.len()) {
        let (min, max) = (JOIN_CODE_CHARS_MIN, JOIN_CODE_CHARS_MAX);
        violations.push("join_code", format!("'{join_code}' is not {min} to {max} letters A-Z and digits"));
    }
}

/// The whole battle travels in one event, and an event log takes no larger one.
fn check_size(event: &Event) -> Result<(), Refusal> {
    let mut violations = Violations::default();
    let bytes = codec::encode(event).data.len();
    if bytes > BATTLE_BYTES_MAX {
        violations
            .push("questions", format!("together {bytes} bytes; at most {BATTLE_BYTES_MAX} are possible"));
    }
    violations.refuse()
}

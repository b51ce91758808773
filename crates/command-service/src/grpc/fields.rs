//! Reading the fields of requests. All malformed fields of a request are told at once.

use std::str::FromStr;

use nimaora_api::details::FieldViolation;
use nimaora_api::v1;
use nimaora_domain::command::NewQuestion;
use nimaora_domain::{Balance, BattleId, CommandId, ParticipantId, QuestionKind, Rules, Timestamp};
use uuid::Uuid;

use crate::error::CommandError;

/// How much of a malformed value is told back, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// Collects what is wrong with a request.
#[derive(Default)]
pub(super) struct Fields {
    violations: Vec<FieldViolation>,
}

impl Fields {
    /// Reads an id; a placeholder where it is malformed, which [`Fields::done`] keeps from being used.
    ///
    /// Every client's command id comes in here, so this is where those of the system are kept for the system.
    pub(super) fn command_id(&mut self, text: &str) -> CommandId {
        let command_id = CommandId(self.uuid("command_id", text));
        if command_id.is_of_system() {
            self.wrong(
                "command_id",
                format!("{command_id} is a UUID of version 8, which the server keeps for itself; use version 4 or 7"),
            );
        }
        command_id
    }

    pub(super) fn battle_id(&mut self, text: &str) -> BattleId {
        BattleId(self.uuid("battle_id", text))
    }

    pub(super) fn participant_id(&mut self, field: &str, text: &str) -> ParticipantId {
        ParticipantId(self.uuid(field, text))
    }

    fn uuid(&mut self, field: &str, text: &str) -> Uuid {
        match Uuid::from_str(text) {
            Ok(id) if !id.is_nil() => id,
            Ok(_) | Err(_) => {
                let quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
                self.wrong(
                    field,
                    format!("'{quoted}' is no UUID such as 0192f0c1-8f5e-7c1a-9d6e-2f1b8a4c3d5e"),
                );
                Uuid::nil()
            }
        }
    }

    pub(super) fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        let time = time?;
        let millis =
            time.seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(i64::from(time.nanos / 1_000_000)));
        let read = millis.map(Timestamp::from_millis).filter(|read| Some(read.as_millis()) == millis);
        if read.is_none() || !(0..1_000_000_000).contains(&time.nanos) {
            self.wrong(
                field,
                format!(
                    "{} s and {} ns is no time from {} to {}",
                    time.seconds,
                    time.nanos,
                    Timestamp::MIN,
                    Timestamp::MAX
                ),
            );
        }
        read
    }

    pub(super) fn questions(&mut self, questions: Vec<v1::NewQuestion>) -> Vec<NewQuestion> {
        questions.into_iter().enumerate().map(|(index, question)| self.question(index, question)).collect()
    }

    fn question(&mut self, index: usize, question: v1::NewQuestion) -> NewQuestion {
        let kind = match question.kind() {
            v1::QuestionKind::Choice => QuestionKind::Choice,
            v1::QuestionKind::Text => QuestionKind::Text,
            v1::QuestionKind::Number => QuestionKind::Number,
            v1::QuestionKind::External => QuestionKind::External,
            v1::QuestionKind::Unspecified => {
                let told = format!("{} is no kind of question", question.kind);
                self.wrong(&format!("questions[{index}].kind"), told);
                QuestionKind::External
            }
        };
        NewQuestion {
            kind,
            prompt: question.prompt,
            choices: question.choices,
            accepted_answers: question.accepted_answers,
            reward: balance(question.reward),
            attempts_max: question.attempts_max.max(1),
            opens_after_ms: question.opens_after_ms,
            answering_time_ms: question.answering_time_ms,
        }
    }

    fn wrong(&mut self, field: &str, description: String) {
        self.violations.push(FieldViolation { field: field.to_owned(), description });
    }

    /// Refuses the request if anything was wrong with it.
    pub(super) fn done(self) -> Result<(), CommandError> {
        if self.violations.is_empty() { Ok(()) } else { Err(CommandError::Malformed(self.violations)) }
    }
}

/// The rules as the request says, 0 standing for the default.
pub(super) fn rules(rules: Option<v1::Rules>) -> Rules {
    let asked = rules.unwrap_or_default();
    let default = Rules::default();
    let or = |asked: u32, default: u32| if asked == 0 { default } else { asked };
    Rules {
        participants_max: or(asked.participants_max, default.participants_max),
        initial: balance(asked.initial),
        points_per_attack: or(asked.points_per_attack, default.points_per_attack),
        late_join: !asked.join_closes_at_start,
    }
}

fn balance(balance: Option<v1::Balance>) -> Balance {
    let v1::Balance { points, shields, arrows } = balance.unwrap_or_default();
    Balance { points, shields, arrows }
}

/// A balance as the API writes it.
pub(super) fn to_balance(balance: Balance) -> v1::Balance {
    let Balance { points, shields, arrows } = balance;
    v1::Balance { points, shields, arrows }
}

/// A time as the API writes it.
pub(super) fn to_timestamp(time: Timestamp) -> prost_types::Timestamp {
    let millis = time.as_millis();
    let nanos = i32::try_from(millis.rem_euclid(1_000)).unwrap_or(0) * 1_000_000;
    prost_types::Timestamp { seconds: millis.div_euclid(1_000), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_malformed_fields_are_told_at_once() {
        let mut fields = Fields::default();
        fields.command_id("x");
        fields.battle_id("");
        fields.participant_id("target_id", "00000000-0000-0000-0000-000000000000");
        fields.time("schedule.starts_at", Some(prost_types::Timestamp { seconds: -1, nanos: 0 }));
        fields.time("schedule.ends_at", Some(prost_types::Timestamp { seconds: 1, nanos: -5 }));
        fields.questions(vec![v1::NewQuestion { kind: 99, ..Default::default() }]);
        let CommandError::Malformed(violations) = fields.done().unwrap_err() else { panic!() };
        let names: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        let expected = [
            "command_id",
            "battle_id",
            "target_id",
            "schedule.starts_at",
            "schedule.ends_at",
            "questions[0].kind",
        ];
        assert_eq!(names, expected);
        assert!(violations[0].description.contains("'x'"));
    }

    #[test]
    fn a_long_malformed_value_is_not_sent_back_whole() {
        let mut fields = Fields::default();
        fields.command_id(&"é".repeat(10_000));
        let CommandError::Malformed(violations) = fields.done().unwrap_err() else { panic!() };
        assert!(violations[0].description.len() < 200);
    }

    #[test]
    fn times_go_there_and_back() {
        let mut fields = Fields::default();
        for millis in [0, 1, 1_795_484_834_123, 253_402_300_799_999] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(fields.time("t", Some(to_timestamp(time))), Some(time));
        }
        assert_eq!(fields.time("t", Some(to_timestamp(Timestamp::MAX))), Some(Timestamp::MAX));
        fields.done().unwrap();
    }

    #[test]
    fn a_time_that_cannot_be_written_is_told_with_the_last_that_can() {
        // The last second of the year 9999 in UTC is in the year 10000 further east.
        for seconds in [253_402_300_799, i64::MAX, -1] {
            let mut fields = Fields::default();
            fields.time("t", Some(prost_types::Timestamp { seconds, nanos: 0 }));
            let told = fields.done().unwrap_err().to_string();
            assert!(told.contains("from 1970-01-01T00:00:00.000Z to 9999-12-30T21:59:59.999Z"), "{told}");
        }
    }
}

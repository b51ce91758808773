//! Reading the fields of requests. All malformed fields of a request are told at once.

use std::time::Duration;

use nimaora_api::details::FieldViolation;
use nimaora_api::v1;
use nimaora_domain::rules::{JOIN_CODE_CHARS_MAX, JOIN_CODE_CHARS_MIN};
use nimaora_domain::{BattleId, ParticipantId, Phase};
use nimaora_read_models::Position;
use uuid::Uuid;

use super::page;
use crate::config::{Bounded, WAIT_MS};
use crate::error::QueryError;
use crate::freshness::Wanted;
use crate::waiting::Caller;

/// How much of a malformed value is told back, in characters.
const QUOTED_CHARS_MAX: usize = 40;

/// Collects what is wrong with a request. Where something is, a placeholder is read, which [`Fields::done`] keeps from
/// being used.
#[derive(Default)]
pub(super) struct Fields {
    violations: Vec<FieldViolation>,
}

impl Fields {
    pub(super) fn battle_id(&mut self, text: &str) -> BattleId {
        BattleId(self.uuid("battle_id", text))
    }

    pub(super) fn participant_id(&mut self, text: &str) -> ParticipantId {
        ParticipantId(self.uuid("participant_id", text))
    }

    fn uuid(&mut self, field: &str, text: &str) -> Uuid {
        Uuid::parse_str(text).ok().filter(|id| !id.is_nil()).unwrap_or_else(|| {
            let quoted = quoted(text);
            self.wrong(field, format!("'{quoted}' is no UUID such as 0192f0c1-8f5e-7c1a-9d6e-2f1b8a4c3d5e"));
            Uuid::nil()
        })
    }

    pub(super) fn join_code(&mut self, text: String) -> String {
        let in_shape = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !in_shape || !(JOIN_CODE_CHARS_MIN..=JOIN_CODE_CHARS_MAX).contains(&text.len()) {
            let (quoted, min, max) = (quoted(&text), JOIN_CODE_CHARS_MIN, JOIN_CODE_CHARS_MAX);
            self.wrong("join_code", format!("'{quoted}' is not {min} to {max} letters A-Z and digits"));
        }
        text
    }

    /// A number that may be left out.
    pub(super) fn bounded(&mut self, field: &str, value: u32, bounded: Bounded) -> u32 {
        if value > bounded.max {
            self.wrong(field, format!("{value} is more than {}", bounded.max));
        }
        if value == 0 { bounded.default } else { value }
    }

    pub(super) fn wanted(&mut self, min_position: Position, wait_ms: u32, caller: Caller) -> Wanted {
        let millis = self.bounded("wait_ms", wait_ms, WAIT_MS);
        Wanted { min_position, patience: Duration::from_millis(u64::from(millis)), caller }
    }

    /// The phase to look for; `None` when it was not said.
    pub(super) fn phase(&mut self, phase: i32) -> Option<Phase> {
        match v1::BattlePhase::try_from(phase) {
            Ok(v1::BattlePhase::Unspecified) => None,
            Ok(v1::BattlePhase::Created) => Some(Phase::Created),
            Ok(v1::BattlePhase::Running) => Some(Phase::Running),
            Ok(v1::BattlePhase::Finished) => Some(Phase::Finished),
            Ok(v1::BattlePhase::Cancelled) => Some(Phase::Cancelled),
            Err(_) => {
                self.wrong("phase", format!("{phase} is no phase of a battle"));
                None
            }
        }
    }

    /// Where the page begins; `None` for the first one.
    pub(super) fn page_token(&mut self, token: &str, phase: Option<Phase>) -> Option<Position> {
        if token.is_empty() {
            return None;
        }
        let before = page::read(token, phase);
        if before.is_none() {
            let quoted = quoted(token);
            let told = format!("'{quoted}' is no next_page_token of a list of battles in the same phase");
            self.wrong("page_token", told);
        }
        before
    }

    fn wrong(&mut self, field: &str, description: String) {
        self.violations.push(FieldViolation { field: field.to_owned(), description });
    }

    /// Refuses the request for this field and whatever else was wrong with it.
    pub(super) fn refused(mut self, field: &str, description: &str) -> QueryError {
        self.wrong(field, description.to_owned());
        QueryError::Malformed(self.violations)
    }

    /// Refuses the request if anything was wrong with it.
    pub(super) fn done(self) -> Result<(), QueryError> {
        if self.violations.is_empty() { Ok(()) } else { Err(QueryError::Malformed(self.violations)) }
    }
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BOARD_LINES;

    #[test]
    fn all_malformed_fields_are_told_at_once() {
        let mut fields = Fields::default();
        fields.battle_id("");
        fields.participant_id("x");
        fields.join_code("no code".to_owned());
        fields.bounded("limit", 1_001, BOARD_LINES);
        fields.wanted(0, 10_001, Caller::Anybody);
        fields.phase(9);
        fields.page_token("nonsense", None);
        let QueryError::Malformed(violations) = fields.done().unwrap_err() else { panic!() };
        let names: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let expected =
            ["battle_id", "participant_id", "join_code", "limit", "wait_ms", "phase", "page_token"];
        assert_eq!(names, expected);
        assert!(violations[3].description.contains("1001 is more than 1000"));
    }

    #[test]
    fn the_nil_uuid_is_nobodys_id() {
        let mut fields = Fields::default();
        fields.battle_id("00000000-0000-0000-0000-000000000000");
        let QueryError::Malformed(violations) = fields.done().unwrap_err() else { panic!() };
        assert!(violations[0].description.contains("'00000000-"), "{}", violations[0].description);
    }

    #[test]
    fn a_long_malformed_value_is_not_sent_back_whole() {
        let mut fields = Fields::default();
        fields.battle_id(&"é".repeat(10_000));
        let QueryError::Malformed(violations) = fields.done().unwrap_err() else { panic!() };
        assert!(violations[0].description.len() < 200);
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let mut fields = Fields::default();
        assert_eq!(fields.bounded("limit", 0, BOARD_LINES), 100);
        assert_eq!(fields.bounded("limit", 1_000, BOARD_LINES), 1_000);
        assert_eq!(fields.wanted(7, 0, Caller::Anybody).patience, Duration::from_secs(1));
        assert_eq!(fields.phase(0), None);
        assert_eq!(fields.page_token("", Some(Phase::Running)), None);
        fields.done().unwrap();
    }
}

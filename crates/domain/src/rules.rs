//! What a battle is played by: its rules, its questions, and what a participant holds.

use serde::{Deserialize, Serialize};

use crate::ids::QuestionId;

/// The most points a participant can hold; the board's order in every store is exact up to it.
pub const POINTS_MAX: u32 = 1_000_000;
/// The most shields, and the most arrows, a participant can hold.
pub const ITEMS_MAX: u32 = 1_000_000;
/// The most questions a battle can have.
pub const QUESTIONS_MAX: usize = 1_000;
/// The most participants that any battle's rules may admit.
pub const PARTICIPANTS_MAX: u32 = 100_000;
/// The longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// The longest prompt of a question, in bytes.
pub const PROMPT_BYTES_MAX: usize = 16 * 1024;
/// The most choices of a question.
pub const CHOICES_MAX: usize = 26;
/// The fewest choices of a question.
pub const CHOICES_MIN: usize = 2;
/// The longest choice, in characters.
pub const CHOICE_CHARS_MAX: usize = 500;
/// The longest answer to a choice, text or number question, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1_024;
/// The longest answer to a question that an external judge decides, in bytes.
pub const EXTERNAL_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The most attempts that a question may allow.
pub const ATTEMPTS_MAX: u32 = 100;
/// The most accepted answers to a question.
pub const ACCEPTED_ANSWERS_MAX: usize = 100;
/// The longest time after the start that a question may open, and the longest that it may stay open, in
/// milliseconds: a year of 366 days.
pub const QUESTION_TIME_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
/// The largest battle, in bytes of its creation event; an event log takes no event over 1 MiB.
pub const BATTLE_BYTES_MAX: usize = 900 * 1024;
/// The shortest join code, in characters.
pub const JOIN_CODE_CHARS_MIN: usize = 4;
/// The longest join code, in characters.
pub const JOIN_CODE_CHARS_MAX: usize = 16;
/// The most participants that lapse in one event; more lapse in several.
pub const LAPSED_PER_EVENT_MAX: usize = 4_096;

/// What a participant holds, and what a correct answer earns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The score.
    pub points: u32,
    /// Each absorbs one attack.
    pub shields: u32,
    /// Each is one attack.
    pub arrows: u32,
}

/// How a battle is played, fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// The most participants admitted, at most [`PARTICIPANTS_MAX`].
    pub participants_max: u32,
    /// What a participant holds on joining.
    pub initial: Balance,
    /// The points that an attack takes when no shield absorbs it; never more than the target has.
    pub points_per_attack: u32,
    /// Whether one can join after the start.
    pub late_join: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { participants_max: 25_000, initial: Balance::default(), points_per_attack: 1, late_join: true }
    }
}

/// How an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QuestionKind {
    /// One of the question's choices, given as its number from 1.
    Choice,
    /// The exact text, after Unicode NFC and with the white space around it removed.
    Text,
    /// The number, compared by value: `1.50`, `1.5` and `+1.5` are the same.
    Number,
    /// Whatever an external judge says (code, for example): the answer waits for `JudgeAnswer`.
    External,
}

/// One question of a battle, as its creation event holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Its number in the battle, from 1.
    pub id: QuestionId,
    /// How an answer to it is judged.
    pub kind: QuestionKind,
    /// What the players read.
    pub prompt: String,
    /// The texts of the choices, for [`QuestionKind::Choice`]; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The keyed hashes of the accepted answers, in hex; empty for [`QuestionKind::External`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer_hashes: Vec<String>,
    /// What the first correct answer earns.
    pub reward: Balance,
    /// How often one participant may answer, from 1 to [`ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// From how long after the start the question takes answers, in milliseconds.
    pub opens_after_ms: u64,
    /// For how long it takes answers once open, in milliseconds; 0 for as long as the battle runs.
    pub answering_time_ms: u64,
}

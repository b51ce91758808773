//! Ten questions of every kind, for the demo and for a first battle by hand.

use nimaora_api::v1::{Balance, NewQuestion, QuestionKind};

/// A question, and how bots answer it.
#[derive(Clone, Copy, Debug)]
pub struct Riddle {
    /// How an answer is judged.
    pub kind: QuestionKind,
    /// What the players read.
    pub prompt: &'static str,
    /// The choices, where there are any.
    pub choices: &'static [&'static str],
    /// The right answer; for a choice its number from 1.
    pub right: &'static str,
    /// A wrong answer.
    pub wrong: &'static str,
}

const fn choice(
    prompt: &'static str,
    choices: &'static [&'static str],
    right: &'static str,
    wrong: &'static str,
) -> Riddle {
    Riddle { kind: QuestionKind::Choice, prompt, choices, right, wrong }
}

const fn text(prompt: &'static str, right: &'static str, wrong: &'static str) -> Riddle {
    Riddle { kind: QuestionKind::Text, prompt, choices: &[], right, wrong }
}

const fn number(prompt: &'static str, right: &'static str, wrong: &'static str) -> Riddle {
    Riddle { kind: QuestionKind::Number, prompt, choices: &[], right, wrong }
}

/// The questions, in their order.
pub const RIDDLES: [Riddle; 10] = [
    choice("Which planet is nearest to the sun?", &["Venus", "Mercury", "Mars"], "2", "3"),
    number("How many bits has a byte?", "8", "10"),
    text("What does the Rust compiler call a reference that may write?", "mutable", "const"),
    choice("What is O(1)?", &["constant time", "linear time", "no time"], "1", "2"),
    number("How many edges has a cube?", "12", "8"),
    text("Who wrote the first program for a machine, Ada ...?", "Lovelace", "Byron"),
    choice("Which of these sorts is stable?", &["heap sort", "merge sort", "quick sort"], "2", "3"),
    Riddle {
        kind: QuestionKind::External,
        prompt: "Write a program that prints its own source.",
        choices: &[],
        right: "s='s=%r;print(s%%s)';print(s%s)",
        wrong: "print('its own source')",
    },
    number("What is 0.1 + 0.2, on paper?", "0.3", "0.30000000000000004"),
    choice("Which came first?", &["Linux", "Unix", "the Web"], "2", "1"),
];

/// How often one may try a question.
const ATTEMPTS_MAX: u32 = 2;
/// Each so-many-th question earns a shield too.
const SHIELD_EACH: usize = 4;

/// The questions for a battle in which one opens each `opens_every_ms` after the start; 0 opens all at once.
pub fn questions(opens_every_ms: u64) -> Vec<NewQuestion> {
    let question = |(index, riddle): (usize, &Riddle)| NewQuestion {
        kind: riddle.kind.into(),
        prompt: riddle.prompt.to_owned(),
        choices: riddle.choices.iter().map(|choice| (*choice).to_owned()).collect(),
        accepted_answers: match riddle.kind {
            QuestionKind::External | QuestionKind::Unspecified => Vec::new(),
            QuestionKind::Choice | QuestionKind::Text | QuestionKind::Number => vec![riddle.right.to_owned()],
        },
        reward: Some(Balance { points: 10, shields: u32::from(index % SHIELD_EACH == 0), arrows: 1 }),
        attempts_max: ATTEMPTS_MAX,
        opens_after_ms: opens_every_ms * index as u64,
        answering_time_ms: 0,
    };
    RIDDLES.iter().enumerate().map(question).collect()
}

/// The points that an attack takes in these battles.
pub const POINTS_PER_ATTACK: u32 = 5;
/// What everybody holds on joining.
pub const INITIAL: Balance = Balance { points: 20, shields: 0, arrows: 1 };

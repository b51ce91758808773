//! The words that stand in columns for values with a few alternatives.

use nimaora_domain::event::Verdict;
use nimaora_domain::{Phase, QuestionKind};

use super::misfit;
use crate::error::StoreError;

pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        // No battle is stored in this phase; the table's check refuses the word.
        Phase::Absent => "absent",
        Phase::Created => "created",
        Phase::Running => "running",
        Phase::Finished => "finished",
        Phase::Cancelled => "cancelled",
    }
}

pub(crate) fn phase(word: &str) -> Result<Phase, StoreError> {
    match word {
        "created" => Ok(Phase::Created),
        "running" => Ok(Phase::Running),
        "finished" => Ok(Phase::Finished),
        "cancelled" => Ok(Phase::Cancelled),
        other => Err(misfit("phase of a battle", other)),
    }
}

pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Correct => "correct",
        Verdict::Wrong => "wrong",
        Verdict::Pending => "pending",
    }
}

pub(crate) fn verdict(word: &str) -> Result<Verdict, StoreError> {
    match word {
        "correct" => Ok(Verdict::Correct),
        "wrong" => Ok(Verdict::Wrong),
        "pending" => Ok(Verdict::Pending),
        other => Err(misfit("verdict", other)),
    }
}

pub(crate) fn kind_word(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Choice => "choice",
        QuestionKind::Text => "text",
        QuestionKind::Number => "number",
        QuestionKind::External => "external",
    }
}

pub(crate) fn kind(word: &str) -> Result<QuestionKind, StoreError> {
    match word {
        "choice" => Ok(QuestionKind::Choice),
        "text" => Ok(QuestionKind::Text),
        "number" => Ok(QuestionKind::Number),
        "external" => Ok(QuestionKind::External),
        other => Err(misfit("kind of a question", other)),
    }
}

//! ListQuestions: nobody but an admin sees a question before it opens.

use nimaora_api::v1;
use nimaora_domain::{Question, Timestamp};
use nimaora_read_models::BattleView;
use tonic::Request;

use super::fields::Fields;
use super::viewer::Viewer;
use super::{battles, convert};
use crate::error::QueryError;
use crate::gateway::Core;

pub(super) async fn list(
    core: &Core,
    request: Request<v1::ListQuestionsRequest>,
) -> Result<v1::ListQuestionsResponse, QueryError> {
    let viewer = Viewer::of(core, request.metadata())?;
    let request = request.into_inner();
    let mut fields = Fields::default();
    let battle_id = fields.battle_id(&request.battle_id);
    let wanted = fields.wanted(request.min_position, request.wait_ms, viewer.caller());
    fields.done()?;
    let seen = battles::battle(core, battle_id, wanted).await?;
    let now = Timestamp::from_millis(core.clock.now_ms());
    let shown: Vec<_> = match opened_until(&seen.value, now) {
        None if viewer != Viewer::Admin => Vec::new(),
        opened_until => {
            let questions = core.in_time(async { Ok(core.tables.any().questions(battle_id).await?) }).await?;
            let opened = |question: &Question| {
                viewer == Viewer::Admin || opened_until.is_some_and(|until| question.opens_after_ms <= until)
            };
            questions.into_iter().filter(opened).map(convert::question).collect()
        }
    };
    Ok(v1::ListQuestionsResponse { questions: shown, as_of: seen.as_of })
}

/// How long the battle has run, or ran, in milliseconds: the questions that open until then have opened. `None` when it never
/// started.
fn opened_until(view: &BattleView, now: Timestamp) -> Option<u64> {
    let started_at = view.started_at?;
    let until = view.ended_at.map_or(now, |ended_at| ended_at.min(now));
    (until >= started_at).then(|| until.millis_since(started_at))
}

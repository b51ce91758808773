//! Judges the answers to the question whose answer is code, as an external judge would: over the public API, a moment later.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1::JudgeAnswerRequest;
use nimaora_runtime::Shutdown;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;
use tonic::metadata::{Ascii, MetadataValue};

use super::scene::Scene;
use crate::client::{Connection, command_id, with_token};
use crate::quiz::RIDDLES;

/// Answers that wait for the referee. When it is reached, a bot waits before it goes on.
const WAITING_MAX: usize = 64;
/// How long the referee looks at an answer.
const LOOK: Duration = Duration::from_millis(30);

/// An answer to judge.
pub(super) struct Script {
    pub(super) participant_id: String,
    pub(super) question_id: u32,
    pub(super) attempt: u32,
    pub(super) answer: &'static str,
}

/// Starts the referee; what is sent is judged until `shutdown`.
pub(super) fn start(
    connection: Connection,
    admin: MetadataValue<Ascii>,
    battle_id: String,
    scene: Arc<Scene>,
    shutdown: &Shutdown,
) -> Sender<Script> {
    let (sender, scripts) = channel(WAITING_MAX);
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.requested() => {}
            () = judge(scripts, connection, admin, battle_id, &scene) => {}
        }
    });
    sender
}

async fn judge(
    mut scripts: Receiver<Script>,
    connection: Connection,
    admin: MetadataValue<Ascii>,
    battle_id: String,
    scene: &Scene,
) {
    while let Some(script) = scripts.recv().await {
        sleep(LOOK).await;
        let correct = RIDDLES.iter().any(|riddle| riddle.right == script.answer);
        let verdict = JudgeAnswerRequest {
            command_id: command_id(),
            battle_id: battle_id.clone(),
            participant_id: script.participant_id,
            question_id: script.question_id,
            attempt: script.attempt,
            correct,
        };
        let judged = connection.commands().judge_answer(with_token(verdict, Some(&admin))).await;
        scene.count(|counts| match judged {
            Ok(_) => {
                counts.commands += 1;
                counts.right += u64::from(correct);
            }
            Err(_) => counts.failed += 1,
        });
    }
}

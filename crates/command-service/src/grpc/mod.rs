//! The gRPC face: request → command → answer. One file for each group of calls; none of them knows a rule.

mod caller;
mod fields;
mod heartbeat;
mod lifecycle;
mod moderation;
mod play;
mod route;
mod sign_in;

use std::future::Future;
use std::sync::Arc;

use nimaora_api::v1;
use nimaora_api::v1::command_service_server::CommandService;
use nimaora_domain::Refusal;
use tonic::{Request, Response, Status, async_trait};

use crate::error::CommandError;
use crate::metrics;
use crate::service::Core;
use crate::status::status;
use crate::writer::order::Answer;

/// The gRPC service's implementation; [`crate::CommandService::grpc`] wraps it for a router.
pub struct Commands {
    core: Arc<Core>,
}

impl Commands {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

/// Turns what a call came to into what is sent.
async fn send<T>(answer: impl Future<Output = Result<T, CommandError>>) -> Result<Response<T>, Status> {
    match answer.await {
        Ok(message) => Ok(Response::new(message)),
        Err(error) => {
            metrics::turned_away(error.reason());
            Err(status(&error))
        }
    }
}

/// The answer of a command that always changes something. A caller's command that changed nothing is a fault of this server.
fn accepted(answer: Result<Option<Answer>, CommandError>) -> Result<Answer, CommandError> {
    answer?.ok_or_else(|| CommandError::Internal { reason: "the command changed nothing".to_owned() })
}

/// The command's events are not of the kind that the command makes: its id was used for another one.
fn unexpected() -> CommandError {
    Refusal::CommandIdReused.into()
}

#[async_trait]
impl CommandService for Commands {
    async fn create_battle(
        &self,
        request: Request<v1::CreateBattleRequest>,
    ) -> Result<Response<v1::CreateBattleResponse>, Status> {
        let battle_id = route::created_by(&request.get_ref().command_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/CreateBattle",
            battle_id,
            request,
            |core, request| async move { lifecycle::create_battle(&core, request).await },
        )
        .await
    }

    async fn start_battle(
        &self,
        request: Request<v1::StartBattleRequest>,
    ) -> Result<Response<v1::StartBattleResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/StartBattle",
            battle_id,
            request,
            |core, request| async move { lifecycle::start_battle(&core, request).await },
        )
        .await
    }

    async fn finish_battle(
        &self,
        request: Request<v1::FinishBattleRequest>,
    ) -> Result<Response<v1::FinishBattleResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/FinishBattle",
            battle_id,
            request,
            |core, request| async move { lifecycle::finish_battle(&core, request).await },
        )
        .await
    }

    async fn cancel_battle(
        &self,
        request: Request<v1::CancelBattleRequest>,
    ) -> Result<Response<v1::CancelBattleResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/CancelBattle",
            battle_id,
            request,
            |core, request| async move { lifecycle::cancel_battle(&core, request).await },
        )
        .await
    }

    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/Join",
            battle_id,
            request,
            |core, request| async move { sign_in::join(&core, request).await },
        )
        .await
    }

    async fn replace_session(
        &self,
        request: Request<v1::ReplaceSessionRequest>,
    ) -> Result<Response<v1::ReplaceSessionResponse>, Status> {
        let battle_id = route::of_player(&self.core, request.metadata());
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/ReplaceSession",
            battle_id,
            request,
            |core, request| async move { sign_in::replace_session(&core, request).await },
        )
        .await
    }

    async fn submit_answer(
        &self,
        request: Request<v1::SubmitAnswerRequest>,
    ) -> Result<Response<v1::SubmitAnswerResponse>, Status> {
        let battle_id = route::of_player(&self.core, request.metadata());
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/SubmitAnswer",
            battle_id,
            request,
            |core, request| async move { play::submit_answer(&core, request).await },
        )
        .await
    }

    async fn attack(
        &self,
        request: Request<v1::AttackRequest>,
    ) -> Result<Response<v1::AttackResponse>, Status> {
        let battle_id = route::of_player(&self.core, request.metadata());
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/Attack",
            battle_id,
            request,
            |core, request| async move { play::attack(&core, request).await },
        )
        .await
    }

    async fn leave(&self, request: Request<v1::LeaveRequest>) -> Result<Response<v1::LeaveResponse>, Status> {
        let battle_id = route::of_player(&self.core, request.metadata());
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/Leave",
            battle_id,
            request,
            |core, request| async move { play::leave(&core, request).await },
        )
        .await
    }

    async fn judge_answer(
        &self,
        request: Request<v1::JudgeAnswerRequest>,
    ) -> Result<Response<v1::JudgeAnswerResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/JudgeAnswer",
            battle_id,
            request,
            |core, request| async move { moderation::judge_answer(&core, request).await },
        )
        .await
    }

    async fn remove_participant(
        &self,
        request: Request<v1::RemoveParticipantRequest>,
    ) -> Result<Response<v1::RemoveParticipantResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/RemoveParticipant",
            battle_id,
            request,
            |core, request| async move { moderation::remove_participant(&core, request).await },
        )
        .await
    }

    async fn erase_name(
        &self,
        request: Request<v1::EraseNameRequest>,
    ) -> Result<Response<v1::EraseNameResponse>, Status> {
        let battle_id = route::named(&request.get_ref().battle_id);
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/EraseName",
            battle_id,
            request,
            moderation::erase_name,
        )
        .await
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let battle_id = route::of_player(&self.core, request.metadata());
        route::route(
            &self.core,
            "/nimaora.v1.CommandService/Heartbeat",
            battle_id,
            request,
            |core, request| async move { heartbeat::heartbeat(&core, request).await },
        )
        .await
    }
}

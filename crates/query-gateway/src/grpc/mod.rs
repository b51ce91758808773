//! The gRPC face: request → read → answer. One file for each group of calls.

mod battles;
mod board;
mod convert;
mod fields;
mod page;
mod participants;
mod questions;
mod viewer;
mod watch;

use std::future::Future;
use std::sync::Arc;

use futures::stream::BoxStream;
use nimaora_api::v1;
use nimaora_api::v1::query_service_server::QueryService;
use tokio::time::Instant;
use tonic::{Request, Response, Status, async_trait};

use crate::error::QueryError;
use crate::gateway::Core;
use crate::metrics::{self, Query};
use crate::status::status;

/// The gRPC service's implementation; [`crate::QueryGateway::grpc`] wraps it for a router.
pub struct Queries {
    core: Arc<Core>,
}

impl Queries {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Works a query out, unless too many are being worked on, and turns what it came to into what is sent.
    async fn send<T>(
        &self,
        query: Query,
        answer: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<Response<T>, Status> {
        let began = Instant::now();
        let answer = match self.core.in_flight.try_acquire() {
            Ok(_permit) => answer.await,
            Err(_) => Err(QueryError::Overloaded),
        };
        match answer {
            Ok(message) => {
                metrics::answered(query, began.elapsed());
                Ok(Response::new(message))
            }
            Err(error) => {
                metrics::turned_away(query, error.reason());
                Err(status(&error))
            }
        }
    }
}

#[async_trait]
impl QueryService for Queries {
    type WatchLeaderboardStream = BoxStream<'static, Result<v1::WatchLeaderboardResponse, Status>>;

    async fn get_battle(
        &self,
        request: Request<v1::GetBattleRequest>,
    ) -> Result<Response<v1::GetBattleResponse>, Status> {
        self.send(Query::Battle, battles::get(&self.core, request)).await
    }

    async fn list_battles(
        &self,
        request: Request<v1::ListBattlesRequest>,
    ) -> Result<Response<v1::ListBattlesResponse>, Status> {
        self.send(Query::Battles, battles::list(&self.core, request)).await
    }

    async fn list_questions(
        &self,
        request: Request<v1::ListQuestionsRequest>,
    ) -> Result<Response<v1::ListQuestionsResponse>, Status> {
        self.send(Query::Questions, questions::list(&self.core, request)).await
    }

    async fn get_participant(
        &self,
        request: Request<v1::GetParticipantRequest>,
    ) -> Result<Response<v1::GetParticipantResponse>, Status> {
        self.send(Query::Participant, participants::get(&self.core, request)).await
    }

    async fn list_attacks(
        &self,
        request: Request<v1::ListAttacksRequest>,
    ) -> Result<Response<v1::ListAttacksResponse>, Status> {
        self.send(Query::Attacks, participants::attacks(&self.core, request)).await
    }

    async fn get_leaderboard(
        &self,
        request: Request<v1::GetLeaderboardRequest>,
    ) -> Result<Response<v1::GetLeaderboardResponse>, Status> {
        self.send(Query::Leaderboard, board::top(&self.core, request)).await
    }

    async fn get_rank(
        &self,
        request: Request<v1::GetRankRequest>,
    ) -> Result<Response<v1::GetRankResponse>, Status> {
        self.send(Query::Rank, board::rank(&self.core, request)).await
    }

    async fn get_around_rank(
        &self,
        request: Request<v1::GetAroundRankRequest>,
    ) -> Result<Response<v1::GetAroundRankResponse>, Status> {
        self.send(Query::AroundRank, board::around(&self.core, request)).await
    }

    async fn watch_leaderboard(
        &self,
        request: Request<v1::WatchLeaderboardRequest>,
    ) -> Result<Response<Self::WatchLeaderboardStream>, Status> {
        self.send(Query::Watch, watch::leaderboard(&self.core, request)).await
    }
}

//! What an operator sees of the queries.
#![allow(clippy::unwrap_used, reason = "a suite of assertions")]
#![allow(dead_code, reason = "it uses a part of what the tests share")]

#[path = "gateway/house.rs"]
mod house;
#[path = "gateway/stores.rs"]
mod stores;

use std::sync::Arc;

use nimaora_api::v1::GetRankRequest;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_read_models::Leaderboard;
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_runtime::telemetry;

use crate::house::{House, battle_id, player_id};
use crate::stores::Down;

#[tokio::test]
async fn whoever_answers_for_the_leaderboard_is_counted_with_the_reason() {
    let metrics = telemetry::init_metrics().unwrap();
    let house = House::new().await;
    let rank =
        GetRankRequest { battle_id: battle_id(), participant_id: player_id(1), ..GetRankRequest::default() };
    let behind: Arc<dyn Leaderboard> = Arc::new(MemoryLeaderboard::new(1, 1));
    for leaderboard in [behind, Arc::new(Down)] {
        let gateway = house.beside(leaderboard);
        QueryServiceClient::new(gateway.grpc()).get_rank(rank.clone()).await.unwrap();
    }
    house.client().get_rank(rank).await.unwrap();
    let text = metrics.render();
    for why in ["not_held", "unavailable"] {
        let counted = format!("nimaora_queries_fallbacks_total{{why=\"{why}\"}} 1\n");
        assert!(text.contains(&counted), "{counted} is not in {text}");
    }
}

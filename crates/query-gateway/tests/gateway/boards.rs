//! GetLeaderboard, GetRank and GetAroundRank, from the leaderboard and from the tables.

use std::sync::Arc;

use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_api::v1::query_service_server::QueryServiceServer;
use nimaora_api::v1::{GetAroundRankRequest, GetLeaderboardRequest, GetRankRequest, LeaderboardEntry};
use nimaora_query_gateway::QueryGateway;
use nimaora_query_gateway::grpc::Queries;
use nimaora_read_models::contract::{battle, participant, story};
use nimaora_read_models::memory::MemoryLeaderboard;
use nimaora_read_models::{BoardBatch, BoardChange, Leaderboard, TableBatch};
use tonic::Code;

use crate::house::{House, OPENED, battle_id, board_batch, fields, player_id, reason, says_when_to_retry};
use crate::stores::{Down, Silent};

fn top(limit: u32) -> GetLeaderboardRequest {
    GetLeaderboardRequest { battle_id: battle_id(), limit, ..GetLeaderboardRequest::default() }
}

fn rank(n: u128) -> GetRankRequest {
    GetRankRequest { battle_id: battle_id(), participant_id: player_id(n), ..GetRankRequest::default() }
}

fn around(n: u128, range: u32) -> GetAroundRankRequest {
    GetAroundRankRequest {
        battle_id: battle_id(),
        participant_id: player_id(n),
        range,
        ..GetAroundRankRequest::default()
    }
}

fn lines(entries: &[LeaderboardEntry]) -> Vec<(u32, &str, u32)> {
    entries.iter().map(|entry| (entry.rank, entry.username.as_str(), entry.points)).collect()
}

#[tokio::test]
async fn the_best_come_first_and_of_equals_who_was_there_first() {
    let house = House::new().await;
    house.scores(11, 1, 3).await;
    let board = house.client().get_leaderboard(top(0)).await.unwrap().into_inner();
    assert_eq!(lines(&board.entries), [(1, "player 3", 3), (2, "player 1", 3), (3, "player 2", 2)]);
    assert_eq!(board.entries[0].participant_id, player_id(3));
    assert_eq!((board.total, board.as_of), (3, 11));
    let short = house.client().get_leaderboard(top(2)).await.unwrap().into_inner();
    assert_eq!(lines(&short.entries), [(1, "player 3", 3), (2, "player 1", 3)]);
    assert_eq!((short.total, short.as_of), (3, 11));
}

#[tokio::test]
async fn a_board_that_was_answered_before_is_never_an_old_one() {
    let house = House::new().await;
    for points in 4..20 {
        house.scores(u64::from(points) + 10, u128::from(points % 3) + 1, points).await;
        for limit in [1, 3, 0] {
            let board = house.client().get_leaderboard(top(limit)).await.unwrap().into_inner();
            assert_eq!(board.as_of, u64::from(points) + 10);
            assert_eq!(board.entries[0].points, points);
        }
    }
}

/// 200 players in both stores, player n with n points.
async fn with_many_players() -> House {
    let house = House::new().await;
    let joined: Vec<_> = (4..=200).map(|n| story::joined(battle(1), n)).collect();
    let changes = joined.iter().map(|new| BoardChange::Joined {
        participant_id: new.id,
        username: new.username.as_str().into(),
        points: new.balance.points,
        reached_revision: new.reached_revision,
    });
    house.move_board(board_batch(300, changes.collect())).await;
    let updates = vec![story::moved(battle(1), 300, 197)];
    story::apply(&*house.tables, TableBatch { joined, updates, ..story::batch(300) }).await.unwrap();
    house
}

#[tokio::test]
async fn a_longer_board_is_read_after_a_shorter_one() {
    let house = with_many_players().await;
    for (limit, expected) in [(3, 3), (0, 100), (150, 150), (120, 120), (1_000, 200), (7, 7)] {
        let board = house.client().get_leaderboard(top(limit)).await.unwrap().into_inner();
        assert_eq!(board.entries.len(), expected);
        assert_eq!(board.total, 200);
    }
}

#[tokio::test]
async fn a_rank_counts_from_one_and_has_its_neighbours() {
    let house = with_many_players().await;
    let found = house.client().get_rank(rank(200)).await.unwrap().into_inner();
    assert_eq!(found.entry.unwrap().rank, 1);
    assert_eq!((found.total, found.as_of), (200, 300));
    let near = house.client().get_around_rank(around(100, 0)).await.unwrap().into_inner();
    let ranks: Vec<_> = near.entries.iter().map(|entry| entry.rank).collect();
    assert_eq!(ranks, (96..=106).collect::<Vec<_>>());
    assert_eq!(near.entries[5].participant_id, player_id(100));
    let best = house.client().get_around_rank(around(199, 3)).await.unwrap().into_inner();
    assert_eq!(best.entries.iter().map(|entry| entry.rank).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn who_is_not_on_the_board_is_not_found() {
    let house = House::new().await;
    house.move_board(board_batch(11, vec![BoardChange::Removed { participant_id: participant(2) }])).await;
    for n in [2, 9] {
        let refused = house.client().get_rank(rank(n)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "PARTICIPANT_UNKNOWN"));
        let refused = house.client().get_around_rank(around(n, 0)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "PARTICIPANT_UNKNOWN"));
    }
    let nowhere = GetLeaderboardRequest { battle_id: battle(2).to_string(), ..top(0) };
    let refused = house.client().get_leaderboard(nowhere).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "BATTLE_UNKNOWN"));
}

#[tokio::test]
async fn what_is_malformed_or_too_much_is_named() {
    let house = House::new().await;
    let request = GetLeaderboardRequest { battle_id: "x".to_owned(), wait_ms: 10_001, ..top(1_001) };
    let refused = house.client().get_leaderboard(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(fields(&refused), ["battle_id", "limit", "wait_ms"]);
    let refused = house.client().get_around_rank(around(1, 101)).await.unwrap_err();
    assert_eq!(fields(&refused), ["range"]);
    let refused = house
        .client()
        .get_rank(GetRankRequest { participant_id: String::new(), ..rank(1) })
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["participant_id"]);
}

type Client = QueryServiceClient<QueryServiceServer<Queries>>;

fn client(gateway: &QueryGateway) -> Client {
    QueryServiceClient::new(gateway.grpc())
}

/// Both answer the same, whatever is asked of a board.
async fn agree(mut one: Client, mut other: Client) {
    for limit in [1, 5, 0, 500] {
        let left = one.get_leaderboard(top(limit)).await.unwrap().into_inner();
        assert_eq!(left, other.get_leaderboard(top(limit)).await.unwrap().into_inner());
    }
    for n in [1, 2, 77, 200] {
        let left = one.get_rank(rank(n)).await.unwrap().into_inner();
        assert_eq!(left, other.get_rank(rank(n)).await.unwrap().into_inner());
        let left = one.get_around_rank(around(n, 3)).await.unwrap().into_inner();
        assert_eq!(left, other.get_around_rank(around(n, 3)).await.unwrap().into_inner());
    }
    let refused = other.get_rank(rank(999)).await.unwrap_err();
    assert_eq!(reason(&refused), "PARTICIPANT_UNKNOWN");
}

#[tokio::test]
async fn the_tables_answer_the_same_for_a_board_that_was_let_go() {
    let house = with_many_players().await;
    house.scores(301, 77, 150).await;
    let empty: Arc<dyn Leaderboard> = Arc::new(MemoryLeaderboard::default());
    agree(house.client(), client(&house.beside(empty))).await;
}

#[tokio::test]
async fn the_tables_answer_the_same_for_a_board_that_is_still_being_made_anew() {
    let house = with_many_players().await;
    house.scores(301, 77, 150).await;
    let behind = Arc::new(MemoryLeaderboard::new(10, 301));
    let begins = BoardBatch { first_revision: 0, ..board_batch(OPENED, Vec::new()) };
    assert_eq!(behind.apply(&[begins], OPENED).await.unwrap().missing, vec![]);
    let gateway = house.beside(behind);
    agree(house.client(), client(&gateway)).await;
    let fresh = GetRankRequest { min_position: 301, ..rank(77) };
    let found = client(&gateway).get_rank(fresh).await.unwrap().into_inner();
    assert_eq!((found.entry.unwrap().points, found.as_of), (150, 301));
}

#[tokio::test]
async fn the_tables_answer_the_same_for_a_leaderboard_that_is_down() {
    let house = with_many_players().await;
    house.scores(301, 77, 150).await;
    agree(house.client(), client(&house.beside(Arc::new(Down)))).await;
}

#[tokio::test]
async fn the_tables_answer_for_a_leaderboard_that_does_not() {
    let house = House::new().await;
    let gateway = house.beside(Arc::new(Silent));
    let found = client(&gateway).get_rank(rank(3)).await.unwrap().into_inner();
    assert_eq!(found.entry.unwrap().rank, 1);
}

#[tokio::test]
async fn with_no_store_left_the_caller_is_told_to_come_again() {
    let house = House::new().await;
    house.tables.close().await;
    let refused = client(&house.beside(Arc::new(Down))).get_leaderboard(top(0)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "READ_MODELS_UNAVAILABLE"));
    assert!(says_when_to_retry(&refused));
    // The leaderboard alone is enough for boards.
    house.client().get_leaderboard(top(0)).await.unwrap();
}

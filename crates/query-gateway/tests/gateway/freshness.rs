//! `min_position`: an answer is as fresh as its caller asked for, or there is none.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1::get_battle_request::Battle as Asked;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_api::v1::{
    GetBattleRequest, GetLeaderboardRequest, GetParticipantRequest, GetRankRequest, ListBattlesRequest,
};
use nimaora_change_bus::Change;
use nimaora_query_gateway::Config;
use nimaora_read_models::TableBatch;
use nimaora_read_models::contract::{battle, participant, story};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::house::{
    House, OPENED, battle_id, board_batch, player_id, reason, says_when_to_retry, with_token,
};
use crate::stores::{CountedBoard, CountedBus, DeadBus};

/// So long that no test could wait for it: what happens happens because somebody was told.
const NEVER_MS: u64 = 3_600_000;

fn told_only() -> Config {
    Config { wait_poll_ms: NEVER_MS, ..Config::default() }
}

fn top(min_position: u64) -> GetLeaderboardRequest {
    GetLeaderboardRequest {
        battle_id: battle_id(),
        min_position,
        wait_ms: 10_000,
        ..GetLeaderboardRequest::default()
    }
}

/// Runs a query until it waits, then lets `then` happen, and answers what the query came to.
async fn waits<T: Send + 'static>(
    bus: &CountedBus,
    query: impl Future<Output = Result<tonic::Response<T>, Status>> + Send + 'static,
    then: impl Future<Output = ()>,
) -> Result<T, Status> {
    let mut followers = bus.followers();
    let query = tokio::spawn(query);
    followers.wait_for(|count| *count == 1).await.unwrap();
    then.await;
    query.await.unwrap().map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_answer_that_has_reached_the_position_comes_at_once() {
    let house = House::with_bus(told_only(), Arc::new(DeadBus)).await;
    let board = house.client().get_leaderboard(top(OPENED)).await.unwrap().into_inner();
    assert_eq!(board.as_of, OPENED);
}

#[tokio::test]
async fn where_the_leaderboard_has_not_reached_the_position_the_tables_answer() {
    let house = House::new().await;
    story::apply(&*house.tables, story::batch(11)).await.unwrap();
    assert_eq!(house.client().get_leaderboard(top(0)).await.unwrap().into_inner().as_of, OPENED);
    assert_eq!(house.client().get_leaderboard(top(11)).await.unwrap().into_inner().as_of, 11);
    let (battle_id, participant_id) = (battle_id(), player_id(1));
    let rank = GetRankRequest { battle_id, participant_id, min_position: 11, wait_ms: 10_000 };
    assert_eq!(house.client().get_rank(rank).await.unwrap().into_inner().as_of, 11);
}

#[tokio::test]
async fn a_query_that_waits_is_woken_by_the_change() {
    let bus = Arc::new(CountedBus::default());
    let house = House::with_bus(told_only(), Arc::clone(&bus) as Arc<_>).await;
    let mut client = house.client();
    let query = async move { client.get_leaderboard(top(12)).await };
    let board = waits(&bus, query, async {
        // Not far enough, and then far enough.
        house.moves(11).await;
        house.tells(11, Change::Applied { board: false }).await;
        house.scores(12, 1, 9).await;
        house.tells(12, Change::Applied { board: true }).await;
    });
    let board = board.await.unwrap();
    assert_eq!(board.as_of, 12);
    assert_eq!(board.entries[0].participant_id, player_id(1));
    // Nobody follows when nobody waits.
    bus.followers().wait_for(|count| *count == 0).await.unwrap();
}

#[tokio::test]
async fn every_query_about_a_battle_can_wait() {
    let bus = Arc::new(CountedBus::default());
    let house = House::with_bus(told_only(), Arc::clone(&bus) as Arc<_>).await;
    let moves = |position| {
        let house = &house;
        async move {
            house.moves(position).await;
            house.tells(position, Change::Applied { board: false }).await;
        }
    };
    let mut client = house.client();
    let request = GetRankRequest {
        battle_id: battle_id(),
        participant_id: player_id(1),
        min_position: 11,
        wait_ms: 10_000,
    };
    let query = async move { client.get_rank(request).await };
    assert_eq!(waits(&bus, query, moves(11)).await.unwrap().as_of, 11);

    let mut client = house.client();
    let request = GetParticipantRequest {
        battle_id: battle_id(),
        participant_id: player_id(1),
        min_position: 12,
        wait_ms: 10_000,
    };
    let query = async move { client.get_participant(request).await };
    assert_eq!(waits(&bus, query, moves(12)).await.unwrap().as_of, 12);

    let mut client = house.client();
    let request =
        GetBattleRequest { battle: Some(Asked::BattleId(battle_id())), min_position: 13, wait_ms: 10_000 };
    let query = async move { client.get_battle(request).await };
    assert_eq!(waits(&bus, query, moves(13)).await.unwrap().as_of, 13);
}

#[tokio::test]
async fn a_newcomer_is_awaited() {
    let bus = Arc::new(CountedBus::default());
    let house = House::with_bus(told_only(), Arc::clone(&bus) as Arc<_>).await;
    let mut client = house.client();
    let request = GetParticipantRequest {
        battle_id: battle_id(),
        participant_id: player_id(4),
        min_position: 11,
        wait_ms: 10_000,
    };
    let query = async move { client.get_participant(request).await };
    let answer = waits(&bus, query, async {
        let joined = vec![story::joined(battle(1), 4)];
        story::apply(&*house.tables, TableBatch { joined, ..story::batch(11) }).await.unwrap();
        house.tells(11, Change::Applied { board: true }).await;
    });
    assert_eq!(answer.await.unwrap().participant.unwrap().username, "player 4");
}

#[tokio::test]
async fn what_the_tables_would_have_by_now_is_not_awaited() {
    let house = House::with_bus(told_only(), Arc::new(DeadBus)).await;
    let request = GetParticipantRequest {
        battle_id: battle_id(),
        participant_id: participant(9).to_string(),
        min_position: OPENED,
        wait_ms: 10_000,
    };
    let refused = house.client().get_participant(request).await.unwrap_err();
    assert_eq!(reason(&refused), "PARTICIPANT_UNKNOWN");
    let nowhere = GetLeaderboardRequest { battle_id: battle(2).to_string(), ..top(OPENED) };
    let refused = house.client().get_leaderboard(nowhere).await.unwrap_err();
    assert_eq!(reason(&refused), "BATTLE_UNKNOWN");
}

#[tokio::test]
async fn without_a_bus_the_stores_are_asked_now_and_then() {
    let config = Config { wait_poll_ms: 5, ..Config::default() };
    let house = House::with_bus(config, Arc::new(DeadBus)).await;
    let mut client = house.client();
    let query = tokio::spawn(async move { client.get_leaderboard(top(11)).await });
    house.moves(11).await;
    assert_eq!(query.await.unwrap().unwrap().into_inner().as_of, 11);
}

#[tokio::test]
async fn a_list_and_a_join_code_wait_without_a_battle_to_follow() {
    let house = House::with(Config { wait_poll_ms: 5, ..Config::default() }).await;
    let mut client = house.client();
    let request = ListBattlesRequest { min_position: 11, wait_ms: 10_000, ..ListBattlesRequest::default() };
    let list = tokio::spawn(async move { client.list_battles(request).await });
    let mut client = house.client();
    let by_code = Some(Asked::JoinCode("NEWONE".to_owned()));
    let request = GetBattleRequest { battle: by_code, min_position: 11, wait_ms: 10_000 };
    let found = tokio::spawn(async move { client.get_battle(request).await });
    let row =
        nimaora_read_models::BattleRow { join_code: "NEWONE".to_owned(), ..story::battle_row(battle(2), 11) };
    let updates = vec![story::moved(battle(2), 11, 0)];
    let batch = TableBatch { battles: vec![row], updates, checkpoint: 11, ..TableBatch::default() };
    story::apply(&*house.tables, batch).await.unwrap();
    assert_eq!(list.await.unwrap().unwrap().into_inner().as_of, 11);
    let found = found.await.unwrap().unwrap().into_inner();
    assert_eq!(found.battle.unwrap().id, battle(2).to_string());
}

#[tokio::test]
async fn a_position_that_is_not_reached_in_time_is_no_answer() {
    let house = House::with(told_only()).await;
    for (wait_ms, at_least) in [(250, 250), (0, 1_000)] {
        let began = Instant::now();
        let request = GetLeaderboardRequest { wait_ms, ..top(11) };
        let refused = house.client().get_leaderboard(request).await.unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(at_least), "{:?}", began.elapsed());
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "POSITION_NOT_REACHED"));
        assert!(says_when_to_retry(&refused));
        assert!(refused.message().contains("at position 10, not yet at 11"), "{}", refused.message());
    }
}

#[tokio::test]
async fn those_who_wait_without_a_token_leave_room_for_others() {
    let bus = Arc::new(CountedBus::default());
    let config = Config { waiting_max: 1, waiting_anonymous_max: 1, queries_max: 4, ..told_only() };
    let house = House::with_bus(config, Arc::clone(&bus) as Arc<_>).await;
    // Somebody waits for what will never be.
    let mut client = house.client();
    let forever = tokio::spawn(async move { client.get_leaderboard(top(u64::MAX)).await });
    bus.followers().wait_for(|count| *count == 1).await.unwrap();
    for request in [tonic::Request::new(top(11)), with_token("no token of ours", top(11))] {
        let refused = house.client().get_leaderboard(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "TOO_MANY_WAITING")
        );
        assert!(says_when_to_retry(&refused));
    }
    house.client().get_leaderboard(top(0)).await.unwrap();

    // A player waits all the same, and is answered.
    let mut client = house.client();
    let request = with_token(&house.own(1), GetLeaderboardRequest { wait_ms: 1, ..top(11) });
    let refused = client.get_leaderboard(request).await.unwrap_err();
    assert_eq!(reason(&refused), "POSITION_NOT_REACHED");
    let request = with_token(&house.own(1), top(11));
    let board = tokio::spawn(async move { client.get_leaderboard(request).await });
    tokio::task::yield_now().await;
    house.move_board(board_batch(11, Vec::new())).await;
    house.tells(11, Change::Applied { board: false }).await;
    assert_eq!(board.await.unwrap().unwrap().into_inner().as_of, 11);
    forever.abort();
}

#[tokio::test]
async fn however_many_wait_for_a_battle_it_is_followed_once() {
    const MANY: usize = 30;
    let bus = Arc::new(CountedBus::default());
    let house = House::with_bus(told_only(), Arc::clone(&bus) as Arc<_>).await;
    let board = Arc::new(CountedBoard::new(Arc::clone(&house.board)));
    let gateway = house.beside_with(told_only(), Arc::clone(&board) as Arc<_>);
    let ask = |_| {
        let mut client = QueryServiceClient::new(gateway.grpc());
        tokio::spawn(async move { client.get_leaderboard(top(11)).await })
    };
    let waiting: Vec<_> = (0..MANY).map(ask).collect();
    // Each has looked at once, and when it began to wait.
    board.reads().wait_for(|reads| *reads == 2 * MANY).await.unwrap();
    assert_eq!(*bus.followers().borrow(), 1);
    house.moves(11).await;
    house.tells(11, Change::Applied { board: false }).await;
    for query in waiting {
        assert_eq!(query.await.unwrap().unwrap().into_inner().as_of, 11);
    }
    bus.followers().wait_for(|count| *count == 0).await.unwrap();
}

#[tokio::test]
async fn who_waits_in_vain_looks_ever_more_rarely() {
    let house = House::with_bus(Config::default(), Arc::new(DeadBus)).await;
    let board = Arc::new(CountedBoard::new(Arc::clone(&house.board)));
    let gateway = house.beside(Arc::clone(&board) as Arc<_>);
    let mut client = QueryServiceClient::new(gateway.grpc());
    let refused =
        client.get_leaderboard(GetLeaderboardRequest { wait_ms: 2_000, ..top(11) }).await.unwrap_err();
    assert_eq!(reason(&refused), "POSITION_NOT_REACHED");
    // At once, when it begins to wait, after 100, 200, 400 and 800 ms; a busy machine is late, and looks no more often.
    let reads = *board.reads().borrow();
    assert!((2..=7).contains(&reads), "{reads}");
}

#[tokio::test]
async fn more_queries_than_the_server_takes_are_shed() {
    let bus = Arc::new(CountedBus::default());
    let config = Config { queries_max: 1, ..told_only() };
    let house = House::with_bus(config, Arc::clone(&bus) as Arc<_>).await;
    let mut client = house.client();
    let query = async move { client.get_leaderboard(top(11)).await };
    let refused = waits(&bus, query, async {
        let refused = house.client().get_leaderboard(top(0)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::ResourceExhausted, "QUERIES_OVERLOADED")
        );
        assert!(says_when_to_retry(&refused));
        house.shutdown.request();
    });
    let refused = refused.await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "DRAINING"));
    house.client().get_leaderboard(top(0)).await.unwrap();
    assert!(house.shutdown.finish(Duration::from_secs(10)).await);
}

//! While the tables are built anew they are of the past: what they lack is not said to be nowhere, and no session is judged
//! by them.

use nimaora_api::v1::get_battle_request::Battle as Asked;
use nimaora_api::v1::{
    GetAroundRankRequest, GetBattleRequest, GetParticipantRequest, GetRankRequest, ListAttacksRequest,
    WatchLeaderboardRequest,
};
use nimaora_read_models::contract::{battle, participant, story};
use nimaora_read_models::{BoardChange, ParticipantUpdate, ReadModels, TableBatch};
use tonic::{Code, Request, Response, Status};

use crate::house::{
    House, OPENED, battle_id, board_batch, player_id, reason, says_when_to_retry, with_token,
};

/// The end of the log when the tables were begun.
const HEAD: u64 = OPENED + 1;

/// A battle in tables that lack the last event.
async fn house_of_yesterday() -> House {
    let house = House::new().await;
    house.tables.save_changes_checkpoint(HEAD).await.unwrap();
    house
}

fn come_again<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) {
    let refused = answer.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "READ_MODELS_UNAVAILABLE"));
    assert!(says_when_to_retry(&refused));
}

fn by_id(battle_id: String) -> GetBattleRequest {
    GetBattleRequest { battle: Some(Asked::BattleId(battle_id)), ..GetBattleRequest::default() }
}

fn somebody(n: u128) -> GetParticipantRequest {
    GetParticipantRequest {
        battle_id: battle_id(),
        participant_id: player_id(n),
        ..GetParticipantRequest::default()
    }
}

fn rank(n: u128) -> GetRankRequest {
    GetRankRequest { battle_id: battle_id(), participant_id: player_id(n), ..GetRankRequest::default() }
}

fn around(n: u128) -> GetAroundRankRequest {
    GetAroundRankRequest {
        battle_id: battle_id(),
        participant_id: player_id(n),
        ..GetAroundRankRequest::default()
    }
}

fn attacks_on(n: u128) -> ListAttacksRequest {
    ListAttacksRequest {
        battle_id: battle_id(),
        participant_id: player_id(n),
        ..ListAttacksRequest::default()
    }
}

#[tokio::test]
async fn what_the_tables_lack_is_not_said_to_be_nowhere() {
    let house = house_of_yesterday().await;
    let mut client = house.client();
    let elsewhere = battle(2).to_string();
    let by_code = Some(Asked::JoinCode("NOCODE".to_owned()));
    come_again(client.get_battle(by_id(elsewhere.clone())).await);
    come_again(client.get_battle(GetBattleRequest { battle: by_code, ..GetBattleRequest::default() }).await);
    come_again(client.get_participant(somebody(4)).await);
    come_again(client.get_rank(rank(4)).await);
    come_again(client.get_around_rank(around(4)).await);
    let watch =
        WatchLeaderboardRequest { battle_id: elsewhere.clone(), ..WatchLeaderboardRequest::default() };
    let refused = client.watch_leaderboard(watch).await.map(|_| Response::new(()));
    come_again(refused);
    // What they have is shown, with its position.
    let shown = client.get_battle(by_id(battle_id())).await.unwrap().into_inner();
    assert_eq!(shown.as_of, OPENED);
    client.get_rank(rank(3)).await.unwrap();

    let joined = vec![story::joined(battle(1), 4)];
    let change = BoardChange::Joined {
        participant_id: participant(4),
        username: "player 4".into(),
        points: 4,
        reached_revision: 4,
    };
    house.move_board(board_batch(HEAD, vec![change])).await;
    story::apply(&*house.tables, TableBatch { joined, ..story::batch(HEAD) }).await.unwrap();
    client.get_participant(somebody(4)).await.unwrap();
    client.get_rank(rank(4)).await.unwrap();
    let refused = client.get_battle(by_id(elsewhere)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "BATTLE_UNKNOWN"));
    let refused = client.get_rank(rank(5)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "PARTICIPANT_UNKNOWN"));
}

#[tokio::test]
async fn nobody_reads_what_is_private_by_the_session_of_yesterday() {
    let house = house_of_yesterday().await;
    let mut client = house.client();
    let (old, new) = (house.own(2), house.player(battle(1), participant(2), story::session(77)));
    for token in [&old, &new] {
        come_again(client.get_participant(with_token(token, somebody(2))).await);
        come_again(client.list_attacks(with_token(token, attacks_on(2))).await);
    }
    // Others, and admins, are not judged by a session.
    client.get_participant(with_token(&house.own(1), somebody(2))).await.unwrap();
    client.get_participant(with_token(&house.admin(), somebody(2))).await.unwrap();
    client.get_participant(Request::new(somebody(2))).await.unwrap();

    let update = ParticipantUpdate {
        session_id: Some(story::session(77)),
        ..story::update(battle(1), participant(2))
    };
    let batch = TableBatch { participants: vec![update], ..story::batch(HEAD) };
    story::apply(&*house.tables, batch).await.unwrap();
    let refused = client.get_participant(with_token(&old, somebody(2))).await.unwrap_err();
    assert_eq!(reason(&refused), "SESSION_REPLACED");
    client.get_participant(with_token(&new, somebody(2))).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_position_waits_for_the_tables() {
    let house = house_of_yesterday().await;
    let mut client = house.client();
    let request = GetParticipantRequest { min_position: HEAD, wait_ms: 10_000, ..somebody(4) };
    let query = tokio::spawn(async move { client.get_participant(request).await });
    tokio::task::yield_now().await;
    let joined = vec![story::joined(battle(1), 4)];
    story::apply(&*house.tables, TableBatch { joined, ..story::batch(HEAD) }).await.unwrap();
    assert_eq!(query.await.unwrap().unwrap().into_inner().as_of, HEAD);
}

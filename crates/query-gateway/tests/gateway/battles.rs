//! GetBattle and ListBattles.

use nimaora_api::v1::get_battle_request::Battle as Asked;
use nimaora_api::v1::{BattlePhase, GetBattleRequest, ListBattlesRequest};
use nimaora_domain::Phase;
use nimaora_read_models::contract::{battle, story};
use nimaora_read_models::{BattleRow, TableBatch};
use tonic::Code;

use crate::house::{CODE, House, OPENED, battle_id, fields, reason};

fn asked(battle: Asked) -> GetBattleRequest {
    GetBattleRequest { battle: Some(battle), ..GetBattleRequest::default() }
}

#[tokio::test]
async fn a_battle_is_found_by_id_and_by_join_code_in_any_case() {
    let house = House::new().await;
    house.turns(11, Phase::Running, story::second(5)).await;
    let ways = [
        Asked::BattleId(battle_id()),
        Asked::JoinCode(CODE.to_owned()),
        Asked::JoinCode(CODE.to_lowercase()),
    ];
    for way in ways {
        let found = house.client().get_battle(asked(way)).await.unwrap().into_inner();
        assert_eq!(found.as_of, 11);
        let battle = found.battle.unwrap();
        assert_eq!(battle.id, battle_id());
        assert_eq!(battle.join_code, CODE);
        assert_eq!(battle.title, story::battle_row(nimaora_read_models::contract::battle(1), 1).title);
        assert_eq!(battle.phase(), BattlePhase::Running);
        assert_eq!((battle.participants, battle.questions), (3, 2));
        let rules = battle.rules.unwrap();
        assert_eq!((rules.participants_max, rules.join_closes_at_start), (300, true));
        let schedule = battle.schedule.unwrap();
        assert_eq!(schedule.starts_at.unwrap().seconds, story::second(60).as_millis() / 1_000);
        assert_eq!(schedule.starts_at.unwrap().nanos, 123_000_000);
        assert_eq!(schedule.ends_at, None);
        assert_eq!(battle.started_at.unwrap().seconds, story::second(5).as_millis() / 1_000);
        assert_eq!(battle.ended_at, None);
    }
}

#[tokio::test]
async fn a_battle_that_is_not_there_is_not_found() {
    let house = House::new().await;
    for way in [Asked::BattleId(battle(2).to_string()), Asked::JoinCode("NOWHERE".to_owned())] {
        let refused = house.client().get_battle(asked(way)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(reason(&refused), "BATTLE_UNKNOWN");
    }
}

#[tokio::test]
async fn a_malformed_question_names_its_fields() {
    let house = House::new().await;
    let cases = [
        (asked(Asked::BattleId("battle one".to_owned())), vec!["battle_id"]),
        (asked(Asked::JoinCode("K7 QX".to_owned())), vec!["join_code"]),
        (
            GetBattleRequest { wait_ms: 10_001, ..asked(Asked::JoinCode("K7".to_owned())) },
            vec!["wait_ms", "join_code"],
        ),
        (GetBattleRequest::default(), vec!["battle"]),
    ];
    for (request, expected) in cases {
        let refused = house.client().get_battle(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(fields(&refused), expected);
    }
}

/// Battles 2 to 5 come after battle 1; those with odd numbers are running.
async fn with_five_battles() -> House {
    let house = House::new().await;
    let rows = (2..=5).map(|n| BattleRow {
        join_code: format!("CODE{n}"),
        ..story::battle_row(battle(n), OPENED + n as u64)
    });
    let mut updates: Vec<_> = (2..=5).map(|n| story::moved(battle(n), OPENED + n as u64, 0)).collect();
    for update in updates.iter_mut().filter(|update| update.position % 2 == 1) {
        update.phase = Some(Phase::Running);
    }
    let batch = TableBatch { battles: rows.collect(), updates, checkpoint: 20, ..TableBatch::default() };
    story::apply(&*house.tables, batch).await.unwrap();
    house
}

#[tokio::test]
async fn battles_are_listed_in_pages_newest_first() {
    let house = with_five_battles().await;
    let mut request = ListBattlesRequest { page_size: 2, ..ListBattlesRequest::default() };
    let mut pages = Vec::new();
    loop {
        let page = house.client().list_battles(request.clone()).await.unwrap().into_inner();
        assert_eq!(page.as_of, 20);
        pages.push(page.battles.into_iter().map(|battle| battle.id).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let id = |n| battle(n).to_string();
    assert_eq!(pages, [vec![id(5), id(4)], vec![id(3), id(2)], vec![id(1)]]);
}

#[tokio::test]
async fn battles_are_listed_by_phase() {
    let house = with_five_battles().await;
    let request = ListBattlesRequest {
        phase: BattlePhase::Running.into(),
        page_size: 1,
        ..ListBattlesRequest::default()
    };
    let first = house.client().list_battles(request.clone()).await.unwrap().into_inner();
    assert_eq!(first.battles[0].id, battle(5).to_string());
    let next = ListBattlesRequest { page_token: first.next_page_token, ..request };
    let second = house.client().list_battles(next.clone()).await.unwrap().into_inner();
    assert_eq!(second.battles[0].id, battle(3).to_string());
    assert_eq!(second.next_page_token, "");

    // A token of one list is none of another.
    let other = ListBattlesRequest { phase: BattlePhase::Created.into(), ..next };
    let refused = house.client().list_battles(other).await.unwrap_err();
    assert_eq!(fields(&refused), ["page_token"]);
}

#[tokio::test]
async fn a_malformed_list_names_its_fields() {
    let house = House::new().await;
    let request = ListBattlesRequest {
        phase: 9,
        page_size: 501,
        page_token: "half a token".to_owned(),
        wait_ms: 20_000,
        ..ListBattlesRequest::default()
    };
    let refused = house.client().list_battles(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(fields(&refused), ["phase", "page_size", "page_token", "wait_ms"]);
}

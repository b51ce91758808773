//! ListQuestions. The first question opens a second after the start, the second one after a minute.

use nimaora_api::v1::{ListQuestionsRequest, QuestionKind};
use nimaora_domain::Phase;
use nimaora_read_models::contract::{battle, story};
use tonic::{Code, Request};

use crate::house::{House, battle_id, fields, reason, with_token};

fn asked() -> ListQuestionsRequest {
    ListQuestionsRequest { battle_id: battle_id(), ..ListQuestionsRequest::default() }
}

async fn shown(house: &House, request: Request<ListQuestionsRequest>) -> Vec<u32> {
    let answer = house.client().list_questions(request).await.unwrap().into_inner();
    answer.questions.into_iter().map(|question| question.id).collect()
}

#[tokio::test]
async fn a_question_is_shown_from_its_opening_on() {
    let house = House::new().await;
    assert!(shown(&house, Request::new(asked())).await.is_empty(), "before the start");
    house.turns(11, Phase::Running, story::second(0)).await;
    house.clock.advance(999);
    assert!(shown(&house, Request::new(asked())).await.is_empty(), "a moment too early");
    house.clock.advance(1);
    assert_eq!(shown(&house, Request::new(asked())).await, [1]);
    house.clock.advance(59_000);
    assert_eq!(shown(&house, Request::new(asked())).await, [1, 2]);
}

#[tokio::test]
async fn players_see_no_more_than_others_and_an_admin_sees_all() {
    let house = House::new().await;
    assert!(shown(&house, with_token(&house.own(1), asked())).await.is_empty());
    assert_eq!(shown(&house, with_token(&house.admin(), asked())).await, [1, 2]);
}

#[tokio::test]
async fn a_question_that_never_opened_stays_hidden_after_the_end() {
    let house = House::new().await;
    house.turns(11, Phase::Running, story::second(0)).await;
    house.turns(12, Phase::Finished, story::second(30)).await;
    house.clock.advance(3_600_000);
    assert_eq!(shown(&house, Request::new(asked())).await, [1]);
}

#[tokio::test]
async fn a_battle_that_was_cancelled_before_its_start_shows_nothing() {
    let house = House::new().await;
    house.turns(11, Phase::Cancelled, story::second(0)).await;
    house.clock.advance(3_600_000);
    assert!(shown(&house, Request::new(asked())).await.is_empty());
}

#[tokio::test]
async fn a_question_is_told_whole() {
    let house = House::new().await;
    let answer = house.client().list_questions(with_token(&house.admin(), asked())).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!(answer.as_of, 10);
    let question = &answer.questions[1];
    assert_eq!(question.kind(), QuestionKind::Choice);
    assert_eq!(question.prompt, "What is 2 + 1?\n");
    assert_eq!(question.choices, ["one", "'two'"]);
    assert_eq!(question.reward.unwrap().points, 2);
    assert_eq!(question.attempts_max, 2);
    assert_eq!((question.opens_after_ms, question.answering_time_ms), (60_000, 30_000));
}

#[tokio::test]
async fn a_bad_token_and_an_unknown_battle_are_refused() {
    let house = House::new().await;
    let refused = house.client().list_questions(with_token("forged", asked())).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
    let request = ListQuestionsRequest { battle_id: battle(2).to_string(), ..asked() };
    let refused = house.client().list_questions(request).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "BATTLE_UNKNOWN"));
    let request = ListQuestionsRequest { battle_id: String::new(), ..asked() };
    let refused = house.client().list_questions(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["battle_id"]);
}

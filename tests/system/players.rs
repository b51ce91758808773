//! Short ways to give commands, so that a test reads like a story.

use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::{
    AttackRequest, AttackResponse, Balance, CreateBattleRequest, JoinRequest, JoinResponse, NewQuestion,
    QuestionKind, Rules, StartBattleRequest, SubmitAnswerRequest, SubmitAnswerResponse,
};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};
use uuid::Uuid;

pub type Commands = CommandServiceClient<Channel>;

/// A fresh command id.
pub fn command_id() -> String {
    Uuid::new_v4().to_string()
}

/// A request that carries a bearer token.
pub fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// Three questions: a choice, a text and a number. The right answers are `2`, `rust` and `42`.
pub fn questions() -> Vec<NewQuestion> {
    let reward = Some(Balance { points: 10, shields: 0, arrows: 2 });
    let question = |kind: QuestionKind, prompt: &str, choices: &[&str], answer: &str| NewQuestion {
        kind: kind.into(),
        prompt: prompt.to_owned(),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        accepted_answers: vec![answer.to_owned()],
        reward,
        attempts_max: 2,
        ..NewQuestion::default()
    };
    vec![
        question(QuestionKind::Choice, "Which one is even?", &["1", "2", "3"], "2"),
        question(QuestionKind::Text, "What is this written in?", &[], "rust"),
        question(QuestionKind::Number, "Six times seven?", &[], "42"),
    ]
}

/// A battle that waits for its start; answers its id.
pub async fn create_battle(commands: &mut Commands, admin: &str, initial: Balance) -> String {
    let rules = Rules { initial: Some(initial), ..Rules::default() };
    let wanted = CreateBattleRequest {
        command_id: command_id(),
        title: "A test of courage".to_owned(),
        rules: Some(rules),
        questions: questions(),
        schedule: None,
    };
    commands.create_battle(with_token(admin, wanted)).await.unwrap().into_inner().battle_id
}

pub async fn start_battle(commands: &mut Commands, admin: &str, battle_id: &str) {
    let wanted = StartBattleRequest { command_id: command_id(), battle_id: battle_id.to_owned() };
    commands.start_battle(with_token(admin, wanted)).await.unwrap();
}

pub async fn join(commands: &mut Commands, battle_id: &str, username: &str) -> JoinResponse {
    let wanted = JoinRequest {
        command_id: command_id(),
        battle_id: battle_id.to_owned(),
        username: username.to_owned(),
    };
    commands.join(wanted).await.unwrap().into_inner()
}

pub async fn answer(
    commands: &mut Commands,
    player: &JoinResponse,
    question_id: u32,
    answer: &str,
) -> Result<SubmitAnswerResponse, Status> {
    let wanted = SubmitAnswerRequest { command_id: command_id(), question_id, answer: answer.to_owned() };
    Ok(commands.submit_answer(with_token(&player.token, wanted)).await?.into_inner())
}

pub async fn attack(
    commands: &mut Commands,
    player: &JoinResponse,
    target_id: &str,
) -> Result<AttackResponse, Status> {
    let wanted = AttackRequest { command_id: command_id(), target_id: target_id.to_owned() };
    Ok(commands.attack(with_token(&player.token, wanted)).await?.into_inner())
}

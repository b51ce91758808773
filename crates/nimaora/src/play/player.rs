//! What a participant does.

use nimaora_api::v1::{AttackRequest, Balance, JoinRequest, SubmitAnswerRequest, Verdict};

use super::session::{self, Place, Session};
use super::{ClientError, Server, look};
use crate::client::{command_id, with_token};

pub(super) async fn join(server: &Server, battle: &str, name: &str) -> Result<String, ClientError> {
    // What cannot be kept is refused before anybody has joined.
    let place = Place::reserve(session::file(name)?)?;
    let battle_id = server.battle(battle).await?.id;
    let wish =
        JoinRequest { command_id: command_id(), battle_id: battle_id.clone(), username: name.to_owned() };
    let joined = server.connection.commands().join(with_token(wish, None)).await?.into_inner();
    server.shows(&battle_id, joined.position).await;
    let session = Session {
        battle_id,
        participant_id: joined.participant_id,
        username: joined.username,
        token: joined.token,
    };
    let file = place.store(&session)?;
    let holds = holds(joined.balance);
    Ok(format!("{} has joined and holds {holds}; the token is in {}\n", session.username, file.display()))
}

pub(super) async fn answer(
    server: &Server,
    player: &str,
    question_id: u32,
    answer: String,
) -> Result<String, ClientError> {
    let session = Session::load(player)?;
    let wish = SubmitAnswerRequest { command_id: command_id(), question_id, answer };
    let request = with_token(wish, Some(&session.bearer()?));
    let answered = server.connection.commands().submit_answer(request).await?.into_inner();
    server.shows(&session.battle_id, answered.position).await;
    let verdict = match answered.verdict() {
        Verdict::Correct => "right",
        Verdict::Wrong => "wrong",
        Verdict::Pending | Verdict::Unspecified => "waiting for its judge",
    };
    Ok(format!("{verdict}; {} holds {}\n", session.username, holds(answered.balance)))
}

pub(super) async fn attack(server: &Server, player: &str, target: &str) -> Result<String, ClientError> {
    let session = Session::load(player)?;
    let target_id = look::participant(server, &session.battle_id, target).await?;
    let wish = AttackRequest { command_id: command_id(), target_id };
    let request = with_token(wish, Some(&session.bearer()?));
    let attacked = server.connection.commands().attack(request).await?.into_inner();
    server.shows(&session.battle_id, attacked.position).await;
    let outcome = match attacked.blocked {
        true => "a shield blocked it".to_owned(),
        false => format!("{target} lost {} points", attacked.points_deducted),
    };
    Ok(format!("{outcome}; {} holds {}\n", session.username, holds(attacked.balance)))
}

fn holds(balance: Option<Balance>) -> String {
    let Balance { points, shields, arrows } = balance.unwrap_or_default();
    format!("{points} points, {shields} shields, {arrows} arrows")
}

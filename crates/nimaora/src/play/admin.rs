//! What needs the admin token.

use nimaora_api::v1::{CreateBattleRequest, FinishBattleRequest, Rules, StartBattleRequest};
use tonic::metadata::{Ascii, MetadataValue};

use super::{Admin, ClientError, Server};
use crate::client::{bearer, command_id, token, with_token};
use crate::quiz::{self, INITIAL, POINTS_PER_ATTACK};

impl Admin {
    /// The token, as a header's value.
    pub(crate) fn bearer(&self) -> Result<MetadataValue<Ascii>, ClientError> {
        let found = match &self.token {
            Some(token) => token.clone(),
            None => token::read(&self.file)
                .map_err(|source| ClientError::AdminToken { path: self.file.clone(), source })?,
        };
        bearer(found.trim()).ok_or(ClientError::Token)
    }
}

pub(super) async fn create(server: &Server, title: String, admin: &Admin) -> Result<String, ClientError> {
    let rules = Rules { initial: Some(INITIAL), points_per_attack: POINTS_PER_ATTACK, ..Rules::default() };
    let wish = CreateBattleRequest {
        command_id: command_id(),
        title,
        rules: Some(rules),
        questions: quiz::questions(0),
        schedule: None,
    };
    let request = with_token(wish, Some(&admin.bearer()?));
    let created = server.connection.commands().create_battle(request).await?.into_inner();
    server.shows(&created.battle_id, created.position).await;
    Ok(format!("battle {}\njoin code {}\n", created.battle_id, created.join_code))
}

pub(super) async fn start(server: &Server, battle: &str, admin: &Admin) -> Result<String, ClientError> {
    let battle = server.battle(battle).await?;
    let wish = StartBattleRequest { command_id: command_id(), battle_id: battle.id.clone() };
    let request = with_token(wish, Some(&admin.bearer()?));
    let done = server.connection.commands().start_battle(request).await?.into_inner();
    server.shows(&battle.id, done.position).await;
    Ok(format!("'{}' has started\n", battle.title))
}

pub(super) async fn finish(server: &Server, battle: &str, admin: &Admin) -> Result<String, ClientError> {
    let battle = server.battle(battle).await?;
    let wish = FinishBattleRequest { command_id: command_id(), battle_id: battle.id.clone() };
    let request = with_token(wish, Some(&admin.bearer()?));
    let done = server.connection.commands().finish_battle(request).await?.into_inner();
    server.shows(&battle.id, done.position).await;
    Ok(format!("'{}' is over; its standings are final\n", battle.title))
}

//! A running battle whose players never run out of arrows or points.

use futures::future::try_join_all;
use nimaora_api::v1;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::{BenchError, Child};

/// Joins that are under way at a time.
const JOINS_AT_A_TIME: usize = 200;
/// What everybody holds on joining: the most that anybody can.
const PLENTY: u32 = 1_000_000;

/// A bearer token as it is sent.
pub type Bearer = MetadataValue<Ascii>;

/// Somebody in the battle.
#[derive(Clone, Debug)]
pub struct Player {
    /// The participant's id.
    pub id: String,
    /// Its token.
    pub bearer: Bearer,
}

/// A running battle on a server.
#[derive(Clone, Debug)]
pub struct Battle {
    /// Its id.
    pub id: String,
    /// Who takes part.
    pub players: Vec<Player>,
}

/// Opens `count` connections.
///
/// # Errors
/// Nobody answers at the URL.
pub async fn connect(url: &str, count: usize) -> Result<Vec<CommandServiceClient<Channel>>, BenchError> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true);
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(CommandServiceClient::new(endpoint.connect().await?));
    }
    Ok(clients)
}

/// The token as it is sent.
///
/// # Errors
/// It holds what no header can.
pub fn bearer(token: &str) -> Result<Bearer, BenchError> {
    format!("Bearer {token}").parse().map_err(|_| BenchError::Invalid("a token is none".to_owned()))
}

/// A request with the token.
pub fn with<T>(message: T, bearer: &Bearer) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", bearer.clone());
    request
}

/// A new command's id.
pub fn id() -> String {
    Uuid::new_v4().to_string()
}

impl Battle {
    /// Creates a battle on the server, lets `players` join, and starts it.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn running(server: &Child, players: usize) -> Result<Self, BenchError> {
        Self::running_at(&server.url, &server.admin_token()?, players).await
    }

    /// The same on a server that somebody else has started, with an admin's token.
    ///
    /// # Errors
    /// The server refuses, or cannot be reached.
    pub async fn running_at(url: &str, admin_token: &str, players: usize) -> Result<Self, BenchError> {
        let mut client = connect(url, 1).await?.remove(0);
        let admin = bearer(admin_token)?;
        let initial = Some(v1::Balance { points: PLENTY, shields: 0, arrows: PLENTY });
        let rules = Some(v1::Rules { participants_max: 100_000, initial, ..Default::default() });
        let create =
            v1::CreateBattleRequest { command_id: id(), title: "bench".into(), rules, ..Default::default() };
        let battle_id = client.create_battle(with(create, &admin)).await?.into_inner().battle_id;
        let mut joined = Vec::new();
        let numbers: Vec<_> = (0..players).collect();
        for some in numbers.chunks(JOINS_AT_A_TIME) {
            joined.extend(try_join_all(some.iter().map(|n| join(&client, &battle_id, *n))).await?);
        }
        let start = v1::StartBattleRequest { command_id: id(), battle_id: battle_id.clone() };
        client.start_battle(with(start, &admin)).await?;
        Ok(Self { id: battle_id, players: joined })
    }
}

async fn join(
    client: &CommandServiceClient<Channel>,
    battle_id: &str,
    number: usize,
) -> Result<Player, BenchError> {
    let request = v1::JoinRequest {
        command_id: id(),
        battle_id: battle_id.to_owned(),
        username: format!("player {number}"),
    };
    let joined = client.clone().join(request).await?.into_inner();
    Ok(Player { id: joined.participant_id, bearer: bearer(&joined.token)? })
}

//! A standby of PostgreSQL that answers queries: behind, and killed.

use std::sync::Arc;

use nimaora_api::v1::get_battle_request::Battle as Asked;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_api::v1::query_service_server::QueryServiceServer;
use nimaora_api::v1::{GetBattleRequest, GetLeaderboardRequest, GetParticipantRequest, ListBattlesRequest};
use nimaora_local_servers::{Postgres, scratch};
use nimaora_query_gateway::Config;
use nimaora_query_gateway::grpc::Queries;
use nimaora_read_models::contract::{battle, story};
use nimaora_read_models::postgres::{PostgresConfig, PostgresReadModels};
use nimaora_read_models::{ReadModels, ReplicaFirst};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use tonic::Code;

use crate::house::{House, OPENED, battle_id, player_id, with_token};

/// Gateways on PostgreSQL with a standby.
struct Followed {
    house: House,
    server: Postgres,
    standby: Postgres,
    tables: Arc<PostgresReadModels>,
    _dir: TempDir,
}

impl Followed {
    async fn start() -> Self {
        let dir = scratch().unwrap();
        let server = Postgres::start(&dir.path().join("primary"), &["wal_keep_size=64MB"]).await.unwrap();
        let tables = PostgresReadModels::connect(PostgresConfig::new(&server.url("postgres")).unwrap());
        let tables = Arc::new(tables.await.unwrap());
        story::apply(&*tables, story::opening(3)).await.unwrap();
        let standby = server.start_standby(&dir.path().join("standby")).await.unwrap();
        Self { house: House::new().await, server, standby, tables, _dir: dir }
    }

    fn standby(&self) -> PostgresReadModels {
        PostgresReadModels::of_standby(&PostgresConfig::new(&self.standby.url("postgres")).unwrap())
    }

    /// Waits until the standby has the battle at this position.
    async fn standby_holds(&self, position: u64) {
        let standby = self.standby();
        eventually(async || {
            let held = standby.battle(battle(1)).await;
            held.is_ok_and(|held| held.is_some_and(|held| held.as_of == position))
        })
        .await;
        standby.close().await;
    }

    /// A client of a gateway that asks the standby first.
    fn client(&self, config: Config) -> QueryServiceClient<QueryServiceServer<Queries>> {
        let standby = self.standby();
        let tables = Arc::clone(&self.tables) as Arc<dyn ReadModels>;
        let replica = ReplicaFirst::new(Arc::new(standby), Arc::clone(&tables));
        let gateway = self.house.on_tables(config, tables, Some(Arc::new(replica)));
        QueryServiceClient::new(gateway.grpc())
    }

    /// The standby replays nothing any more, or goes on.
    async fn replay(&self, goes_on: bool) {
        let mut connection = PgConnection::connect(&self.standby.url("postgres")).await.unwrap();
        let how = if goes_on { "SELECT pg_wal_replay_resume()" } else { "SELECT pg_wal_replay_pause()" };
        connection.execute(how).await.unwrap();
        // A pause is asked for first, and is there a moment later.
        let state = "SELECT pg_get_wal_replay_pause_state()";
        while !goes_on
            && sqlx::query_scalar::<_, String>(state).fetch_one(&mut connection).await.unwrap() != "paused"
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn top(min_position: u64) -> GetLeaderboardRequest {
    GetLeaderboardRequest { battle_id: battle_id(), min_position, wait_ms: 10_000, ..Default::default() }
}

fn whole(min_position: u64) -> GetBattleRequest {
    GetBattleRequest { battle: Some(Asked::BattleId(battle_id())), min_position, wait_ms: 10_000 }
}

async fn eventually(mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asking).await.unwrap();
}

#[tokio::test]
async fn who_needs_a_position_that_it_has_not_reached_is_answered_by_the_tables_themselves() {
    let followed = Followed::start().await;
    let mut client = followed.client(Config::default());
    assert_eq!(client.get_battle(whole(OPENED)).await.unwrap().into_inner().as_of, OPENED);
    followed.replay(false).await;
    let update = story::moved(battle(2), 12, 0);
    let created = story::battle_row(battle(2), 12);
    let later = nimaora_read_models::TableBatch {
        battles: vec![created],
        updates: vec![story::moved(battle(1), 11, 0), update],
        follows: OPENED,
        ..story::batch(12)
    };
    followed.tables.apply(&later).await.unwrap();
    // Who needs nothing is answered by the standby.
    assert_eq!(client.get_leaderboard(top(0)).await.unwrap().into_inner().as_of, OPENED);
    assert_eq!(client.get_battle(whole(0)).await.unwrap().into_inner().as_of, OPENED);
    assert_eq!(client.get_battle(whole(11)).await.unwrap().into_inner().as_of, 11);
    assert_eq!(client.get_leaderboard(top(11)).await.unwrap().into_inner().as_of, 11);
    let list = ListBattlesRequest { min_position: 12, wait_ms: 10_000, ..Default::default() };
    assert_eq!(client.list_battles(list).await.unwrap().into_inner().battles.len(), 2);
    // What it does not hold is not said not to be there.
    let other = GetBattleRequest { battle: Some(Asked::BattleId(battle(2).to_string())), ..whole(0) };
    assert_eq!(client.get_battle(other).await.unwrap().into_inner().as_of, 12);
    // Who is who is seen in the tables themselves.
    let own =
        GetParticipantRequest { battle_id: battle_id(), participant_id: player_id(1), ..Default::default() };
    let own = client.get_participant(with_token(&followed.house.own(1), own)).await.unwrap().into_inner();
    assert_eq!(own.as_of, 11);
    // A position that nobody has reached is waited for, and not answered.
    let refused = client.get_battle(GetBattleRequest { wait_ms: 50, ..whole(99) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    followed.replay(true).await;
    eventually(async || client.get_battle(whole(0)).await.unwrap().into_inner().as_of == 11).await;
}

#[tokio::test]
async fn while_it_is_down_or_hangs_the_tables_themselves_answer() {
    let mut followed = Followed::start().await;
    let mut client = followed.client(Config::default());
    followed.standby.process.kill().await;
    for position in 11..14 {
        let later = story::batch(position);
        story::apply(&*followed.tables, later).await.unwrap();
        assert_eq!(client.get_battle(whole(0)).await.unwrap().into_inner().as_of, position);
        assert_eq!(client.get_leaderboard(top(position)).await.unwrap().into_inner().as_of, position);
    }
    followed.standby.start_again().await.unwrap();
    followed.standby_holds(13).await;
    followed.standby.process.pause();
    story::apply(&*followed.tables, story::batch(14)).await.unwrap();
    assert_eq!(client.get_battle(whole(14)).await.unwrap().into_inner().as_of, 14);
    assert_eq!(client.get_leaderboard(top(0)).await.unwrap().into_inner().as_of, 14);
    followed.standby.process.resume();
    followed.standby_holds(14).await;
    // The tables' own server goes: what the standby holds is still answered.
    followed.server.stop().await;
    eventually(async || client.get_battle(whole(0)).await.is_ok_and(|seen| seen.into_inner().as_of == 14))
        .await;
}

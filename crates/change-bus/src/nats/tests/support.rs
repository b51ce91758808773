//! A bus with the server it needs.

use async_trait::async_trait;
use nimaora_domain::BattleId;
use nimaora_local_servers::{Nats, NatsOptions, Program, scratch};

use crate::bus::{BusError, ChangeBus, Changes};
use crate::change::ChangeBatch;
use crate::lane::Lane;
use crate::nats::{NatsBus, NatsBusConfig};

/// A bus and its server.
pub(super) struct Served {
    pub(super) bus: NatsBus,
    pub(super) server: Nats,
    _dir: tempfile::TempDir,
}

pub(super) fn options(program: Program) -> NatsOptions {
    NatsOptions { program, sync_always: program == Program::Nats }
}

pub(super) async fn served(program: Program) -> Served {
    let dir = scratch().unwrap();
    let server = Nats::start(dir.path(), options(program)).await.unwrap();
    let bus = connect(&server.url()).await;
    Served { bus, server, _dir: dir }
}

pub(super) async fn connect(url: &str) -> NatsBus {
    NatsBus::connect(&NatsBusConfig::new(url)).await.unwrap()
}

#[async_trait]
impl ChangeBus for Served {
    async fn publish(&self, batches: Vec<ChangeBatch>) -> Result<(), BusError> {
        self.bus.publish(batches).await
    }

    async fn follow(&self, battle_id: BattleId, lanes: &[Lane]) -> Result<Box<dyn Changes>, BusError> {
        self.bus.follow(battle_id, lanes).await
    }
}

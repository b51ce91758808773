//! What every adapter promises, and what NATS leases promise besides.

use nimaora_command_service::{NatsOwnership, Owner, Ownership, SoleOwner};
use nimaora_domain::BattleId;
use nimaora_local_servers::{Nats, NatsOptions, Program};
use uuid::Uuid;

use crate::support::{PATIENCE, leases};

async fn keeps_the_promise(ownership: &dyn Ownership) {
    let battle_id = BattleId(Uuid::new_v4());
    assert_eq!(ownership.owner(battle_id).await.unwrap(), Owner::Me);
    assert_eq!(ownership.known(battle_id), Some(Owner::Me));
    ownership.release(battle_id);
    assert_eq!(ownership.owner(battle_id).await.unwrap(), Owner::Me);
    ownership.leave().await;
}

async fn connect(nats: &Nats, number: usize) -> NatsOwnership {
    NatsOwnership::connect(leases(nats, number, format!("http://127.0.0.1:{number}"))).await.unwrap()
}

async fn share(options: NatsOptions) {
    let folder = nimaora_local_servers::scratch().unwrap();
    let nats = Nats::start(folder.path(), options).await.unwrap();
    keeps_the_promise(&connect(&nats, 9).await).await;
    let (first, second) = (connect(&nats, 1).await, connect(&nats, 2).await);
    let battle_id = BattleId(Uuid::new_v4());
    let (a, b) = tokio::join!(first.owner(battle_id), second.owner(battle_id));
    let mine = [a.unwrap(), b.unwrap()].iter().filter(|owner| **owner == Owner::Me).count();
    assert_eq!(mine, 1);
    let (winner, loser) = match first.known(battle_id) {
        Some(Owner::Me) => (first, second),
        _ => (second, first),
    };
    let mut taken = winner.taken();
    winner.leave().await;
    assert!(!matches!(winner.owner(battle_id).await, Ok(Owner::Me)));
    let taken_over = async { while loser.owner(battle_id).await.unwrap() != Owner::Me {} };
    tokio::time::timeout(PATIENCE, taken_over).await.expect("what was released cannot be claimed");
    drop(taken.try_recv());
    loser.leave().await;
}

#[tokio::test]
async fn a_node_that_is_alone_owns_everything() {
    keeps_the_promise(&SoleOwner::default()).await;
}

#[tokio::test]
async fn of_two_nodes_one_owns_a_battle_and_the_other_can_have_it_afterwards() {
    share(NatsOptions::default()).await;
}

#[tokio::test]
async fn leases_work_with_an_older_server_too() {
    share(NatsOptions { program: Program::NatsOfDebian, sync_always: false }).await;
}

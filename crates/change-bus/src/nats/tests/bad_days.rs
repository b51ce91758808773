//! One server, and what can go wrong with it, with a publisher, and with a message.

use nimaora_local_servers::Program;
use uuid::Uuid;

use super::support::{Projection, Reader, batch, connect, served, soon};
use crate::bus::{BusError, BusMessage, ChangeBus};
use crate::change::{Change, ChangeBatch};
use crate::contract::battle;
use crate::lane::Lane;
use crate::nats::wire::{self, Beat, Numbered};
use crate::nats::{NatsBus, NatsBusConfig, NatsBusError};
use crate::relay::Relay;

#[tokio::test]
async fn goes_on_by_itself_after_the_server_was_away() {
    let mut served = served(Program::Nats).await;
    let projection = Projection::start(served.bus.clone(), battle(1));
    let other = connect(&served.server.url()).await;
    projection.tables.grow_by(10).await;
    let mut reader = Reader::follow(&other, battle(1), &projection.tables).await;
    let connection = other.connection();
    other.confirm(connection).await.unwrap();
    served.server.process.kill().await;
    reader.until_told_of_a_loss().await;
    assert!(matches!(other.publish(vec![batch(battle(1), 1)]).await, Err(BusError::Unavailable { .. })));
    assert!(matches!(other.follow(battle(2), &Lane::ALL).await, Err(BusError::Unavailable { .. })));
    served.server.start_again().await.unwrap();
    projection.tables.grow_by(10).await;
    assert!(other.confirm(connection).await.is_err(), "what was sent before may be lost");
    let last = projection.stop().await;
    reader.until_known(last).await;
}

#[tokio::test]
async fn a_server_that_hangs_makes_nobody_wait_for_ever() {
    let served = served(Program::Nats).await;
    let connection = served.connection();
    served.server.process.pause();
    served.send(bytes::Bytes::new()).await.unwrap();
    assert!(soon(served.confirm(connection)).await.is_err(), "it has not left this machine");
    assert!(soon(served.bus.publish(vec![batch(battle(1), 1)])).await.is_err());
    assert!(soon(served.bus.follow(battle(1), &Lane::ALL)).await.is_err());
    let opened = soon(NatsBus::connect(&NatsBusConfig::new(served.server.url()))).await;
    assert!(matches!(opened, Err(NatsBusError::Unavailable { .. })));
    served.server.process.resume();
}

#[tokio::test]
async fn another_publisher_tells_that_something_may_be_lost() {
    let served = served(Program::Nats).await;
    let one = connect(&served.server.url()).await;
    one.publish(vec![batch(battle(1), 1)]).await.unwrap();
    let mut changes = served.bus.follow(battle(1), &[Lane::Attacks]).await.unwrap();
    drop(one);
    let two = connect(&served.server.url()).await;
    two.publish(vec![batch(battle(1), 2)]).await.unwrap();
    // By its first batch or by its first beat.
    while !matches!(soon(changes.next()).await.unwrap(), BusMessage::Lagged { .. }) {}
}

#[tokio::test]
async fn what_a_publisher_sends_first_is_no_loss_and_what_it_sends_later_is_if_nothing_was_heard_before() {
    let served = served(Program::Nats).await;
    let client = async_nats::connect(served.server.url()).await.unwrap();
    let mut changes = served.bus.follow(battle(1), &[Lane::Attacks]).await.unwrap();
    // The one at work, one that takes over, the first one again, and one whose first batch is not there.
    for (publisher, number, is_loss) in
        [(1, 1, false), (1, 2, false), (2, 1, false), (1, 3, true), (3, 2, true)]
    {
        let publisher = Uuid::from_u128(publisher);
        let sent = batch(battle(1), number);
        let numbered = wire::encode(&Numbered { publisher, number, batch: &sent }).unwrap();
        client.publish(wire::subject(battle(1), Lane::Attacks), numbered).await.unwrap();
        if is_loss {
            assert!(
                matches!(soon(changes.next()).await.unwrap(), BusMessage::Lagged { .. }),
                "{number} of {publisher}"
            );
        }
        assert!(
            matches!(soon(changes.next()).await.unwrap(), BusMessage::Changes(_)),
            "{number} of {publisher}"
        );
    }
}

#[tokio::test]
async fn the_last_batch_is_missed_although_nothing_follows_it() {
    let served = served(Program::Nats).await;
    let client = async_nats::connect(served.server.url()).await.unwrap();
    let mut changes = served.bus.follow(battle(1), &[Lane::Attacks]).await.unwrap();
    let publisher = Uuid::from_u128(1);
    let first = batch(battle(1), 1);
    let numbered = wire::encode(&Numbered { publisher, number: 1, batch: &first }).unwrap();
    client.publish(wire::subject(battle(1), Lane::Attacks), numbered).await.unwrap();
    assert!(matches!(soon(changes.next()).await.unwrap(), BusMessage::Changes(_)));
    // The second and the third never came, and who beats here was not known.
    let numbers = Lane::ALL.map(|lane| if lane == Lane::Attacks { 3 } else { 0 });
    let beat = wire::encode(&Beat { publisher, number: 1, last: vec![(battle(1), numbers)] }).unwrap();
    client.publish(wire::BEATS, beat).await.unwrap();
    let mut missed = 0;
    while missed < 3 {
        match soon(changes.next()).await.unwrap() {
            BusMessage::Lagged { missed: some } => missed += some,
            BusMessage::Changes(batch) => panic!("{batch:?}"),
        }
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_for_a_message_comes_in_parts() {
    const CHANGE_BYTES: usize = 4 * 1024 * 1024;
    let served = served(Program::Nats).await;
    let patient = NatsBusConfig { publish_timeout_ms: 30_000, ..NatsBusConfig::new(served.server.url()) };
    let publisher = NatsBus::connect(&patient).await.unwrap();
    publisher.publish(vec![batch(battle(1), 1)]).await.unwrap();
    let mut changes = served.bus.follow(battle(1), &[Lane::Broadcast]).await.unwrap();
    let cancelled = |position| Change::BattleCancelled { position, reason: "x".repeat(CHANGE_BYTES) };
    let large: Vec<_> = (1..=5).map(cancelled).collect();
    let batch =
        ChangeBatch { battle_id: battle(1), lane: Lane::Broadcast, position: 5, changes: large.clone() };
    publisher.publish(vec![batch]).await.unwrap();
    let mut received = Vec::new();
    while received.len() < large.len() {
        match soon(changes.next()).await.unwrap() {
            BusMessage::Changes(batch) => received.extend(batch.changes.iter().cloned()),
            // A busy machine may need so long for these that the publisher seems silent.
            BusMessage::Lagged { .. } => {}
        }
    }
    assert!(received == large, "parts are missing or out of order");
}

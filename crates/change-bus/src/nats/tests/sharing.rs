//! A node subscribes to what somebody there follows, once, and to nothing else.

use std::time::Duration;

use nimaora_local_servers::{Nats, Program};

use super::support::{batch, connect, served, soon};
use crate::bus::{BusMessage, ChangeBus};
use crate::contract::battle;
use crate::lane::Lane;

const BATTLES: u64 = 1_000;
/// How often the server is asked; it tells nobody by itself.
const ASK_EVERY: Duration = Duration::from_millis(20);

async fn until_subscriptions(server: &Nats, number: u64) {
    soon(async {
        while server.subscriptions().await.unwrap() != number {
            tokio::time::sleep(ASK_EVERY).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_thousand_battles_are_followed_and_left() {
    let served = served(Program::Nats).await;
    let publisher = connect(&served.server.url()).await;
    publisher.publish(vec![batch(battle(0), 1)]).await.unwrap();
    let before = served.server.subscriptions().await.unwrap();
    // The first answer to a question needs a subscription of its own.
    drop(served.bus.follow(battle(0), &[Lane::Attacks]).await.unwrap());
    until_subscriptions(&served.server, before + 1).await;
    let mut followers = Vec::new();
    for number in 1..=BATTLES {
        for _ in 0..2 {
            let followed = served.bus.follow(battle(number.into()), &[Lane::Attacks]).await.unwrap();
            followers.push((number, followed));
        }
    }
    assert_eq!(served.server.subscriptions().await.unwrap(), before + 1 + BATTLES);
    let all = (1..=BATTLES).map(|number| batch(battle(number.into()), number)).collect();
    publisher.publish(all).await.unwrap();
    for (number, follower) in &mut followers {
        match soon(follower.next()).await.unwrap() {
            BusMessage::Changes(batch) => assert_eq!(batch.position, *number),
            BusMessage::Lagged { missed } => panic!("lagged by {missed}"),
        }
    }
    drop(followers);
    until_subscriptions(&served.server, before + 1).await;
}

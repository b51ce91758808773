//! Bad days of NATS, which carries the log, the changes and the leases.

use std::time::Duration;

use tokio::time::sleep;

use super::house::House;

/// Attacks that must land after each bad day.
const ATTACKS: u32 = 10;
/// How long all of NATS is out of reach.
const CUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_cluster_bears_the_death_of_each_nats_server_and_that_all_are_cut_off() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut house = House::start(|_| Vec::new()).await;
    let mut attacks = house.attacks().await;
    attacks.more(ATTACKS).await;
    let mut servers = [0, 1, 2];
    fastrand::Rng::with_seed(seed).shuffle(&mut servers);
    for server in servers {
        eprintln!("NATS server {server} is killed");
        house.nats.nodes[server].process.kill().await;
        attacks.more(ATTACKS).await;
        house.tables_hold_all(&attacks).await;
        house.nats.nodes[server].start_again().await.unwrap();
    }
    attacks.more(ATTACKS).await;
    eprintln!("all of NATS is cut off");
    for server in &house.nats.nodes {
        server.process.pause();
    }
    // Nothing tells that this is over; boards are read meanwhile.
    tokio::join!(sleep(CUT), house.board_is_served(&attacks));
    for server in &house.nats.nodes {
        server.process.resume();
    }
    attacks.more(ATTACKS).await;
    house.tables_hold_all(&attacks).await;
    house.all_is_well(attacks).await;
}

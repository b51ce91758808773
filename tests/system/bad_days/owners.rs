//! Bad days of the node that writes a battle.

use std::path::{Path, PathBuf};

use super::house::House;

/// Attacks that must land during a bad day, and again after it.
const ATTACKS: u32 = 20;
/// How often an owner hangs until another one has taken over, and goes on then.
const DOUBLES: usize = 2;
/// Where Debian puts the library that tells a process another time.
const FAKETIME: &str = "faketime/libfaketime.so.1";

#[tokio::test]
async fn two_owners_of_a_battle_and_full_disks_do_it_no_harm() {
    let house = House::start(|_| Vec::new()).await;
    let mut attacks = house.attacks().await;
    attacks.more(ATTACKS).await;
    for _ in 0..DOUBLES {
        let owner = house.owner().await;
        eprintln!("command node {owner} hangs");
        house.commands[owner].server.pause().await;
        // Only another owner can let them land.
        attacks.more(ATTACKS).await;
        // It goes on where it was, with a lease that it believes in and a log that has gone on without it.
        house.commands[owner].server.resume().await;
        attacks.more(ATTACKS).await;
    }
    eprintln!("the disks of both are full");
    for node in &house.commands {
        node.server.limit_files("1").await;
    }
    attacks.more(ATTACKS).await;
    let owner = house.owner().await;
    house.commands[owner].server.pause().await;
    attacks.more(ATTACKS).await;
    house.commands[owner].server.resume().await;
    for node in &house.commands {
        node.server.limit_files("unlimited").await;
    }
    attacks.more(ATTACKS).await;
    house.all_is_well(attacks).await;
}

#[tokio::test]
async fn a_clock_that_jumps_turns_no_answer_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let clock = |node: usize| folder.path().join(format!("clock-{node}"));
    for node in 0..2 {
        set(&clock(node), "+0");
    }
    let library = faketime().display().to_string();
    let house = House::start(|node| {
        let variables = [
            ("LD_PRELOAD", library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", clock(node).display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    })
    .await;
    let mut attacks = house.attacks().await;
    attacks.more(ATTACKS).await;
    // Less than the silence after which a player counts as gone: he would be, by such a clock.
    for jump in ["+60", "-60", "+0"] {
        let owner = house.owner().await;
        eprintln!("the clock of command node {owner} jumps to {jump} s");
        set(&clock(owner), jump);
        attacks.more(ATTACKS).await;
        house.tables_hold_all(&attacks).await;
        // The other one, whose clock is right, takes over what was written by the wrong one.
        house.commands[owner].server.pause().await;
        attacks.more(ATTACKS).await;
        house.commands[owner].server.resume().await;
        attacks.more(ATTACKS).await;
    }
    let times = house.times().await;
    assert!(times.windows(2).any(|pair| pair[1] < pair[0]), "no clock has jumped: {times:?}");
    house.all_is_well(attacks).await;
}

/// A reader must never find half of it.
fn set(clock: &Path, offset: &str) {
    let whole = clock.with_extension("new");
    std::fs::write(&whole, offset).unwrap();
    std::fs::rename(whole, clock).unwrap();
}

/// The library; `./check` installs it.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.map(|folder| folder.join(FAKETIME));
    files.find(|file| file.exists()).expect("install it with 'apt-get install faketime'")
}

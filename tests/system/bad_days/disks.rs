//! Bad days of the disks that the NATS servers keep the log on.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::house::House;

/// Attacks that must land during a bad day, and again after it.
const ATTACKS: u32 = 10;
/// Refusals in a row after which nothing lands any more.
const REFUSALS: u32 = 3;
/// How large each disk is; more than these tests fill by themselves.
const DISK: &str = "size=64m";
/// What a full disk is filled with, in pieces.
const FILLER: &str = "filler";
const PIECE: [u8; 4_096] = [1; 4_096];

/// A disk of its own, in memory.
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at `dir`.
    pub(super) fn mount(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        as_root(&["mount", "-t", "tmpfs", "-o", &format!("{DISK},mode=777"), "tmpfs", dir.to_str().unwrap()]);
        Self(dir.to_owned())
    }

    /// Takes all the room that is left.
    pub(super) fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.0.join(FILLER)).unwrap();
        loop {
            match filler.write_all(&PIECE) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                    return;
                }
            }
        }
    }

    /// Gives that room back.
    pub(super) fn give_back(&self) {
        std::fs::remove_file(self.0.join(FILLER)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that was just killed may hold a file for a moment.
        as_root(&["umount", "--lazy", self.0.to_str().unwrap()]);
    }
}

/// Runs a command as root, through sudo where this is somebody else, as `./check` does.
fn as_root(words: &[&str]) {
    let mut command = Command::new(if rustix::process::getuid().is_root() { "env" } else { "sudo" });
    if !rustix::process::getuid().is_root() {
        command.arg("-n");
    }
    let status = command.args(words).status().unwrap();
    assert!(
        status.success(),
        "{words:?} ended with {status}; this test mounts small disks, which takes root or sudo"
    );
}

#[tokio::test]
async fn full_disks_of_nats_servers_lose_nothing() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut house = House::start_on_small_disks().await;
    let mut attacks = house.attacks().await;
    attacks.more(ATTACKS).await;

    let one = fastrand::Rng::with_seed(seed).usize(..3);
    eprintln!("the disk of NATS server {one} is full");
    house.disks[one].fill();
    // The two others go on, and elect if it was the one that leads.
    attacks.more(ATTACKS).await;
    attacks.more(ATTACKS).await;
    house.tables_hold_all(&attacks).await;
    house.disks[one].give_back();
    // A server whose disk was full keeps nothing any more until it is started again.
    house.nats.nodes[one].process.stop().await;
    house.nats.nodes[one].start_again().await.unwrap();
    attacks.more(ATTACKS).await;

    eprintln!("the disks of all are full");
    house.disks.iter().for_each(SmallDisk::fill);
    attacks.refused(REFUSALS).await;
    house.board_is_served(&attacks).await;
    house.disks.iter().for_each(SmallDisk::give_back);
    for server in &mut house.nats.nodes {
        server.process.stop().await;
    }
    let [first, second, third] = &mut house.nats.nodes[..] else { panic!("there are three") };
    tokio::try_join!(first.start_again(), second.start_again(), third.start_again()).unwrap();
    attacks.more(ATTACKS).await;
    house.tables_hold_all(&attacks).await;
    house.all_is_well(attacks).await;
}

//! A participant asks to be forgotten: `nimaora audit erase`, and where the name must not be found afterwards.

use std::path::Path;

use nimaora_api::v1::{Balance, GetLeaderboardRequest, GetParticipantRequest, JoinRequest};
use nimaora_local_servers::nats::{Nats, NatsOptions};
use tonic::{Code, Status};

use crate::auditor::ends_with;
use crate::players::{attack, command_id, create_battle, join, start_battle, with_token};
use crate::server::Server;

/// A name that no other text holds.
const NAME: &str = "Zoë Quetzalcoatl";
const SHOWN: &str = "erased player 1";
/// The longest wait that a query takes; it is asked again until it has waited long enough.
const WAIT_MS: u32 = 10_000;
const TRIES: usize = 6;

/// Whether the text stands in a file of the folder, in any of those below it.
fn stands_in(text: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(stands_in(text, &path));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Somebody joins, is attacked, and asks to be forgotten.
struct Story {
    battle: String,
    who: String,
}

async fn played(server: &Server) -> Story {
    let mut commands = server.commands().await;
    let initial = Balance { points: 100, shields: 0, arrows: 10 };
    let battle = create_battle(&mut commands, &server.admin_token(), initial).await;
    let zoe = join(&mut commands, &battle, NAME).await;
    let bob = join(&mut commands, &battle, "bob").await;
    assert_eq!(zoe.username, NAME);
    start_battle(&mut commands, &server.admin_token(), &battle).await;
    attack(&mut commands, &bob, &zoe.participant_id).await.unwrap();
    // The name is taken, also for a server that reads the battle from its events.
    let again =
        JoinRequest { command_id: command_id(), battle_id: battle.clone(), username: NAME.to_lowercase() };
    assert!(commands.join(again).await.is_err());
    Story { battle, who: zoe.participant_id }
}

/// Asks until the tables are as far as they are asked to be.
async fn patient<T>(ask: impl AsyncFn() -> Result<T, Status>) -> T {
    for _ in 1..TRIES {
        match ask().await {
            Err(status) if status.code() == Code::Unavailable => {}
            answer => return answer.unwrap(),
        }
    }
    ask().await.unwrap()
}

async fn name_shown(server: &Server, story: &Story, min_position: u64) -> String {
    let asked = GetParticipantRequest {
        battle_id: story.battle.clone(),
        participant_id: story.who.clone(),
        min_position,
        wait_ms: WAIT_MS,
    };
    let answer = patient(async || {
        let request = with_token(&server.admin_token(), asked.clone());
        server.queries().await.get_participant(request).await
    });
    answer.await.into_inner().participant.unwrap().username
}

async fn names_on_board(server: &Server, story: &Story, min_position: u64) -> Vec<String> {
    let asked = GetLeaderboardRequest {
        battle_id: story.battle.clone(),
        min_position,
        wait_ms: WAIT_MS,
        ..GetLeaderboardRequest::default()
    };
    let board = patient(async || server.queries().await.get_leaderboard(asked.clone()).await);
    let mut names: Vec<_> =
        board.await.into_inner().entries.into_iter().map(|entry| entry.username).collect();
    names.sort_unstable();
    names
}

/// The position that was printed.
fn position_in(said: &str) -> u64 {
    let (_, rest) = said.split_once("at position ").unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

/// Erases the name, and answers what was printed.
async fn erase(server: &Server, story: &Story) -> String {
    let url = server.url();
    let token = server.data_dir.join("admin-token");
    let token = token.to_str().unwrap();
    let erase = ["erase", &story.battle, &story.who, "--reason", "asked to be forgotten", "--yes"];
    ends_with(0, &[&erase[..], &["--server", &url, "--admin-token-file", token]].concat()).await
}

#[tokio::test]
async fn a_name_that_is_erased_is_nowhere_and_everything_else_stays_proven() {
    let folder = tempfile::tempdir().unwrap();
    let dir = ["--data-dir", folder.path().to_str().unwrap()];
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let story = played(&server).await;
    assert_eq!(name_shown(&server, &story, 5).await, NAME);
    assert_eq!(stands_in(NAME, &folder.path().join("log")), Vec::<String>::new(), "a name stands in the log");
    assert_eq!(server.terminate().await, 0);
    let receipt = folder.path().join("receipt.json");
    let receipt = receipt.to_str().unwrap();
    ends_with(0, &[&["receipt", &story.battle, "--output", receipt], &dir[..]].concat()).await;

    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let said = erase(&server, &story).await;
    assert!(said.contains("is erased") && said.contains(SHOWN) && !said.contains("in clear"), "{said}");
    let at = position_in(&said);
    assert_eq!(name_shown(&server, &story, at).await, SHOWN);
    assert_eq!(names_on_board(&server, &story, at).await, ["bob", SHOWN]);
    // It is harmless to say it again, and it is said once.
    assert!(
        erase(&server, &story)
            .await
            .contains(&format!("was erased before, as the log says at position {at};"))
    );
    // The name is free, and so is whoever had it.
    join(&mut server.commands().await, &story.battle, "zoë quetzalcoatl").await;
    names_on_board(&server, &story, at + 1).await;
    assert_eq!(server.terminate().await, 0);

    let said = ends_with(0, &[&["verify"], &dir[..]].concat()).await;
    assert!(said.starts_with("CLEAN: 7 events"), "{said}");
    let replay = ["replay", &story.battle, "--participant", &story.who];
    let said = ends_with(0, &[&replay[..], &dir[..]].concat()).await;
    assert!(said.contains(SHOWN) && !said.contains(NAME), "{said}");
    assert!(said.contains("asked to be forgotten"), "{said}");
    let events = folder.path().join("events.ndjson");
    let events = events.to_str().unwrap();
    ends_with(0, &[&["export", &story.battle, "--output", events], &dir[..]].concat()).await;
    assert!(!std::fs::read_to_string(events).unwrap().contains(NAME));
    // The receipt was given away with the name in it, and is as true as it was.
    let key = folder.path().join("secrets/receipt-public-key");
    let check = ["check-receipt", receipt, "--public-key", key.to_str().unwrap(), "--events", events];
    assert!(ends_with(0, &check).await.starts_with("GENUINE"));
}

#[tokio::test]
async fn a_key_that_comes_back_with_a_copy_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let story = played(&server).await;
    let keys = folder.path().join("names").join(format!("{}.keys", story.battle));
    let copy = std::fs::read(&keys).unwrap();
    let at = position_in(&erase(&server, &story).await);
    name_shown(&server, &story, at).await;
    assert_eq!(server.terminate().await, 0);
    let dir = ["verify", "--data-dir", folder.path().to_str().unwrap()];
    ends_with(0, &dir).await;
    std::fs::write(&keys, copy).unwrap();
    let said = ends_with(1, &dir).await;
    assert!(said.contains(&format!("the name of {} was erased at revision 5", story.who)), "{said}");
    // Without any keys all names are gone, and nothing else is.
    std::fs::remove_file(&keys).unwrap();
    ends_with(0, &dir).await;
}

#[tokio::test]
async fn a_name_is_erased_in_a_log_of_several_processes_too() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(&folder.path().join("nats"), NatsOptions::default()).await.unwrap();
    let data = folder.path().join("data");
    let log = format!("stores.log={}", nats.url());
    let server = Server::start_with(&["--set", &log], &data, "127.0.0.1:0").await;
    let story = played(&server).await;
    let said = erase(&server, &story).await;
    assert!(said.contains(SHOWN), "{said}");
    assert!(erase(&server, &story).await.contains("was erased before"));
    assert_eq!(name_shown(&server, &story, position_in(&said)).await, SHOWN);
    assert_eq!(server.terminate().await, 0);
    let place = ["--data-dir", data.to_str().unwrap(), "--set", &log];
    assert!(ends_with(0, &[&["verify"], &place[..]].concat()).await.starts_with("CLEAN: 6 events"));
    let tail = ends_with(0, &[&["tail", "--no-follow"], &place[..]].concat()).await;
    assert!(tail.contains("bob joined") && !tail.contains(NAME), "{tail}");
}

#[tokio::test]
async fn nothing_is_erased_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let story = played(&server).await;
    let (url, token) = (server.url(), folder.path().join("admin-token"));
    let place = ["--server", url.as_str(), "--admin-token-file", token.to_str().unwrap()];
    let with = |args: &[&str]| args.iter().chain(&place).map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    let tries = [
        (with(&["erase", &story.battle, &story.who, "--reason", "asked"]), 2, "say --yes"),
        (with(&["erase", &story.battle, &story.who, "--yes"]), 64, "--reason"),
        (with(&["erase", &story.battle, &story.who, "--reason", " ", "--yes"]), 2, "reason"),
        (with(&["erase", &story.battle, NAME, "--reason", "asked", "--yes"]), 64, "invalid value"),
        (with(&["erase", &story.battle, &story.battle, "--reason", "asked", "--yes"]), 2, "participant"),
    ];
    for (args, code, why) in tries {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        assert!(ends_with(code, &args).await.contains(why), "{args:?}");
    }
    std::fs::write(folder.path().join("other"), "not the token").unwrap();
    let other = folder.path().join("other");
    let erase = ["erase", &story.battle, &story.who, "--reason", "asked", "--yes", "--server", &url];
    ends_with(2, &[&erase[..], &["--admin-token-file", other.to_str().unwrap()]].concat()).await;
    assert_eq!(name_shown(&server, &story, 5).await, NAME);
}

//! `nimaora audit` while the server runs: of a local folder it is found by itself, and a server elsewhere is named.

use std::path::Path;

use nimaora_api::v1::audit_service_client::AuditServiceClient;
use nimaora_api::v1::realtime_admin_service_client::RealtimeAdminServiceClient;
use nimaora_api::v1::{
    Balance, ExportBattleRequest, ListSentBoardsRequest, ReplayRequest, TailRequest, VerifyRequest,
    replay_request,
};
use tonic::{Code, Request};

use crate::auditor::{audit, projected, text};
use crate::players::{answer, attack, create_battle, join, start_battle, with_token};
use crate::pusher::Pusher;
use crate::server::Server;

/// What was printed to standard output by an audit that is clean.
async fn printed(args: &[&str]) -> String {
    let output = audit(args).await;
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Two play, and the tables know of it.
async fn play(server: &Server, folder: &Path) -> String {
    let admin = server.admin_token();
    let mut commands = server.commands().await;
    let initial = Balance { points: 100, shields: 0, arrows: 10 };
    let battle = create_battle(&mut commands, &admin, initial).await;
    let ann = join(&mut commands, &battle, "ann").await;
    let bob = join(&mut commands, &battle, "bob").await;
    start_battle(&mut commands, &admin, &battle).await;
    answer(&mut commands, &ann, 1, "2").await.unwrap();
    for _ in 0..3 {
        attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    }
    projected(server, folder).await;
    battle
}

#[tokio::test]
async fn an_audit_of_a_running_server_says_what_one_of_its_folder_says_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let battle = play(&server, folder.path()).await;
    let (url, token) = (server.url(), folder.path().join("admin-token"));
    let elsewhere = ["--server", &url, "--token-file", token.to_str().unwrap()];
    let here = ["--data-dir", dir];
    let with = |args: &[&'static str], place: &[&str]| {
        let args = args.iter().map(|arg| if *arg == "BATTLE" { battle.clone() } else { (*arg).to_owned() });
        args.chain(place.iter().map(|arg| (*arg).to_owned())).collect::<Vec<_>>()
    };
    let questions: [&[&'static str]; 7] = [
        &["replay", "BATTLE"],
        &["replay", "BATTLE", "--json"],
        &["replay", "BATTLE", "--json", "--at", "3"],
        &["replay", "BATTLE", "--at", "2000-01-01T00:00:00Z"],
        &["replay", "BATTLE", "--participant", "bob"],
        &["tail", "--no-follow", "--after", "2"],
        &["tail", "--no-follow", "--json"],
    ];
    let mut said = Vec::new();
    for question in questions {
        let mut both = Vec::new();
        for place in [&elsewhere[..], &here[..]] {
            let args = with(question, place);
            both.push(printed(&args.iter().map(String::as_str).collect::<Vec<_>>()).await);
        }
        assert_eq!(both[0], both[1]);
        said.extend(both.pop());
    }
    let verified = printed(&["verify", "--data-dir", dir]).await;
    assert!(verified.starts_with("CLEAN: 8 events of 1 battles"), "{verified}");
    // The boards in the server's memory are compared by the server.
    assert!(verified.contains("2 lines of boards in the tables, 2 in the leaderboard"), "{verified}");
    assert!(verified.contains("1 rows of answers, 3 rows of attacks"), "{verified}");
    assert!(!verified.contains("boards in a server's memory"), "{verified}");
    printed(&[&["verify", &battle], &elsewhere[..]].concat()).await;
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (live, after) = (file("live.ndjson"), file("after.ndjson"));
    printed(&[&["export", &battle, "--output", &live], &elsewhere[..]].concat()).await;
    let receipt = file("receipt.json");
    printed(&[&["receipt", &battle, "--output", &receipt], &here[..]].concat()).await;
    let key = file("secrets/receipt-public-key");
    printed(&["check-receipt", &receipt, "--public-key", &key, "--events", &live]).await;
    assert_eq!(server.terminate().await, 0);

    for (question, said) in questions.iter().zip(said) {
        let args = with(question, &here);
        assert_eq!(printed(&args.iter().map(String::as_str).collect::<Vec<_>>()).await, said);
    }
    printed(&["export", &battle, "--output", &after, "--data-dir", dir]).await;
    assert_eq!(std::fs::read(live).unwrap(), std::fs::read(after).unwrap());
}

#[tokio::test]
async fn an_audit_through_a_server_needs_the_admin_token_and_names_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let battle = play(&server, folder.path()).await;
    let nowhere = "00000000-0000-4000-8000-000000000000";
    let unwritten = folder.path().join("nowhere.ndjson");
    let unwritten = unwritten.to_str().unwrap();
    let place = ["--data-dir", folder.path().to_str().unwrap()];
    for (args, why) in [
        (["replay", nowhere, "--at", "5"], "holds no battle"),
        (["replay", &battle, "--participant", "zoe"], "'zoe'"),
        (["export", nowhere, "--output", unwritten], "holds no battle"),
    ] {
        let refused = audit(&[&args[..], &place[..]].concat()).await;
        let err = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && err.contains(why), "{args:?}: {err}");
    }
    let mut audits = AuditServiceClient::new(server.channel().await);
    let asked = ReplayRequest { battle_id: battle.clone(), until: Some(replay_request::Until::Position(3)) };
    let refused = audits.replay(asked.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let player = join(&mut server.commands().await, &battle, "eve").await.token;
    let refused = audits.replay(with_token(&player, asked.clone())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = audits.tail(Request::new(TailRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let told = audits.replay(with_token(&server.admin_token(), asked)).await.unwrap().into_inner();
    assert_eq!((told.events, told.position, told.standings.len()), (3, 3, 2));
    for bad in [ReplayRequest { battle_id: "x".to_owned(), until: None }, ReplayRequest::default()] {
        let refused = audits.replay(with_token(&server.admin_token(), bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let many = VerifyRequest { battle_ids: vec![battle; 101] };
    let refused = audits.verify(with_token(&server.admin_token(), many)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn audits_are_bounded_and_end_with_their_clients() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let battle = play(&server, folder.path()).await;
    let admin = server.admin_token();
    let mut audits = AuditServiceClient::new(server.channel().await);
    let mut tails = Vec::new();
    for _ in 0..4 {
        let mut tail = audits.tail(with_token(&admin, TailRequest::default())).await.unwrap().into_inner();
        assert_eq!(tail.message().await.unwrap().unwrap().event.unwrap().position, 1);
        tails.push(tail);
    }
    let refused = audits.tail(with_token(&admin, TailRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    // They leave other audits their places.
    let export = ExportBattleRequest { battle_id: battle.clone(), ..ExportBattleRequest::default() };
    let mut exported = audits.export_battle(with_token(&admin, export)).await.unwrap().into_inner();
    assert!(!exported.message().await.unwrap().unwrap().events.is_empty());
    // What happens now is told too.
    join(&mut server.commands().await, &battle, "eve").await;
    let mut last = None;
    while last.as_deref() != Some("eve joined") {
        last = tails[0].message().await.unwrap().map(|told| told.what);
    }
    drop(tails);
    // That the clients are gone is noticed soon, but not at once.
    let mut tail = loop {
        match audits.tail(with_token(&admin, TailRequest::default())).await {
            Err(status) if status.code() == Code::ResourceExhausted => tokio::task::yield_now().await,
            answer => break answer.unwrap().into_inner(),
        }
    };
    // A server that stops does not wait for whoever follows it.
    assert!(tail.message().await.unwrap().is_some());
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn what_players_were_told_last_is_compared_with_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let battle = play(&server, folder.path()).await;
    let here = ["--data-dir", folder.path().to_str().unwrap()];
    let verify = ["verify", "--json"];
    let verified = async |args: &[&str]| {
        let said = printed(args).await;
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    // Nobody was told anything yet.
    let said = verified(&[&verify[..], &here[..]].concat()).await;
    assert_eq!((&said["sentBoards"], &said["sentLines"]), (&0.into(), &0.into()), "{said}");
    assert!(!said["notCompared"].to_string().contains("realtime"), "{said}");
    let mut socket = Pusher::connect(&server.address).await;
    socket.subscribe(&format!("battle.{battle}"), None).await;
    socket.expect("leaderboard.updated").await;
    let said = verified(&[&verify[..], &here[..]].concat()).await;
    assert_eq!((&said["sentBoards"], &said["sentLines"]), (&1.into(), &2.into()), "{said}");
    // It is known after the last one has left, too; and a node can be named, as in a cluster.
    drop(socket);
    let url = server.url();
    let named = [&["verify", &battle, "--json", "--realtime", &url], &here[..]].concat();
    let said = verified(&named).await;
    assert_eq!((&said["sentBoards"], &said["sentLines"]), (&1.into(), &2.into()), "{said}");
    let mut asked = RealtimeAdminServiceClient::new(server.channel().await);
    let refused = asked.list_sent_boards(Request::new(ListSentBoardsRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(server.terminate().await, 0);
    // Without a server nobody can be asked, and it is said so.
    let said = verified(&[&verify[..], &here[..]].concat()).await;
    assert!(said["notCompared"].to_string().contains("what realtime last sent"), "{said}");
}

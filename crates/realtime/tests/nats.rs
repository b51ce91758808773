//! Two nodes that hear each other through a real NATS server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_change_bus::{NatsBus, NatsBusConfig};
use nimaora_local_servers::{Nats, NatsOptions, Program, scratch};
use nimaora_realtime::Config;
use nimaora_runtime::Clock;
use serde_json::json;
use support::client::{Client, acquaint, api};
use support::{Arena, CountingBus, NOW_MS, config};
use tempfile::TempDir;

/// Two nodes, and the server between them.
struct Nodes {
    one: Arena,
    two: Arena,
    nats: Nats,
    _dir: TempDir,
}

async fn bus(nats: &Nats) -> CountingBus {
    CountingBus::over(NatsBus::connect(&NatsBusConfig::new(nats.url())).await.unwrap())
}

impl Nodes {
    async fn start(config: Config) -> Self {
        let dir = scratch().unwrap();
        let options = NatsOptions { program: Program::Nats, sync_always: false };
        let nats = Nats::start(dir.path(), options).await.unwrap();
        let one = Arena::start_on(config.clone(), Clock::manual(NOW_MS), bus(&nats).await).await;
        let two = one.another_node_on(config, bus(&nats).await).await;
        Self { one, two, nats, _dir: dir }
    }
}

/// The next count of all members that is not another one's.
async fn until_counted(client: &mut Client, count: usize) {
    while client.event_named("presence.updated").await.data["count"] != count {}
}

#[tokio::test]
async fn members_alerts_and_events_of_two_nodes_meet() {
    let nodes = Nodes::start(Config { presence_grace_ms: 1, ..config() }).await;
    let (one, two) = (&nodes.one, &nodes.two);
    let battle = one.create_battle().await;
    let (ada, bob) = (one.join(battle, "ada").await, one.join(battle, "bob").await);
    let (mut at_ada, mut at_bob) = (Client::connect(one).await, Client::connect(two).await);
    acquaint(one, 2).await;
    acquaint(two, 2).await;
    at_ada.attend(one, &ada).await;
    assert_eq!(at_bob.attend(two, &bob).await["count"], 2);
    let added = at_ada.event_named("pusher_internal:member_added").await;
    assert_eq!(added.data["user_id"], json!(bob.id));

    at_bob.listen(two, &bob).await;
    let position = one.attack(&ada, &bob).await;
    assert_eq!(at_bob.event_named("attack.received").await.data["position"], position);
    at_ada.subscribe("news").await;
    let event = json!({ "name": "flash", "channels": ["news"], "data": "{}" });
    assert_eq!(api(two, "/apps/1/events", Some(&event)).await.0, 200);
    at_ada.event_named("flash").await;
    drop(at_bob);
    let removed = at_ada.event_named("pusher_internal:member_removed").await;
    assert_eq!(removed.data["user_id"], json!(bob.id));
}

#[tokio::test]
async fn what_was_said_while_the_server_was_away_is_known_afterwards() {
    let mut nodes = Nodes::start(Config { presence_grace_ms: 1, ..config() }).await;
    let mut at_one = Client::connect(&nodes.one).await;
    acquaint(&nodes.two, 1).await;
    at_one.subscribe_signed("presence-room", Some(r#"{"user_id":"ada"}"#)).await;
    let mut at_two = Client::connect(&nodes.two).await;
    at_two.subscribe_signed("presence-room", Some(r#"{"user_id":"bob"}"#)).await;
    assert_eq!(at_one.event_named("pusher_internal:member_added").await.data["user_id"], "bob");

    nodes.nats.process.kill().await;
    at_two.subscribe_signed("presence-hall", Some(r#"{"user_id":"bob"}"#)).await;
    let mut another = Client::connect(&nodes.two).await;
    another.subscribe_signed("presence-room", Some(r#"{"user_id":"eve"}"#)).await;
    nodes.nats.start_again().await.unwrap();
    assert_eq!(at_one.event_named("pusher_internal:member_added").await.data["user_id"], "eve");
}

#[tokio::test]
async fn what_a_server_that_hangs_has_not_taken_is_not_answered_as_published() {
    let nodes = Nodes::start(config()).await;
    let mut listener = Client::connect(&nodes.one).await;
    listener.subscribe("news").await;
    acquaint(&nodes.two, 1).await;
    let publish = async |name: &str| {
        let event = json!({ "name": name, "channels": ["news"], "data": "{}" });
        api(&nodes.two, "/apps/1/events", Some(&event)).await.0
    };
    nodes.nats.process.pause();
    assert_eq!(publish("lost").await, 503);
    nodes.nats.process.resume();
    // A busy machine may have taken so long that the connections were given up, and are made anew.
    while publish("again").await != 200 {}
    acquaint(&nodes.two, 1).await;
    assert_eq!(publish("heard").await, 200);
    listener.event_named("heard").await;
}

#[tokio::test]
async fn a_crowd_is_told_whole_to_whoever_asks() {
    /// With the longest ids they take as much as twenty thousand with UUIDs.
    const MEMBERS: usize = 6_000;
    const SOCKETS: usize = 8;
    let config = Config { presence_grace_ms: 3_600_000, presence_members_max: 1, ..config() };
    let nodes = Nodes::start(config).await;
    let join = async |nth: usize| {
        let mut client = Client::connect(&nodes.one).await;
        for n in (nth..MEMBERS).step_by(SOCKETS) {
            // Whoever leaves is a member for some time yet, so that one socket can be many.
            let data =
                json!({ "user_id": format!("{n:0128}"), "user_info": { "name": format!("player {n}") } });
            client.become_member("presence-crowd", &data.to_string()).await;
        }
    };
    let joining: Vec<_> = (0..SOCKETS).map(join).collect();
    futures::future::join_all(joining).await;

    acquaint(&nodes.two, 0).await;
    let users = async |arena: &Arena| {
        let (status, body) = api(arena, "/apps/1/channels/presence-crowd/users", None).await;
        assert_eq!(status, 200, "{body}");
        let mut ids: Vec<_> = body["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    // This node has no socket there: all it knows it is told.
    let expected: Vec<_> = (0..MEMBERS).map(|n| format!("{n:0128}")).collect();
    assert!(users(&nodes.two).await == expected, "not everybody was told");

    let mut late = Client::connect(&nodes.two).await;
    let shown = late.subscribe_signed("presence-crowd", Some(r#"{"user_id":"late"}"#)).await;
    if shown["presence"]["count"] != MEMBERS + 1 {
        until_counted(&mut late, MEMBERS + 1).await;
    }
    assert_eq!(users(&nodes.two).await.len(), MEMBERS + 1);
}

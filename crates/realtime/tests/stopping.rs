//! What a node has accepted is said to the others before it ends; and what it cannot say to them, it does not accept.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::{Client, Next, acquaint, api, in_time, sign_socket};
use support::{Arena, PATIENCE, config};
use tokio::sync::watch;

const EVENTS: &str = "/apps/1/events";

fn event(name: &str) -> Value {
    json!({ "name": name, "channels": ["news"], "data": "{}" })
}

/// Signs a client in as `ada`, whom the application can end.
async fn sign_in(client: &mut Client) {
    let user_data = r#"{"id":"ada"}"#;
    let auth = sign_socket(&client.socket_id, ":user:", Some(user_data));
    client.say("pusher:signin", json!({ "auth": auth, "user_data": user_data })).await;
    client.event_named("pusher:signin_success").await;
}

#[tokio::test]
async fn what_was_accepted_reaches_the_other_nodes_before_a_node_ends() {
    const EVENTS_COUNT: usize = 300;
    let (stopping, other) = two_nodes(config()).await;
    let mut listener = Client::connect(&other).await;
    listener.subscribe("news").await;
    let mut ended = Client::connect(&other).await;
    sign_in(&mut ended).await;

    let publishing =
        (0..EVENTS_COUNT).map(async |n| api(&stopping, EVENTS, Some(&event(&n.to_string()))).await.0);
    let publishing = futures::future::join_all(publishing);
    let terminate = "/apps/1/users/ada/terminate_connections";
    let (statuses, terminated) = tokio::join!(publishing, async {
        let terminated = api(&stopping, terminate, Some(&json!({}))).await.0;
        assert_eq!(api(&stopping, EVENTS, Some(&event("in time"))).await.0, 200);
        stopping.shutdown.request();
        terminated
    });
    assert!(stopping.shutdown.finish(PATIENCE).await);
    assert_eq!(terminated, 200);
    assert_eq!(ended.close_code().await, 4009);
    // Those that were too late were refused, and are heard by nobody.
    let mut accepted = 1;
    for status in statuses {
        assert!([200, 503].contains(&status), "{status}");
        accepted += usize::from(status == 200);
    }
    assert_eq!(api(&stopping, EVENTS, Some(&event("late"))).await.0, 503);
    assert_eq!(api(&other, EVENTS, Some(&event("end"))).await.0, 200);
    for _ in 0..accepted {
        assert_ne!(listener.event().await.name, "end", "one of {accepted} is missing");
    }
    assert_eq!(listener.event().await.name, "end");
}

#[tokio::test]
async fn sockets_of_a_node_that_stops_hear_the_others_and_are_heard_until_they_are_closed() {
    // Two sockets are closed a long pause apart.
    let (stopping, other) = two_nodes(Config { drain_ms: 20 * 600_000, ..config() }).await;
    let mut clients = Vec::new();
    for n in 0..2 {
        let mut client = Client::connect(&stopping).await;
        client.subscribe("news").await;
        client
            .subscribe_signed("presence-room", Some(&json!({ "user_id": n.to_string() }).to_string()))
            .await;
        clients.push(client);
    }
    let mut elsewhere = Client::connect(&other).await;
    elsewhere.subscribe_signed("presence-room", Some(r#"{"user_id":"elsewhere"}"#)).await;
    let (closed, mut one_is_closed) = watch::channel(false);
    let listening = clients.into_iter().map(|client| tokio::spawn(until_flash(client, closed.clone())));
    let listening = futures::future::join_all(listening);
    // No socket is left of those that made the nodes known to each other: it would be closed as one of the two.
    acquaint(&other, 3).await;
    stopping.shutdown.request();
    in_time(one_is_closed.wait_for(|closed| *closed)).await.unwrap();
    assert_eq!(api(&other, EVENTS, Some(&event("flash"))).await.0, 200);
    let mut left: Vec<_> = listening.await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(left.len(), 1, "one was closed, and the other one heard it");
    left[0].tell("client-here", "presence-room", json!({})).await;
    elsewhere.event_named("client-here").await;
}

#[tokio::test]
async fn what_the_others_cannot_be_told_nobody_is_told_and_the_application_is_told_so() {
    let (cut, other) = two_nodes(config()).await;
    let (mut here, mut there) = (Client::connect(&cut).await, Client::connect(&other).await);
    here.subscribe("news").await;
    there.subscribe("news").await;
    let mut user = Client::connect(&cut).await;
    sign_in(&mut user).await;
    cut.set_relay_down(true);
    let batch = json!({ "batch": [{ "name": "lost", "channel": "news", "data": "{}" }] });
    let with_info =
        json!({ "name": "lost", "channels": ["news"], "data": "{}", "info": "subscription_count" });
    for (path, body) in [
        (EVENTS, event("lost")),
        (EVENTS, with_info),
        ("/apps/1/batch_events", batch),
        ("/apps/1/users/ada/terminate_connections", json!({})),
    ] {
        assert_eq!(api(&cut, path, Some(&body)).await.0, 503, "{path} {body}");
    }
    cut.set_relay_down(false);
    // Signed anew, it is done once.
    assert_eq!(api(&cut, EVENTS, Some(&event("found"))).await.0, 200);
    for client in [&mut here, &mut there] {
        assert_eq!(client.event().await.name, "found");
    }
    user.say("pusher:ping", json!({})).await;
    user.event_named("pusher:pong").await;
}

/// Two nodes that know each other.
async fn two_nodes(config: Config) -> (Arena, Arena) {
    let one = Arena::start(config.clone()).await;
    let other = one.another_node(support::config()).await;
    let (mut here, mut there) = (Client::connect(&one).await, Client::connect(&other).await);
    here.subscribe_signed("presence-x", Some(r#"{"user_id":"1"}"#)).await;
    there.subscribe_signed("presence-x", Some(r#"{"user_id":"2"}"#)).await;
    here.event_named("pusher_internal:member_added").await;
    (one, other)
}

/// Listens until the flash, or says that the socket was closed before.
async fn until_flash(mut client: Client, closed: watch::Sender<bool>) -> Option<Client> {
    loop {
        match client.next().await {
            Next::Closed(_) => {
                closed.send_replace(true);
                return None;
            }
            Next::Event(event) if event.name == "flash" => return Some(client),
            Next::Event(_) => {}
        }
    }
}

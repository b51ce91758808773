//! Users that are told when those whom they watch come and go, over tabs and nodes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::{Value, json};
use support::client::{Client, acquaint, api, sign_socket};
use support::{Arena, config};

async fn ask_to_sign_in(client: &mut Client, data: &Value) {
    let data = data.to_string();
    let auth = sign_socket(&client.socket_id, ":user:", Some(&data));
    client.say("pusher:signin", json!({ "auth": auth, "user_data": data })).await;
}

/// A socket of this user, which watches these.
async fn sign_in(arena: &Arena, id: &str, watchlist: &[&str]) -> Client {
    let mut client = Client::connect(arena).await;
    ask_to_sign_in(&mut client, &json!({ "id": id, "watchlist": watchlist })).await;
    assert_eq!(client.event().await.name, "pusher:signin_success");
    client
}

/// What the socket is told next, and nothing else before it.
async fn told(client: &mut Client) -> Value {
    let event = client.event().await;
    assert_eq!((event.name.as_str(), event.channel), ("pusher_internal:watchlist_events", None));
    event.data["events"].clone()
}

fn online(ids: &[&str]) -> Value {
    json!({ "name": "online", "user_ids": ids })
}

fn offline(ids: &[&str]) -> Value {
    json!({ "name": "offline", "user_ids": ids })
}

#[tokio::test]
async fn who_watches_is_told_how_it_is_now_and_of_each_change() {
    let arena = Arena::start(config()).await;
    let other = arena.another_node(config()).await;
    let mut bob = sign_in(&other, "bob", &[]).await;
    acquaint(&arena, 1).await;
    let mut ada = sign_in(&arena, "ada", &["bob", "eve", "bob"]).await;
    assert_eq!(told(&mut ada).await, json!([online(&["bob"]), offline(&["eve"])]));

    // A second tab, and the first one closed: nobody hears of it. Nor does anybody of a user whom nobody watches.
    let second = sign_in(&arena, "bob", &[]).await;
    drop(sign_in(&other, "zoe", &[]).await);
    bob.say("pusher:ping", json!({})).await;
    bob.event_named("pusher:pong").await;
    drop(bob);
    let eve = sign_in(&other, "eve", &["ada"]).await;
    assert_eq!(told(&mut ada).await, json!([online(&["eve"])]));
    drop(second);
    assert_eq!(told(&mut ada).await, json!([offline(&["bob"])]));

    // A node that is gone takes its users with it.
    let _eve = eve;
    other.cut_off();
    assert_eq!(told(&mut ada).await, json!([offline(&["eve"])]));
}

#[tokio::test]
async fn a_watchlist_that_is_too_long_or_none_is_refused() {
    let arena = Arena::start(config()).await;
    let mut client = Client::connect(&arena).await;
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    for (watchlist, code) in [(json!(many), 4302), (json!([1.5]), 4009), (json!("bob"), 4009)] {
        ask_to_sign_in(&mut client, &json!({ "id": "ada", "watchlist": watchlist })).await;
        let error = client.event().await;
        assert_eq!((error.name.as_str(), &error.data["code"]), ("pusher:error", &json!(code)));
    }
    ask_to_sign_in(&mut client, &json!({ "id": "ada", "watchlist": many[1..] })).await;
    assert_eq!(client.event().await.name, "pusher:signin_success");
    assert_eq!(told(&mut client).await[0]["user_ids"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_second_sign_in_that_fails_leaves_the_first_as_it_was() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let user = |session_id| json!({ "id": ada.id, "battle_id": battle, "session_id": session_id, "watchlist": ["bob"] });
    let mut client = Client::connect(&arena).await;
    ask_to_sign_in(&mut client, &user(ada.session_id)).await;
    assert_eq!(client.event().await.name, "pusher:signin_success");
    assert_eq!(told(&mut client).await, json!([offline(&["bob"])]));
    let mine = format!("#server-to-user-{}", ada.id);
    client.subscribe(&mine).await;

    // Data of a session that is not the newest.
    let other = arena.join(battle, "other").await;
    ask_to_sign_in(&mut client, &user(other.session_id)).await;
    assert_eq!(client.event().await.name, "pusher:error");
    let _bob = sign_in(&arena, "bob", &[]).await;
    assert_eq!(told(&mut client).await, json!([online(&["bob"])]));
    // What hangs on the session ends with it.
    arena.replace_session(&ada).await;
    assert_eq!(client.event().await.name, "session.replaced");
    assert_eq!(client.close_code().await, 4009);
}

#[tokio::test]
async fn who_signs_in_again_is_found_once_and_until_its_end() {
    let arena = Arena::start(config()).await;
    let mut client = sign_in(&arena, "ada", &[]).await;
    ask_to_sign_in(&mut client, &json!({ "id": "ada" })).await;
    assert_eq!(client.event().await.name, "pusher:signin_success");
    let end = "/apps/1/users/ada/terminate_connections";
    assert_eq!(api(&arena, end, Some(&json!({}))).await.0, 200);
    assert_eq!(client.close_code().await, 4009);
}

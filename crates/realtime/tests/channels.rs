//! Channels that are the application's own: what is said in them by the application and by clients, on all nodes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_realtime::Config;
use serde_json::{Value, json};
use support::client::{Client, Next, api, post, sign_socket};
use support::{Arena, config};

const EVENTS: &str = "/apps/1/events";

async fn publish(arena: &Arena, channel: &str, event: &str, data: &str) {
    let body = json!({ "name": event, "channels": [channel], "data": data });
    assert_eq!(api(arena, EVENTS, Some(&body)).await, (200, json!({})));
}

/// The next event has this name and data.
async fn expect(client: &mut Client, name: &str, data: Value) {
    let event = client.event().await;
    assert_eq!((event.name.as_str(), &event.data), (name, &data), "{event:?}");
}

async fn assert_quiet(client: &mut Client) {
    client.say("pusher:ping", json!({})).await;
    expect(client, "pusher:pong", json!({})).await;
}

#[tokio::test]
async fn what_the_application_says_is_heard_on_all_nodes_but_by_whom_it_leaves_out() {
    let arena = Arena::start(config()).await;
    let other = arena.another_node(config()).await;
    let (mut here, mut there) = (Client::connect(&arena).await, Client::connect(&other).await);
    here.subscribe("news").await;
    there.subscribe("news").await;
    // Which node the other one is, is known once it has said something.
    there.subscribe_signed("presence-x", Some(r#"{"user_id":"1"}"#)).await;
    here.subscribe_signed("presence-x", Some(r#"{"user_id":"2"}"#)).await;
    there.event_named("pusher_internal:member_added").await;

    publish(&arena, "news", "flash", r#"{"a":"é"}"#).await;
    expect(&mut here, "flash", json!({ "a": "é" })).await;
    expect(&mut there, "flash", json!({ "a": "é" })).await;
    let body = json!({ "name": "rest", "channel": "news", "data": "no JSON", "socket_id": there.socket_id });
    assert_eq!(api(&arena, EVENTS, Some(&body)).await.0, 200);
    expect(&mut here, "rest", json!("no JSON")).await;
    publish(&other, "news", "last", "{}").await;
    expect(&mut here, "last", json!({})).await;
    expect(&mut there, "last", json!({})).await;
}

#[tokio::test]
async fn a_cache_channel_tells_its_last_event_to_who_comes_later_on_any_node() {
    let arena = Arena::start(config()).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe("cache-a").await;
    expect(&mut client, "pusher:cache_miss", json!({})).await;
    publish(&arena, "cache-a", "one", "1").await;
    publish(&arena, "cache-a", "two", "2").await;
    expect(&mut client, "one", json!(1)).await;
    expect(&mut client, "two", json!(2)).await;
    for channel in ["private-cache-a", "private-encrypted-cache-a", "presence-cache-a"] {
        publish(&arena, channel, "three", "3").await;
    }
    drop(client);

    let later = arena.another_node(config()).await;
    for node in [&arena, &later] {
        let mut client = Client::connect(node).await;
        client.subscribe("cache-a").await;
        expect(&mut client, "two", json!(2)).await;
        for channel in ["private-cache-a", "private-encrypted-cache-a"] {
            client.subscribe_signed(channel, None).await;
            expect(&mut client, "three", json!(3)).await;
        }
        client.subscribe_signed("presence-cache-a", Some(r#"{"user_id":7}"#)).await;
        expect(&mut client, "three", json!(3)).await;
    }
}

#[tokio::test]
async fn members_of_the_applications_own_channel_are_whom_it_signed_for() {
    let arena = Arena::start(config()).await;
    let (mut ada, mut bob) = (Client::connect(&arena).await, Client::connect(&arena).await);
    ada.subscribe_signed("presence-room", Some(r#"{"user_id":1,"user_info":{"name":"ada"}}"#)).await;
    let presence = bob.subscribe_signed("presence-room", Some(r#"{"user_id":"2"}"#)).await;
    let expected = json!({ "ids": ["1", "2"], "hash": { "1": { "name": "ada" }, "2": {} }, "count": 2 });
    assert_eq!(presence["presence"], expected);
    expect(&mut ada, "pusher_internal:member_added", json!({ "user_id": "2", "user_info": {} })).await;
}

#[tokio::test]
async fn clients_tell_each_other_what_the_channel_allows() {
    let arena = Arena::start(Config { client_events_per_second_max: 1_000, ..config() }).await;
    let (mut ada, mut bob) = (Client::connect(&arena).await, Client::connect(&arena).await);
    ada.subscribe_signed("presence-room", Some(r#"{"user_id":"a"}"#)).await;
    bob.subscribe_signed("presence-room", Some(r#"{"user_id":"b"}"#)).await;
    ada.event_named("pusher_internal:member_added").await;
    bob.tell("client-typing", "presence-room", json!({ "on": true })).await;
    let event = ada.event().await;
    assert_eq!((event.name.as_str(), event.data), ("client-typing", json!({ "on": true })));
    assert_eq!(event.user_id.as_deref(), Some("b"));
    assert_quiet(&mut bob).await;

    bob.subscribe("open").await;
    bob.subscribe_signed("private-encrypted-x", None).await;
    for channel in ["open", "private-encrypted-x", "private-other", "presence-battle.1"] {
        bob.tell("client-typing", channel, json!({})).await;
        let error = bob.event().await;
        assert_eq!((error.name.as_str(), &error.data["code"]), ("pusher:error", &json!(4009)), "{channel}");
    }
    assert_quiet(&mut ada).await;
}

#[tokio::test]
async fn too_many_client_events_are_refused_and_the_socket_lives_on() {
    for max in [0, 3] {
        let arena = Arena::start(Config { client_events_per_second_max: max, ..config() }).await;
        let (mut ada, mut bob) = (Client::connect(&arena).await, Client::connect(&arena).await);
        ada.subscribe_signed("private-room", None).await;
        bob.subscribe_signed("private-room", None).await;
        let mut refused = false;
        // A second may begin in between, but not for ever.
        for _ in 0..100 {
            bob.tell("client-x", "private-room", json!({})).await;
            bob.say("pusher:ping", json!({})).await;
            let answer = bob.event().await;
            if answer.name == "pusher:error" {
                assert_eq!(answer.data["code"], 4301);
                refused = true;
                break;
            }
        }
        assert!(refused);
        publish(&arena, "private-room", "end", "{}").await;
        bob.event_named("end").await;
    }
}

#[tokio::test]
async fn a_user_that_signs_in_gets_what_is_for_it_until_the_application_ends_it() {
    let arena = Arena::start(config()).await;
    let other = arena.another_node(config()).await;
    let mut client = Client::connect(&other).await;
    let data = r##"{"id":"7","user_info":{"name":"ada"}}"##;
    let mine = "#server-to-user-7";
    client.say("pusher:subscribe", json!({ "channel": mine })).await;
    assert_eq!(client.event().await.data["status"], 403);

    let wrong = sign_socket("1.1", ":user:", Some(data));
    client.say("pusher:signin", json!({ "auth": wrong, "user_data": data })).await;
    assert_eq!(client.event().await.name, "pusher:error");
    let auth = sign_socket(&client.socket_id, ":user:", Some(data));
    client.say("pusher:signin", json!({ "auth": auth, "user_data": data })).await;
    // Asked for before it is through, as a client may.
    client.say("pusher:subscribe", json!({ "channel": mine })).await;
    expect(&mut client, "pusher:signin_success", json!({ "user_data": data })).await;
    client.confirmed(mine).await;
    let room = client.subscribe_signed("presence-room", None).await;
    assert_eq!(room["presence"]["hash"], json!({ "7": { "name": "ada" } }));

    let else_data = r#"{"id":"8"}"#;
    let auth = sign_socket(&client.socket_id, ":user:", Some(else_data));
    client.say("pusher:signin", json!({ "auth": auth, "user_data": else_data })).await;
    assert_eq!(client.event().await.name, "pusher:error");

    publish(&other, mine, "letter", r#""hello""#).await;
    expect(&mut client, "letter", json!("hello")).await;
    // On any node.
    let mut at_arena = Client::connect(&arena).await;
    at_arena.subscribe_signed("presence-room", Some(r#"{"user_id":"9"}"#)).await;
    client.event_named("pusher_internal:member_added").await;
    let end = "/apps/1/users/7/terminate_connections";
    assert_eq!(api(&arena, end, Some(&json!({}))).await, (200, json!({})));
    assert_eq!(client.close_code().await, 4009);
    // Nobody else's.
    at_arena.say("pusher:ping", json!({})).await;
    at_arena.event_named("pusher:pong").await;
}

#[tokio::test]
async fn a_participant_signs_in_with_its_token_as_long_as_its_session_is_the_newest() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    let form = format!("socket_id={}", client.socket_id);
    let form_type = "application/x-www-form-urlencoded";
    let (status, _) = post(&arena, "/pusher/user-auth", None, form_type, form.clone()).await;
    assert_eq!(status, 401);
    let token = arena.token(&ada);
    let (status, signed) = post(&arena, "/pusher/user-auth", Some(&token), form_type, form).await;
    assert_eq!(status, 200, "{signed}");
    client.say("pusher:signin", signed).await;
    let success = client.event().await;
    assert_eq!(success.name, "pusher:signin_success");
    let user: Value = serde_json::from_str(success.data["user_data"].as_str().unwrap()).unwrap();
    assert_eq!((&user["id"], &user["user_info"]), (&json!(ada.id), &json!({ "username": "ada" })));
    arena.replace_session(&ada).await;
    assert_eq!(client.event().await.name, "session.replaced");
    assert_eq!(client.next().await, Next::Closed(4009));
}

#[tokio::test]
async fn several_channels_are_signed_at_once_and_each_is_answered() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let (ada, bob) = (arena.join(battle, "ada").await, arena.join(battle, "bob").await);
    let mut client = Client::connect(&arena).await;
    let presence = format!("presence-battle.{battle}");
    let (own, foreign) = (ada.channel(), bob.channel());
    let form = format!(
        "socket_id={}&channel_name%5B0%5D={own}&channel_name%5B1%5D={foreign}&channel_name[]={presence}",
        client.socket_id
    );
    let json = json!({ "socket_id": client.socket_id, "channel_name": [own, foreign, presence] }).to_string();
    let token = arena.token(&ada);
    for (content_type, body) in [("application/x-www-form-urlencoded", form), ("application/json", json)] {
        let (status, answers) = post(&arena, "/pusher/auth", Some(&token), content_type, body).await;
        assert_eq!(status, 200, "{answers}");
        let statuses = [&own, &foreign, &presence].map(|channel| &answers[channel]["status"]);
        assert_eq!(statuses, [&json!(200), &json!(403), &json!(200)], "{answers}");
        let mut data = answers[&own]["data"].clone();
        data["channel"] = own.as_str().into();
        client.say("pusher:subscribe", data).await;
        client.confirmed(&own).await;
    }
    let many = json!({ "socket_id": client.socket_id, "channel_name": vec![own; 21] }).to_string();
    assert_eq!(post(&arena, "/pusher/auth", Some(&token), "application/json", many).await.0, 400);
}

#[tokio::test]
async fn those_who_listen_are_told_how_many_they_are_where_that_is_wanted() {
    let counted = || Config { subscription_counts: true, ..config() };
    let arena = Arena::start(counted()).await;
    let other = arena.another_node(counted()).await;
    let mut client = Client::connect(&arena).await;
    client.subscribe("news").await;
    let mut elsewhere = Client::connect(&other).await;
    elsewhere.subscribe("news").await;
    let until = async |client: &mut Client, count: usize| {
        while client.event_named("pusher_internal:subscription_count").await.data
            != json!({ "subscription_count": count })
        {}
    };
    until(&mut client, 2).await;
    until(&mut elsewhere, 2).await;
    drop(elsewhere);
    until(&mut client, 1).await;
}

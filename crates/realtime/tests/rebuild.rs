//! While the tables are built anew they are of the past, and nobody gets in by them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use serde_json::json;
use support::client::{Client, authorise};
use support::{Arena, config};

#[tokio::test]
async fn a_replaced_session_is_not_let_in_while_the_tables_lack_the_newer_one() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let old = arena.join(battle, "ada").await;
    arena.lack_until(3).await;
    let mut client = Client::connect(&arena).await;
    let sign = async |token: &str| authorise(&arena, Some(token), &client.socket_id, &old.channel()).await.0;
    assert_eq!(sign(&arena.token(&old)).await, 503);

    let (new, position) = arena.replace_session_untold(&old).await;
    assert_eq!(position, 3);
    assert_eq!(sign(&arena.token(&old)).await, 403);
    assert_eq!(sign(&arena.token(&new)).await, 200);
    client.listen(&arena, &new).await;
}

#[tokio::test]
async fn a_battle_that_the_tables_lack_is_not_said_to_be_none() {
    let arena = Arena::start(config()).await;
    arena.create_battle().await;
    arena.lack_until(2).await;
    let mut client = Client::connect(&arena).await;
    let wish = json!({ "channel": "battle.00000000-0000-0000-0000-00000000b002" });
    client.say("pusher:subscribe", wish.clone()).await;
    let refused = client.event().await;
    assert_eq!((refused.name.as_str(), &refused.data["status"]), ("pusher:subscription_error", &json!(503)));

    arena.create_battle().await;
    client.say("pusher:subscribe", wish.clone()).await;
    client.confirmed(wish["channel"].as_str().unwrap()).await;
}

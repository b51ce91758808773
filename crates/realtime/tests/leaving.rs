//! Who has left listens no more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use nimaora_change_bus::Change;
use support::client::{Client, Next, authorise};
use support::{Arena, config};

#[tokio::test]
async fn who_has_left_is_not_let_in_again() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    let token = arena.token(&ada);
    let (status, signature) = authorise(&arena, Some(&token), &client.socket_id, &ada.channel()).await;
    assert_eq!(status, 200);

    arena.leave_untold(&ada).await;
    assert_eq!(authorise(&arena, Some(&token), &client.socket_id, &ada.channel()).await.0, 403);
    // Nor by a signature from before.
    let mut wish = signature;
    wish["channel"] = ada.channel().into();
    client.say("pusher:subscribe", wish).await;
    let refused = client.event().await;
    assert_eq!(
        (refused.name.as_str(), refused.data["status"].as_u64()),
        ("pusher:subscription_error", Some(403))
    );
}

#[tokio::test]
async fn who_has_left_is_closed_although_the_bus_lost_the_news() {
    let arena = Arena::start(config()).await;
    let battle = arena.create_battle().await;
    let ada = arena.join(battle, "ada").await;
    let mut client = Client::connect(&arena).await;
    client.listen(&arena, &ada).await;
    let position = arena.leave_untold(&ada).await;
    // So many at once that the follower's queue on the bus overflows, on a runtime with one thread.
    for _ in 0..3_000 {
        arena.publish(battle, Change::Applied { board: false }, position).await;
    }
    client.event_named("participant.gone").await;
    assert_eq!(client.next().await, Next::Closed(4009));
}

//! Boards that the leaderboard lost are made anew from the log.

use std::sync::Arc;

use nimaora_domain::Command;
use nimaora_read_models::Leaderboard;

use crate::support::{Arena, Forgetful, Healed, World, soon};

/// A projection whose leaderboard outlives the process and loses things.
async fn start(world: &World) -> (Healed, Arc<Forgetful>) {
    let forgetful = Arc::new(Forgetful::default());
    (Healed::start(world, Arc::clone(&forgetful) as Arc<dyn Leaderboard>).await, forgetful)
}

#[tokio::test]
async fn a_battle_that_goes_on_gets_its_board_back() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3_000).await;
    let mut other = Arena::running(&world.log, 2, 3).await;
    let (server, forgetful) = start(&world).await;
    server.whole(&arena).await;
    server.whole(&other).await;
    forgetful.forget(&[arena.id]);
    for player in 1..=20 {
        arena.attack(player, player + 1).await;
    }
    arena.admin(Command::RemoveParticipant { participant_id: arena.who(7), reason: String::new() }).await;
    other.attack(1, 2).await;
    server.whole(&other).await;
    server.whole(&arena).await;
    server.stop().await;
}

#[tokio::test]
async fn a_battle_that_rests_gets_its_board_back_and_nobody_is_told() {
    let world = World::new();
    let arenas = [Arena::create(&world.log, 1).await, Arena::running(&world.log, 2, 30).await];
    let (server, forgetful) = start(&world).await;
    for arena in &arenas {
        server.whole(arena).await;
    }
    soon(server.handle.published(world.head().await)).await.unwrap();
    let told = server.bus.batches().len();
    forgetful.forget(&[arenas[0].id, arenas[1].id]);
    for arena in &arenas {
        server.whole(arena).await;
    }
    assert_eq!(server.bus.batches().len(), told);
    server.stop().await;
}

#[tokio::test]
async fn a_leaderboard_that_was_lost_with_the_process_gets_the_open_battles_back_without_a_replay() {
    let world = World::new();
    let mut over = Arena::running(&world.log, 1, 3).await;
    over.admin(Command::FinishBattle).await;
    let arena = Arena::running(&world.log, 2, 30).await;
    let (server, _) = start(&world).await;
    server.whole(&arena).await;
    server.whole(&over).await;
    server.stop().await;
    let (server, _) = start(&world).await;
    server.whole(&arena).await;
    assert!(server.boards.top(over.id, 1).await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn a_parked_event_is_not_on_a_board_that_was_made_anew() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3).await;
    let twice = nimaora_domain::event::ParticipantJoined {
        participant_id: arena.who(9),
        username: nimaora_domain::Username::new("player 1").unwrap(),
        session_id: arena.session(),
        balance: nimaora_domain::Balance { points: 99, shields: 0, arrows: 0 },
    };
    arena.append_unruly(nimaora_domain::Event::ParticipantJoined(twice)).await;
    let (server, forgetful) = start(&world).await;
    server.whole(&arena).await;
    assert_eq!(server.handle.status().parked, 1);
    forgetful.forget(&[arena.id]);
    server.whole(&arena).await;
    assert_eq!(server.boards.top(arena.id, 10).await.unwrap().total, 3);
    server.stop().await;
}

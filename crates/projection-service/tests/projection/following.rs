//! What followers are told, and when.

use crate::support::{Arena, RecordingBus, World, eventually};
use nimaora_change_bus::{Change, Lane};
use nimaora_domain::Command;
use nimaora_read_models::ReadModels;

#[tokio::test]
async fn the_attacked_is_told_who_attacked() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    assert!(arena.attack(1, 2).await);
    server.done(&world).await;
    let told = server.bus.in_lane(Lane::Attacks);
    let [Change::AttackReceived { position, attacker, target_id, target, blocked, points_lost, .. }] =
        &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*position, &**attacker, *target_id), (arena.position, "player 1", arena.who(2)));
    assert_eq!((&**target, *blocked, *points_lost), ("player 2", true, 0));
}

#[tokio::test]
async fn the_attackers_name_is_known_after_a_restart() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    server.stop().await;
    let server = world.start().await;
    arena.join(4).await;
    arena.attack(3, 2).await;
    arena.attack(4, 2).await;
    server.done(&world).await;
    let name = |change: &Change| match change {
        Change::AttackReceived { attacker, .. } => attacker.to_string(),
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = server.bus.in_lane(Lane::Attacks).iter().map(name).collect();
    assert_eq!(told, vec!["player 3", "player 4"]);
}

#[tokio::test]
async fn every_event_of_a_battle_is_told_and_whether_the_board_is_another() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::create(&world.log, 1).await;
    let mut told = Vec::new();
    for board in [false, true, false, true] {
        match (board, told.len()) {
            (true, 1) => assert!(arena.join(1).await),
            (true, _) => assert!(arena.answer(1, 1, "yes").await),
            (false, 2) => assert!(arena.admin(Command::StartBattle).await),
            (false, _) => {}
        }
        server.done(&world).await;
        let last = server.bus.batches().into_iter().rfind(|batch| batch.lane == Lane::Leaderboard).unwrap();
        assert_eq!((last.battle_id, last.position), (arena.id, arena.position));
        assert_eq!(last.changes, vec![Change::Applied { board }]);
        told.push(board);
    }
}

#[tokio::test]
async fn urgent_lanes_go_first() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3).await;
    let server = world.start_with("read-models.db", RecordingBus::broken(), |_| {}).await;
    server.handle.caught_up().await.unwrap();
    arena.attack(1, 2).await;
    let leave = Command::Leave { participant_id: arena.who(3) };
    arena.act(3, leave).await;
    server.handle.applied(arena.position).await.unwrap();
    server.bus.heal();
    server.done(&world).await;
    let lanes: Vec<_> = server.bus.batches().iter().map(|batch| (batch.position, batch.lane)).collect();
    let urgency = |lane: &Lane| Lane::ALL.iter().position(|one| one == lane);
    assert!(lanes.is_sorted_by_key(|(position, lane)| (*position, urgency(lane))), "{lanes:?}");
    let of = |lane| lanes.iter().filter(|(_, one)| *one == lane).count();
    assert_eq!((of(Lane::Attacks), of(Lane::Broadcast)), (1, 1), "{lanes:?}");
}

#[tokio::test]
async fn a_start_an_end_and_a_new_session_are_broadcast() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 2).await;
    let (participant_id, session_id) = (arena.who(1), arena.session());
    let actor = nimaora_domain::Actor::Participant(participant_id, session_id);
    arena.command(Command::ReplaceSession { participant_id, session_id }, actor).await;
    let removal = Command::RemoveParticipant { participant_id: arena.who(2), reason: "cheated".to_owned() };
    arena.admin(removal).await;
    arena.admin(Command::FinishBattle).await;
    server.done(&world).await;
    let kind = |change: &Change| match change {
        Change::BattleStarted { .. } => "started",
        Change::SessionReplaced { .. } => "session",
        Change::ParticipantGone { .. } => "gone",
        Change::BattleFinished { .. } => "finished",
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = server.bus.in_lane(Lane::Broadcast).iter().map(kind).collect();
    assert_eq!(told, vec!["started", "session", "gone", "finished"]);
}

#[tokio::test]
async fn a_crash_between_writing_and_publishing_loses_no_alert() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    arena.attack(1, 2).await;
    let before = arena.position;
    server.done(&world).await;
    server.stop().await;
    let server = world.start_with("read-models.db", RecordingBus::broken(), |_| {}).await;
    arena.attack(1, 3).await;
    let unpublished = arena.position;
    server.handle.applied(unpublished).await.unwrap();
    server.bus.refused().await;
    assert!(server.tables.checkpoints().await.unwrap().tables >= unpublished);
    server.kill();
    let server = world.start().await;
    server.done(&world).await;
    assert_eq!(server.bus.attacks(), vec![unpublished], "not again {before}");
}

#[tokio::test]
async fn what_was_published_is_not_published_again_after_a_restart() {
    let world = World::new();
    let server = world.start().await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    arena.attack(1, 2).await;
    server.done(&world).await;
    server.stop().await;
    let server = world.start().await;
    server.done(&world).await;
    assert_eq!(server.bus.batches(), vec![]);
}

#[tokio::test]
async fn what_was_published_is_noted_when_nothing_follows() {
    let world = World::new();
    let quiet = |config: &mut nimaora_projection_service::Config| {
        config.quiet_time = std::time::Duration::from_millis(1);
    };
    let server = world.start_with("read-models.db", RecordingBus::default(), quiet).await;
    let arena = Arena::running(&world.log, 1, 3).await;
    server.done(&world).await;
    eventually(async || server.tables.checkpoints().await.unwrap().changes == arena.position).await;
    server.kill();
    let server = world.start().await;
    server.done(&world).await;
    assert_eq!(server.bus.batches(), vec![]);
}

#[tokio::test]
async fn new_tables_on_an_old_log_are_built_in_silence() {
    let world = World::new();
    let mut arena = Arena::running(&world.log, 1, 3).await;
    arena.attack(1, 2).await;
    let server = world.start().await;
    server.done(&world).await;
    assert_eq!(server.bus.batches(), vec![]);
    arena.attack(1, 3).await;
    server.done(&world).await;
    assert_eq!(server.bus.attacks(), vec![arena.position]);
}

#[tokio::test]
async fn new_tables_on_an_old_log_say_that_they_are_not_whole_until_they_are() {
    let world = World::new();
    Arena::running(&world.log, 1, 200).await;
    let head = world.head().await;
    let one_by_one = |config: &mut nimaora_projection_service::Config| config.batch_events_max = 1;
    let server = world.start_with("read-models.db", RecordingBus::default(), one_by_one).await;
    eventually(async || {
        let found = server.tables.checkpoints().await.unwrap();
        assert_eq!(found.are_whole(), found.tables >= head, "{found:?}");
        found.are_whole()
    })
    .await;
}

#[tokio::test]
async fn alerts_wait_for_a_bus_that_is_out_of_order() {
    let world = World::new();
    let server = world.start_with("read-models.db", RecordingBus::broken(), |_| {}).await;
    let mut arena = Arena::running(&world.log, 1, 3).await;
    let mut landed = Vec::new();
    for (attacker, target) in [(1, 2), (2, 3), (3, 1)] {
        arena.attack(attacker, target).await;
        landed.push(arena.position);
        server.handle.applied(arena.position).await.unwrap();
    }
    server.bus.refused().await;
    assert_eq!(server.bus.attacks(), Vec::<u64>::new());
    server.bus.heal();
    server.done(&world).await;
    assert_eq!(server.bus.attacks(), landed);
}

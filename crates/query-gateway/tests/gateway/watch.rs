//! WatchLeaderboard: the newest board, as often as a tick, until the battle is over.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use nimaora_api::v1::{BattlePhase, WatchLeaderboardRequest, WatchLeaderboardResponse};
use nimaora_change_bus::Change;
use nimaora_domain::Phase;
use nimaora_query_gateway::Config;
use nimaora_read_models::ReadModels;
use nimaora_read_models::contract::{battle, story};
use tonic::{Code, Streaming};

use crate::house::{House, OPENED, battle_id, board_batch, fields, reason, says_when_to_retry};
use crate::stores::{CountedBus, DeadBus};

/// So long that no test could wait for it.
const NEVER_MS: u64 = 3_600_000;

/// Hardly any rest between boards, and none without a reason.
fn quick() -> Config {
    Config { watch_tick_ms: 1, watch_poll_ms: NEVER_MS, ..Config::default() }
}

fn asked(limit: u32) -> WatchLeaderboardRequest {
    WatchLeaderboardRequest { battle_id: battle_id(), limit, ..WatchLeaderboardRequest::default() }
}

async fn watch(house: &House, limit: u32) -> Streaming<WatchLeaderboardResponse> {
    house.client().watch_leaderboard(asked(limit)).await.unwrap().into_inner()
}

/// The next board. A stream that ends or fails is none.
async fn next(boards: &mut Streaming<WatchLeaderboardResponse>) -> WatchLeaderboardResponse {
    boards.message().await.unwrap().unwrap()
}

async fn score(house: &House, position: u64, points: u32) {
    house.scores(position, 1, points).await;
    house.tells(position, Change::Applied { board: true }).await;
}

async fn finish(house: &House, position: u64) {
    house.turns(position, Phase::Finished, story::second(60)).await;
    house.move_board(board_batch(position, Vec::new())).await;
    house.tells(position, Change::BattleFinished { position, finished_at: story::second(60) }).await;
}

#[tokio::test]
async fn the_board_comes_at_once_and_again_when_it_changes() {
    let house = House::with(quick()).await;
    let mut boards = watch(&house, 2).await;
    let first = next(&mut boards).await;
    assert_eq!((first.total, first.as_of, first.phase()), (3, OPENED, BattlePhase::Created));
    assert_eq!(first.entries.iter().map(|entry| entry.points).collect::<Vec<_>>(), [3, 2]);

    score(&house, 11, 9).await;
    let second = next(&mut boards).await;
    assert_eq!((second.entries[0].points, second.as_of), (9, 11));

    house.turns(12, Phase::Running, story::second(1)).await;
    house.move_board(board_batch(12, Vec::new())).await;
    house.tells(12, Change::BattleStarted { position: 12, started_at: story::second(1) }).await;
    let third = next(&mut boards).await;
    assert_eq!((third.phase(), third.as_of), (BattlePhase::Running, 12));
}

#[tokio::test]
async fn a_change_below_the_lines_that_are_watched_is_not_sent() {
    let house = House::with(quick()).await;
    let (mut best, mut all) = (watch(&house, 1).await, watch(&house, 0).await);
    next(&mut best).await;
    next(&mut all).await;
    house.scores(11, 2, 1).await;
    house.tells(11, Change::Applied { board: true }).await;
    assert_eq!(next(&mut all).await.as_of, 11);
    score(&house, 12, 9).await;
    assert_eq!(next(&mut best).await.as_of, 12);
}

/// Holds time still until it is dropped: as long as something blocks, paused time does not run on by itself.
fn hold_time() -> mpsc::SyncSender<()> {
    let (holds, held) = mpsc::sync_channel::<()>(0);
    tokio::time::pause();
    tokio::task::spawn_blocking(move || held.recv());
    holds
}

#[tokio::test]
async fn what_changes_within_a_tick_is_sent_as_one_board() {
    let house =
        House::with(Config { watch_tick_ms: 200, watch_poll_ms: NEVER_MS, ..Config::default() }).await;
    let held = hold_time();
    let mut boards = watch(&house, 0).await;
    assert_eq!(next(&mut boards).await.as_of, OPENED);
    for points in 4..50 {
        score(&house, u64::from(points) + 10, points).await;
    }
    // Nothing comes before the tick is over, and the newest board then. Timers are late by up to a millisecond.
    assert!(futures::poll!(Box::pin(boards.message())).is_pending());
    tokio::time::advance(Duration::from_millis(201)).await;
    let newest = next(&mut boards).await;
    assert_eq!((newest.entries[0].points, newest.as_of), (49, 59));
    drop(held);
}

#[tokio::test]
async fn the_stream_ends_after_the_final_board() {
    let house = House::with(quick()).await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    finish(&house, 11).await;
    let last = next(&mut boards).await;
    assert_eq!((last.phase(), last.as_of), (BattlePhase::Finished, 11));
    assert_eq!(boards.message().await.unwrap(), None);

    // Whoever comes later sees the final board and no more.
    let mut boards = watch(&house, 0).await;
    assert_eq!(next(&mut boards).await.phase(), BattlePhase::Finished);
    assert_eq!(boards.message().await.unwrap(), None);
    assert!(house.shutdown.finish(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_battle_is_shown_as_over_with_its_final_board_though_the_leaderboard_lacks_it() {
    let house = House::new().await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    // The tables know of the end, the leaderboard does not yet.
    house.turns(12, Phase::Cancelled, story::second(60)).await;
    house.move_board(board_batch(11, Vec::new())).await;
    house.tells(12, Change::BattleCancelled { position: 12, reason: "rain".to_owned() }).await;
    let last = loop {
        let shown = next(&mut boards).await;
        if shown.phase() == BattlePhase::Cancelled {
            break shown;
        }
    };
    assert_eq!(last.as_of, 12);
    assert_eq!(boards.message().await.unwrap(), None);
}

#[tokio::test]
async fn many_watchers_share_one_reader_that_goes_with_them() {
    let bus = Arc::new(CountedBus::default());
    let house = House::with_bus(quick(), Arc::clone(&bus) as Arc<_>).await;
    let mut followers = bus.followers();
    let mut streams = Vec::new();
    for limit in 1..=50 {
        let mut boards = watch(&house, limit).await;
        next(&mut boards).await;
        streams.push(boards);
    }
    assert_eq!(*followers.borrow(), 1);
    score(&house, 11, 9).await;
    for boards in &mut streams {
        assert_eq!(next(boards).await.entries[0].points, 9);
    }
    drop(streams);
    followers.wait_for(|count| *count == 0).await.unwrap();
    // The next one is served by a new reader.
    let mut boards = watch(&house, 0).await;
    assert_eq!(next(&mut boards).await.as_of, 11);
    assert_eq!(*followers.borrow(), 1);
}

#[tokio::test]
async fn watchers_are_told_that_the_server_stops() {
    let house = House::with(quick()).await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    assert!(house.shutdown.finish(Duration::from_secs(10)).await);
    let ended = boards.message().await.unwrap_err();
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "DRAINING"));
    assert!(says_when_to_retry(&ended));
}

#[tokio::test]
async fn no_more_watchers_are_taken_than_the_server_can_serve() {
    let house = House::with(Config { watchers_max: 1, ..quick() }).await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    let refused = house.client().watch_leaderboard(asked(0)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_WATCHERS"));
    assert!(says_when_to_retry(&refused));
    drop(boards);
    watch(&house, 0).await;
}

#[tokio::test]
async fn the_first_board_has_reached_the_position_and_the_next_is_no_older() {
    let house = House::with(quick()).await;
    let mut others = watch(&house, 0).await;
    next(&mut others).await;
    // The one task that reads for all watchers is not told of this.
    house.scores(11, 1, 9).await;
    let asks = WatchLeaderboardRequest { min_position: 11, wait_ms: 10_000, ..asked(0) };
    let mut boards = house.client().watch_leaderboard(asks).await.unwrap().into_inner();
    let first = next(&mut boards).await;
    assert_eq!((first.as_of, first.entries[0].points), (11, 9));
    score(&house, 12, 10).await;
    let second = next(&mut boards).await;
    assert_eq!((second.as_of, second.entries[0].points), (12, 10));

    let asks = WatchLeaderboardRequest { min_position: 99, wait_ms: 1, ..asked(0) };
    let refused = house.client().watch_leaderboard(asks).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "POSITION_NOT_REACHED"));
    says_when_to_retry(&refused);
}

#[tokio::test]
async fn without_a_bus_the_board_is_read_now_and_then() {
    let config = Config { watch_tick_ms: 1, watch_poll_ms: 2, ..Config::default() };
    let house = House::with_bus(config, Arc::new(DeadBus)).await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    house.scores(11, 1, 9).await;
    assert_eq!(next(&mut boards).await.entries[0].points, 9);
}

#[tokio::test]
async fn the_board_moves_on_while_the_tables_cannot_be_read() {
    let house = House::with(quick()).await;
    let mut boards = watch(&house, 0).await;
    next(&mut boards).await;
    house.tables.close().await;
    house
        .move_board(board_batch(
            11,
            vec![nimaora_read_models::BoardChange::Scored {
                participant_id: nimaora_read_models::contract::participant(1),
                points: 9,
                reached_revision: 11,
            }],
        ))
        .await;
    house.tells(11, Change::Applied { board: true }).await;
    let board = next(&mut boards).await;
    assert_eq!((board.entries[0].points, board.phase()), (9, BattlePhase::Created));
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let house = House::new().await;
    let nowhere =
        WatchLeaderboardRequest { battle_id: battle(2).to_string(), ..WatchLeaderboardRequest::default() };
    let refused = house.client().watch_leaderboard(nowhere).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "BATTLE_UNKNOWN"));
    let refused = house.client().watch_leaderboard(asked(101)).await.unwrap_err();
    assert_eq!(fields(&refused), ["limit"]);
    assert_eq!(house.tables.checkpoints().await.unwrap().tables, OPENED);
}

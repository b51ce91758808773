use nimaora_local_servers::{Redis, scratch};
use tempfile::TempDir;

use super::*;
use crate::contract::leaderboard::{batch, joined, renamed, scored, whole};
use crate::contract::{battle, participant};
use crate::memory::MemoryLeaderboard;

/// A leaderboard with the server that it is on.
struct OnServer {
    boards: RedisLeaderboard,
    server: Redis,
    _dir: TempDir,
}

impl std::ops::Deref for OnServer {
    type Target = RedisLeaderboard;

    fn deref(&self) -> &RedisLeaderboard {
        &self.boards
    }
}

async fn on_server() -> OnServer {
    let dir = scratch().unwrap();
    let server = Redis::start(&dir.path().join("redis"), &[]).await.unwrap();
    let boards = RedisLeaderboard::connect(RedisConfig::new(server.url())).unwrap();
    OnServer { boards, server, _dir: dir }
}

impl OnServer {
    /// A command as an operator gives it.
    async fn by_hand<T: ::redis::FromRedisValue>(&self, command: &[&[u8]]) -> T {
        let client = ::redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut by_hand = ::redis::Cmd::new();
        for &part in command {
            by_hand.arg(part);
        }
        by_hand.query_async(&mut connection).await.unwrap()
    }

    async fn holds(&self) -> bool {
        !matches!(self.top(battle(1), 1).await, Err(StoreError::NotHeld(_)))
    }
}

crate::leaderboard_contract!(*on_server().await);

fn keys() -> Keys {
    Keys::of(battle(1))
}

#[tokio::test]
async fn a_person_reads_names_and_points() {
    let boards = on_server().await;
    let changes = vec![joined(1, 5, 0), joined(2, 1_000_000, 0)];
    assert_eq!(boards.apply(&[batch(1, changes)], 1).await.unwrap(), Applied::default());
    let key = format!("battle:{{{}}}:leaderboard", battle(1));
    let shown: Vec<(String, f64)> =
        boards.by_hand(&[b"ZREVRANGE", key.as_bytes(), b"0", b"1", b"WITHSCORES"]).await;
    let floors: Vec<_> = shown.iter().map(|(member, score)| (member.clone(), score.floor())).collect();
    let member = |n: u128| format!("player {n} {}", participant(n));
    assert_eq!(floors, vec![(member(2), 1_000_000.0), (member(1), 5.0)]);
}

#[tokio::test]
async fn a_lost_key_is_noticed_and_restored() {
    let boards = on_server().await;
    for key in keys().both() {
        boards.restore(&whole(5, 10)).await.unwrap();
        assert!(boards.holds().await);
        let () = boards.by_hand(&[b"DEL", key.as_bytes()]).await;
        assert!(!boards.holds().await);
        assert_eq!(boards.held(&[battle(1)]).await.unwrap(), vec![None]);
        let next = batch(12, vec![scored(1, 8, 11)]);
        assert_eq!(boards.apply(&[next], 12).await.unwrap().missing, vec![battle(1)]);
        boards.restore(&whole(5, 11)).await.unwrap();
        assert_eq!(boards.top(battle(1), 10).await.unwrap().total, 5);
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_no_board_and_others_are_applied() {
    let boards = on_server().await;
    for key in keys().both() {
        for n in 1..=2 {
            boards.restore(&WholeBoard { battle_id: battle(n), ..whole(5, 10) }).await.unwrap();
        }
        let () = boards.by_hand(&[b"SET", key.as_bytes(), b"x"]).await;
        assert!(!boards.holds().await);
        assert_eq!(boards.held(&[battle(1), battle(2)]).await.unwrap(), vec![None, Some(11)]);
        let next = batch(12, vec![scored(1, 8, 11)]);
        let other = BoardBatch { battle_id: battle(2), ..next.clone() };
        let applied = boards.apply(&[next, other.clone()], 12).await.unwrap();
        assert_eq!(applied, Applied { missing: vec![battle(1)], failed: vec![] });
        assert_eq!(boards.top(battle(2), 1).await.unwrap().as_of, 12);
        boards.restore(&whole(5, 11)).await.unwrap();
        assert_eq!(boards.top(battle(1), 10).await.unwrap().total, 5);
        let () = boards.by_hand(&[b"FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn everything_flushed_with_the_scripts_too_is_noticed_and_restored() {
    let boards = on_server().await;
    boards.restore(&whole(5, 10)).await.unwrap();
    let () = boards.by_hand(&[b"FLUSHALL"]).await;
    let () = boards.by_hand(&[b"SCRIPT", b"FLUSH"]).await;
    assert!(!boards.holds().await);
    boards.restore(&whole(5, 11)).await.unwrap();
    assert_eq!(boards.top(battle(1), 10).await.unwrap().as_of, 12);
}

#[tokio::test]
async fn one_key_of_an_old_dump_is_noticed_and_a_whole_old_board_says_how_old_it_is() {
    let boards = on_server().await;
    boards.restore(&whole(5, 10)).await.unwrap();
    let mut dumps: Vec<Vec<u8>> = Vec::new();
    for key in keys().both() {
        dumps.push(boards.by_hand(&[b"DUMP", key.as_bytes()]).await);
    }
    let next = batch(12, vec![scored(1, 8, 11)]);
    assert_eq!(boards.apply(&[next], 12).await.unwrap(), Applied::default());
    let back = async |place: usize| {
        let keys = keys();
        let command: [&[u8]; 5] =
            [b"RESTORE", keys.both()[place].as_bytes(), b"0", &dumps[place], b"REPLACE"];
        let () = boards.by_hand(&command).await;
    };
    back(0).await;
    assert!(!boards.holds().await);
    back(1).await;
    assert_eq!(boards.held(&[battle(1)]).await.unwrap(), vec![Some(11)]);
    let later = batch(13, vec![scored(1, 9, 12)]);
    assert_eq!(boards.apply(&[later], 13).await.unwrap().missing, vec![battle(1)]);
    boards.restore(&whole(5, 12)).await.unwrap();
    assert_eq!(boards.held(&[battle(1)]).await.unwrap(), vec![Some(13)]);
}

#[tokio::test]
async fn all_keys_of_an_ended_battle_go_after_their_time() {
    let boards = on_server().await;
    let end = BoardBatch { ended: true, ..batch(1, vec![joined(1, 5, 0)]) };
    assert_eq!(boards.apply(&[end], 1).await.unwrap(), Applied::default());
    assert_eq!(boards.apply(&[batch(2, vec![joined(2, 5, 1)])], 2).await.unwrap(), Applied::default());
    boards.restore(&WholeBoard { ended: true, battle_id: battle(2), ..whole(3, 3) }).await.unwrap();
    boards.restore(&WholeBoard { battle_id: battle(3), ..whole(3, 3) }).await.unwrap();
    for (n, lives) in [(1, false), (2, false), (3, true)] {
        for key in Keys::of(battle(n)).both() {
            let seconds: i64 = boards.by_hand(&[b"TTL", key.as_bytes()]).await;
            assert_eq!(seconds, if lives { -1 } else { seconds.clamp(86_000, 86_400) }, "{key}");
        }
    }
    let keys: Vec<String> = boards.by_hand(&[b"KEYS", b"*"]).await;
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[tokio::test]
async fn random_batches_come_to_the_same_as_in_memory() {
    const PLAYERS: u128 = 40;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (redis, memory) = (on_server().await, MemoryLeaderboard::default());
    let mut revision = 0;
    for position in 1..200 {
        let mut changes = Vec::new();
        let first_revision = revision;
        for _ in 0..rng.u64(1..20) {
            let (n, points) = (rng.u128(1..=PLAYERS), rng.u32(0..8));
            changes.push(match rng.u32(0..10) {
                0..3 => joined(n, points, revision),
                3..8 => scored(n, points, revision),
                8 => renamed(n),
                _ => BoardChange::Removed { participant_id: participant(n) },
            });
            revision += 1;
        }
        // Some batches are lost on the way, some come again.
        let last_revision = revision - 1;
        let next = BoardBatch { first_revision, last_revision, ..batch(position, changes) };
        if rng.u32(0..30) == 0 {
            revision = first_revision;
            continue;
        }
        for _ in 0..rng.u32(1..3) {
            let (ours, theirs) = (
                redis.apply(std::slice::from_ref(&next), 0).await,
                memory.apply(std::slice::from_ref(&next), 0).await,
            );
            assert_eq!(ours.unwrap(), theirs.unwrap());
        }
        let (id, limit, who) = (battle(1), rng.u32(0..50), participant(rng.u128(1..=PLAYERS)));
        assert_eq!(redis.top(id, limit).await.unwrap(), memory.top(id, limit).await.unwrap());
        assert_eq!(redis.rank(id, who).await.unwrap(), memory.rank(id, who).await.unwrap());
        let range = rng.u32(0..9);
        assert_eq!(redis.around(id, who, range).await.unwrap(), memory.around(id, who, range).await.unwrap());
    }
}

#[tokio::test]
async fn a_server_that_died_is_unavailable_and_used_again_when_it_is_back() {
    let mut boards = on_server().await;
    boards.restore(&whole(5, 10)).await.unwrap();
    boards.server.process.kill().await;
    let answer = boards.top(battle(1), 1).await;
    assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    let applied = boards.apply(&[batch(12, vec![scored(1, 8, 11)])], 12).await.unwrap();
    assert_eq!(applied, Applied { missing: vec![], failed: vec![battle(1)] });
    boards.server.start_again().await.unwrap();
    // Restarted empty.
    let noticed = async {
        while boards.held(&[battle(1)]).await.ok() != Some(vec![None]) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), noticed).await.unwrap();
    boards.restore(&whole(5, 10)).await.unwrap();
    assert!(boards.holds().await);
}

#[tokio::test]
async fn says_which_urls_it_takes_and_shows_no_password() {
    for url in [
        "http://secret@a",
        "redis+sentinel://:secret@a",
        "secret",
        "redis://:secret@a:b:c",
        "redis+cluster://:secret@:",
    ] {
        match RedisLeaderboard::connect(RedisConfig::new(url)) {
            Ok(_) => panic!("{url}"),
            Err(error) => {
                assert!(!error.to_string().contains("secret") && error.to_string().contains("://"), "{error}")
            }
        }
    }
    assert!(!format!("{:?}", RedisConfig::new("redis://:secret@a")).contains("secret"));
}

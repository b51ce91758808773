//! What keys of names promise, wherever they are kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use async_trait::async_trait;
use nimaora_domain::event::ParticipantJoined;
use nimaora_domain::{Balance, BattleId, Event, ParticipantId, SessionId, Username};
use nimaora_local_servers::nats::{Nats, NatsOptions};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::files::FileKeys;
use super::nats::NatsKeys;
use super::{KeyTree, NameKeys, Names, NamesError};

fn battle(n: u128) -> BattleId {
    BattleId(Uuid::from_u128(n))
}

fn player(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

fn sealed(tree: &KeyTree, number: u32, name: &str) -> String {
    tree.seal(battle(1), player(number.into()), number, name).unwrap()
}

fn read(tree: &KeyTree, number: u32, sealed: &str) -> Option<String> {
    tree.open(battle(1), player(number.into()), number, sealed)
}

#[test]
fn a_sealed_name_is_read_with_its_own_key_alone() {
    let tree = KeyTree::random().unwrap();
    let zoe = sealed(&tree, 7, "Zoë 🎯");
    assert_eq!(read(&tree, 7, &zoe).as_deref(), Some("Zoë 🎯"));
    assert_eq!(tree.open(battle(2), player(7), 7, &zoe), None);
    assert_eq!(tree.open(battle(1), player(8), 7, &zoe), None);
    assert_eq!(tree.open(battle(1), player(7), 8, &zoe), None);
    assert_eq!(read(&KeyTree::random().unwrap(), 7, &zoe), None);
    let mut edited = zoe.clone();
    edited.replace_range(20..21, if &zoe[20..21] == "A" { "B" } else { "A" });
    for bad in ["", "%", &zoe[..zoe.len() - 4], &edited] {
        assert_eq!(read(&tree, 7, bad), None, "{bad}");
    }
    // What is stored tells neither the name nor how long it is.
    assert_eq!(zoe.len(), sealed(&tree, 8, "Bo").len());
    assert_ne!(zoe, sealed(&tree, 7, "Zoé 🎯"));
}

#[test]
fn a_forgotten_key_is_the_only_one_that_is_missing_and_comes_back_from_nowhere() {
    let whole = KeyTree::random().unwrap();
    let numbers = [1, 2, 3, 4, 5, 1_000, 99_999, 100_000, (1 << 20) - 1];
    let names: Vec<_> = numbers.iter().map(|&number| (number, sealed(&whole, number, "Ada"))).collect();
    let mut tree = whole.clone();
    for forgotten in 1..=numbers.len() {
        tree.forget(numbers[forgotten - 1]);
        tree.forget(numbers[forgotten - 1]);
        // As it is kept, it has not more than it should.
        tree = tree.to_string().parse().unwrap();
        for (place, (number, sealed)) in names.iter().enumerate() {
            let expected = (place >= forgotten).then(|| "Ada".to_owned());
            assert_eq!(read(&tree, *number, sealed), expected, "{number}");
            assert_eq!(tree.holds(*number), place >= forgotten);
        }
        assert_eq!(tree.seal(battle(1), player(1), numbers[forgotten - 1], "Bob"), None);
    }
    assert!(!tree.holds(1 << 20) && tree.seal(battle(1), player(1), 1 << 20, "Bob").is_none());
}

#[test]
fn a_battle_that_is_forgotten_whole_keeps_little() {
    let mut tree = KeyTree::random().unwrap();
    for number in (1..=4_096).step_by(2) {
        tree.forget(number);
    }
    let scattered = tree.to_string().len();
    for number in (2..=4_096).step_by(2) {
        tree.forget(number);
    }
    assert!(scattered < 2_200 * 80, "{scattered}");
    assert!(tree.to_string().len() < 40 * 80, "{}", tree.to_string().len());
}

#[test]
fn half_a_tree_is_none() {
    let mut tree = KeyTree::random().unwrap();
    tree.forget(5);
    let text = tree.to_string();
    for end in (0..text.len() - 1).filter(|end| text[..*end].trim_end() != text.trim_end()) {
        assert!(text[..end].parse::<KeyTree>().is_err(), "{end}");
    }
    assert!(text.replacen("1 1 ", "21 1 ", 1).parse::<KeyTree>().is_err());
}

/// Each sentence of the port.
async fn keeps_its_promises(keys: &dyn NameKeys, again: &dyn NameKeys) {
    assert_eq!(keys.load(battle(1)).await.unwrap(), None);
    keys.forget(battle(1), 3).await.unwrap();
    assert_eq!(keys.load(battle(1)).await.unwrap(), None);
    let (one, other) = tokio::join!(keys.load_or_make(battle(1)), again.load_or_make(battle(1)));
    let tree = one.unwrap();
    assert_eq!(other.unwrap(), tree);
    assert_eq!(again.load(battle(1)).await.unwrap().as_ref(), Some(&tree));
    assert_ne!(keys.load_or_make(battle(2)).await.unwrap(), tree);
    let (ada, bob) = (sealed(&tree, 3, "Ada"), sealed(&tree, 4, "Bob"));
    // Two forget at once, and neither brings back what the other forgot.
    let forgetting = (10..18_u32).map(|number| {
        let by = if number % 2 == 0 { keys } else { again };
        by.forget(battle(1), number)
    });
    futures::future::try_join_all(forgetting).await.unwrap();
    keys.forget(battle(1), 3).await.unwrap();
    keys.forget(battle(1), 3).await.unwrap();
    let left = again.load(battle(1)).await.unwrap().unwrap();
    assert_eq!((read(&left, 3, &ada), read(&left, 4, &bob).as_deref()), (None, Some("Bob")));
    assert!((10..18).all(|number| !left.holds(number)) && left.holds(18));
    assert_eq!(again.load_or_make(battle(1)).await.unwrap(), left);
}

#[tokio::test]
async fn keys_in_files_are_kept_forgotten_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("names");
    let keys = FileKeys::new(dir.clone());
    keeps_its_promises(&keys, &keys.clone()).await;
    let file = dir.join(format!("{}.keys", battle(1)));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&file)), (0o700, 0o600));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "something was left behind");
    fs::write(&file, "0 0 12\nend\n").unwrap();
    assert!(matches!(keys.load(battle(1)).await, Err(NamesError::Damaged { .. })));
}

#[tokio::test]
async fn keys_in_a_bucket_are_kept_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let mut each = Vec::new();
    for _ in 0..2 {
        let client = async_nats::connect(nats.url()).await.unwrap();
        each.push(NatsKeys::new(async_nats::jetstream::new(client), "LOG-names".to_owned(), 1));
    }
    keeps_its_promises(&each[0], &each[1]).await;
    // One version of each entry and no more: what was forgotten is not in an older one.
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let mut stream = context.get_stream("KV_LOG-names").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 2);
}

#[tokio::test]
async fn names_are_read_while_their_keys_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileKeys::new(folder.path().join("names"));
    let names = Names::kept_by(Arc::new(store.clone()));
    assert!(names.of(battle(1)).await.unwrap().is_none());
    let keys = names.made_for(battle(1)).await.unwrap().unwrap();
    let seal = keys.seal(player(1), 1, "Ada").unwrap();
    let joined = Event::ParticipantJoined(ParticipantJoined {
        participant_id: player(1),
        username: Username::erased(1).sealed_as(seal),
        session_id: SessionId(Uuid::nil()),
        balance: Balance::default(),
    });
    let name = async |names: &Names| {
        let mut event = joined.clone();
        names.open(battle(1), &mut event).await.unwrap();
        let Event::ParticipantJoined(joined) = event else { panic!("not a join") };
        joined.username.to_string()
    };
    assert_eq!(name(&names).await, "Ada");
    assert_eq!(name(&Names::kept_by(Arc::new(store.clone()))).await, "Ada");
    assert_eq!(name(&Names::default()).await, "erased player 1");
    names.forget(battle(1), 1).await.unwrap();
    // Whoever holds these keys at this moment has forgotten too.
    assert!(!keys.holds(1));
    assert_eq!(name(&names).await, "erased player 1");
    assert_eq!(name(&Names::kept_by(Arc::new(store))).await, "erased player 1");
}

/// Keys whose reads wait for a permit between the store's answer and the caller.
struct Held {
    keys: FileKeys,
    read: Semaphore,
    may_answer: Semaphore,
}

#[async_trait]
impl NameKeys for Held {
    async fn load(&self, battle_id: BattleId) -> Result<Option<KeyTree>, NamesError> {
        let loaded = self.keys.load(battle_id).await;
        self.read.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        loaded
    }

    async fn load_or_make(&self, battle_id: BattleId) -> Result<KeyTree, NamesError> {
        self.keys.load_or_make(battle_id).await
    }

    async fn forget(&self, battle_id: BattleId, number: u32) -> Result<(), NamesError> {
        self.keys.forget(battle_id, number).await
    }
}

#[tokio::test]
async fn a_key_that_is_forgotten_while_it_is_read_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileKeys::new(folder.path().join("names"));
    store.load_or_make(battle(1)).await.unwrap();
    let (read, may_answer) = (Semaphore::new(0), Semaphore::new(0));
    let held = Arc::new(Held { keys: store, read, may_answer });
    let names = Names::kept_by(Arc::clone(&held) as Arc<dyn NameKeys>);
    let reading = tokio::spawn({
        let names = names.clone();
        async move { names.of(battle(1)).await }
    });
    held.read.acquire().await.unwrap().forget();
    names.forget(battle(1), 5).await.unwrap();
    held.may_answer.add_permits(2);
    let keys = reading.await.unwrap().unwrap().unwrap();
    assert!(!keys.holds(5) && keys.holds(6));
}

#[tokio::test]
async fn a_bucket_that_would_lose_keys_or_keep_forgotten_ones_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let bucket = async_nats::jetstream::kv::Config {
        bucket: "LOG-names".to_owned(),
        history: 5,
        ..Default::default()
    };
    context.create_key_value(bucket).await.unwrap();
    let keys = NatsKeys::new(context, "LOG-names".to_owned(), 1);
    let refused = keys.load_or_make(battle(1)).await.unwrap_err().to_string();
    assert!(refused.contains("its history must be 1"), "{refused}");
    let refused = keys.load(battle(1)).await.unwrap_err().to_string();
    assert!(refused.contains("its history must be 1"), "{refused}");
}

#[tokio::test]
async fn that_keys_are_lost_is_not_believed_at_once_of_a_name_that_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::start(folder.path(), NatsOptions::default()).await.unwrap();
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let keys = NatsKeys::new(context, "LOG-names".to_owned(), 1);
    let doubted = keys.load_made(battle(1)).await;
    assert!(matches!(doubted, Err(NamesError::Unavailable { .. })), "{doubted:?}");
    // Where they are there in the end, nobody was told otherwise; where they are not, it is believed after a while.
    while keys.load_made(battle(1)).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(keys.load_made(battle(1)).await, Ok(None));
    let made = keys.load_or_make(battle(1)).await.unwrap();
    assert_eq!(keys.load_made(battle(1)).await, Ok(Some(made)));
}

//! Bounds, closing, and repeats of long ago.

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::{append, event, ids_of_all, open, small};
use crate::embedded::EmbeddedLog;
use crate::embedded::config::{REMEMBERED_IDS_MAX, WAITING_BYTES_MAX};
use crate::error::{AppendError, OpenError, ReadError};
use crate::log::{EventLog, SubscriptionMessage};
use crate::types::{APPEND_EVENTS_MAX, Append, Expected, Filter};

#[tokio::test]
async fn a_second_opener_is_told_that_the_log_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let second = EmbeddedLog::open(dir.path(), small(1 << 20));
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    log.close().await;
    open(dir.path());
}

#[tokio::test]
async fn a_dropped_log_can_be_opened_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..5 {
        let log = open(dir.path());
        log.append(append("s", [n])).await.unwrap();
    }
    assert_eq!(ids_of_all(&open(dir.path())).await, (0..5).map(Uuid::from_u128).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_closed_log_takes_no_append_and_ends_its_subscriptions() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut subscription = log.subscribe(0, Filter::default()).await.unwrap();
    assert!(matches!(subscription.next().await, Ok(SubscriptionMessage::CaughtUp(0))));
    let waits = tokio::spawn(async move { subscription.next().await });
    log.close().await;
    assert!(matches!(waits.await.unwrap(), Err(ReadError::Unavailable { .. })));
    let refused = log.append(append("s", [1])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_append_is_refused_at_once_when_too_many_bytes_wait() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.waiting_bytes.store(WAITING_BYTES_MAX, Ordering::SeqCst);
    let refused = log.append(append("s", [1])).await;
    assert!(matches!(refused, Err(AppendError::Unavailable { .. })), "{refused:?}");
    log.waiting_bytes.store(0, Ordering::SeqCst);
    log.append(append("s", [1])).await.unwrap();
    assert_eq!(log.waiting_bytes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_id_twice_in_one_append_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let refused = log.append(append("s", [1, 2, 1])).await;
    assert!(matches!(refused, Err(AppendError::Invalid { .. })), "{refused:?}");
    assert_eq!(log.append(append("s", [1, 2])).await.unwrap().last_revision, 1);
}

#[tokio::test]
async fn a_subscription_from_behind_the_head_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(append("s", [1])).await.unwrap();
    log.subscribe(1, Filter::default()).await.unwrap();
    let refused = log.subscribe(2, Filter::default()).await.map(drop);
    assert!(matches!(refused, Err(ReadError::Invalid { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_exact_repeat_is_known_however_long_ago_and_any_repeat_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let first = |expected| Append { stream: "s".into(), expected, events: (0..3).map(event).collect() };
    let appended = log.append(first(Expected::NoStream)).await.unwrap();
    let second = |expected| Append { stream: "s".into(), expected, events: (3..6).map(event).collect() };
    let second_appended = log.append(second(Expected::Exact(2))).await.unwrap();
    let mut id = 1_000;
    while id < REMEMBERED_IDS_MAX as u128 + 1_000 {
        let batch = id..id + APPEND_EVENTS_MAX as u128;
        id = batch.end;
        log.append(append("other", batch)).await.unwrap();
    }
    for _ in 0..2 {
        let repeat = log.append(first(Expected::NoStream)).await.unwrap();
        assert_eq!((repeat.first_position, repeat.repeated), (appended.first_position, true));
        let repeat = log.append(second(Expected::Exact(2))).await.unwrap();
        assert_eq!((repeat.last_position, repeat.repeated), (second_appended.last_position, true));
        let partly = Append {
            stream: "s".into(),
            expected: Expected::NoStream,
            events: [0, 1, 9].into_iter().map(event).collect(),
        };
        let refused = log.append(partly).await;
        assert!(
            matches!(refused, Err(AppendError::WrongExpectedRevision { actual: Some(5) })),
            "{refused:?}"
        );
    }
    let newest = append("other", id - 10..id);
    log.close().await;
    drop(log);
    let log = open(dir.path());
    let repeat = log.append(newest).await.unwrap();
    assert!(repeat.repeated);
    assert_eq!(repeat.last_position, log.status().await.unwrap().head);
    assert!(log.append(first(Expected::NoStream)).await.unwrap().repeated);
}

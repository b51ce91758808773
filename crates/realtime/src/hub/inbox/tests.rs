use uuid::Uuid;

use super::*;
use crate::socket::tests::socket;

const ID: ParticipantId = ParticipantId(Uuid::from_u128(1));
const OLD: SessionId = SessionId(Uuid::from_u128(2));
const NEW: SessionId = SessionId(Uuid::from_u128(3));

fn frame() -> Bytes {
    Bytes::from_static(b"frame")
}

#[tokio::test]
async fn a_session_that_ends_while_it_is_checked_does_not_get_in() {
    let (socket, _client) = socket().await;
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(socket), OLD);
    inboxes.end_sessions(ID, 5, Some(NEW), &frame());
    // The table was read before the end of the session was written to it.
    assert_eq!(inboxes.open(ID, key, 4, &Missed::default()), Err(Refusal::SessionEnded));
    assert_eq!(inboxes.alert(ID, 6, false, frame), 0);
}

#[tokio::test]
async fn old_news_of_sessions_closes_nobody() {
    let (socket, _client) = socket().await;
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(socket), NEW);
    inboxes.end_sessions(ID, 5, Some(OLD), &frame());
    assert_eq!(inboxes.open(ID, key, 7, &Missed::default()), Ok(0));
    inboxes.end_sessions(ID, 6, Some(OLD), &frame());
    assert_eq!(inboxes.alert(ID, 8, false, frame), 1);
}

#[tokio::test]
async fn each_alert_goes_to_all_listeners_once() {
    let ((one, _one), (two, _two)) = (socket().await, socket().await);
    let mut inboxes = Inboxes::default();
    let keys = [one, two].map(|socket| inboxes.reserve(ID, Arc::new(socket), OLD));
    assert_eq!(inboxes.alert(ID, 1, false, frame), 0, "nobody has been let in yet");
    for key in keys {
        inboxes.open(ID, key, 1, &Missed::default()).unwrap();
    }
    assert_eq!(inboxes.alert(ID, 2, false, frame), 2);
    assert_eq!(inboxes.alert(ID, 2, false, frame), 0);
    inboxes.remove(ID, keys[0]);
    assert_eq!(inboxes.alert(ID, 3, false, frame), 1);
    inboxes.remove(ID, keys[1]);
    assert!(inboxes.by_participant.is_empty(), "an inbox ends with its last listener");
}

#[tokio::test]
async fn an_alert_does_not_overtake_those_that_are_owed() {
    let (socket, _client) = socket().await;
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(socket), OLD);
    inboxes.open(ID, key, 1, &Missed::default()).unwrap();
    inboxes.alert(ID, 2, false, frame);
    assert_eq!(inboxes.owed(), []);

    inboxes.owe_alerts();
    assert_eq!(inboxes.alert(ID, 5, false, frame), 0);
    assert_eq!(inboxes.owed_alerts(ID), Some(OwedAlerts { after: 2, up_to: 5 }));
    assert_eq!(
        inboxes.next_urgent(),
        Some(ID),
        "one is held back, so this one is not in turn with all who are owed some"
    );
    assert_eq!(inboxes.alert(ID, 3, true, frame), 1);
    assert_eq!(inboxes.settle_alerts(ID, 5), Settled::Lacking);
    assert_eq!(inboxes.alert(ID, 7, false, frame), 0);
    assert_eq!(inboxes.next_urgent(), None);
    assert_eq!(inboxes.settle_alerts(ID, 5), Settled::MoreCame);
    for position in [5, 7] {
        assert_eq!(inboxes.alert(ID, position, true, frame), 1);
    }
    assert_eq!(inboxes.settle_alerts(ID, 7), Settled::Whole);
    assert_eq!(inboxes.owed(), []);
    assert_eq!(inboxes.alert(ID, 7, false, frame), 0, "a repeat");
    assert_eq!(inboxes.alert(ID, 8, false, frame), 1);
}

#[tokio::test]
async fn who_returns_is_told_once_what_it_missed_and_what_came_meanwhile() {
    let ((here, _here), (returns, _returns)) = (socket().await, socket().await);
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(here), OLD);
    inboxes.open(ID, key, 1, &Missed::default()).unwrap();
    assert_eq!(inboxes.alert(ID, 2, false, frame), 1);

    let key = inboxes.reserve(ID, Arc::new(returns), OLD);
    assert_eq!(inboxes.alert(ID, 3, false, frame), 1, "only who was let in");
    assert_eq!(inboxes.alert(ID, 4, false, frame), 1);
    // The tables were read when they had taken 3.
    let missed = Missed { alerts: [(2, frame()), (3, frame())].into(), read_up_to: 3 };
    assert_eq!(inboxes.open(ID, key, 1, &missed), Ok(3));
    assert_eq!(inboxes.alert(ID, 5, false, frame), 2);
}

#[tokio::test]
async fn who_returns_while_others_are_owed_is_told_nothing_twice() {
    let ((here, _here), (returns, _returns)) = (socket().await, socket().await);
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(here), OLD);
    inboxes.open(ID, key, 1, &Missed::default()).unwrap();
    inboxes.owe_alerts();
    let key = inboxes.reserve(ID, Arc::new(returns), OLD);
    let missed = Missed { alerts: [(2, frame())].into(), read_up_to: 2 };
    assert_eq!(inboxes.open(ID, key, 2, &missed), Ok(1));
    assert_eq!(inboxes.owed_alerts(ID), Some(OwedAlerts { after: 1, up_to: 0 }));
    assert_eq!(inboxes.alert(ID, 2, true, frame), 1, "only who was owed it");
    assert_eq!(inboxes.alert(ID, 3, true, frame), 2);
}

#[tokio::test]
async fn who_is_being_let_in_is_owed_what_is_lost_meanwhile() {
    let (socket, _client) = socket().await;
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(socket), OLD);
    // Lost is 3, after the tables were read and before anybody was let in.
    inboxes.owe_alerts();
    assert_eq!(inboxes.owed_alerts(ID), None, "nobody can be told yet");
    assert_eq!(inboxes.alert(ID, 4, false, frame), 0);
    assert_eq!(inboxes.open(ID, key, 2, &Missed::default()), Ok(0));
    assert!(inboxes.is_owed(ID));
    assert_eq!(inboxes.owed_alerts(ID), Some(OwedAlerts { after: 2, up_to: 4 }));
    for position in [3, 4] {
        assert_eq!(inboxes.alert(ID, position, true, frame), 1);
    }
    assert_eq!(inboxes.settle_alerts(ID, 4), Settled::Whole);
}

#[tokio::test]
async fn alerts_that_wait_for_a_check_are_bounded() {
    let (socket, _client) = socket().await;
    let mut inboxes = Inboxes::default();
    let key = inboxes.reserve(ID, Arc::new(socket), OLD);
    for position in 2..1_000 {
        assert_eq!(inboxes.alert(ID, position, false, frame), 0);
    }
    assert_eq!(inboxes.open(ID, key, 1, &Missed::default()), Ok(WAITING_ALERTS_MAX));
}

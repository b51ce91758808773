//! One server on its bad days.

use nimaora_local_servers::{Nats, NatsOptions, scratch};

use super::*;

/// Answers in time, so that a test of an outage is short.
async fn connect(nats: &Nats) -> Arc<JetStreamLog> {
    let config = JetStreamConfig {
        append_timeout_ms: 1_500,
        read_timeout_ms: 1_500,
        ..JetStreamConfig::new(&nats.url(), Clock::system())
    };
    JetStreamLog::connect(config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_kill_and_writing_goes_on() {
    let dir = scratch().unwrap();
    let mut nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&nats).await;
    let (tell, until) = tokio::sync::oneshot::channel();
    let follower = tokio::spawn(follow(Arc::clone(&log), until));
    let (mut written, mut last) = (Vec::new(), None);
    for _ in 0..3 {
        for _ in 0..5 {
            let append = append("battle-1", behind(last), 3);
            last = Some(persist(&log, &append).await.last_revision);
            written.extend(append.events.iter().map(|event| event.id));
        }
        nats.process.kill().await;
        nats.start_again().await.unwrap();
    }
    // The connection may not be there again yet.
    let append = append("battle-1", behind(last), 1);
    persist(&log, &append).await;
    written.push(append.events[0].id);
    assert_eq!(ids_of(&log, "battle-1").await, written);
    tell.send(written.len()).unwrap();
    let seen = follower.await.unwrap();
    assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_told_in_time_and_nothing_is_written_twice() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&nats).await;
    let first = append("battle-1", Expected::NoStream, 2);
    log.append(first.clone()).await.unwrap();

    nats.process.pause();
    let second = append("battle-1", Expected::Exact(1), 2);
    let answer = log.append(second.clone()).await;
    assert!(matches!(answer, Err(AppendError::UnknownOutcome { .. })), "{answer:?}");
    let read = log.read_stream("battle-1", 0, Direction::Forwards, 10).await;
    assert!(matches!(read, Err(ReadError::Unavailable { .. })), "{read:?}");
    let subscribed = log.subscribe(0, Filter::default()).await.err();
    assert!(matches!(subscribed, Some(ReadError::Unavailable { .. })), "{subscribed:?}");

    nats.process.resume();
    let appended = persist(&log, &second).await;
    assert_eq!(appended.last_revision, 3);
    let promised: Vec<_> = first.events.iter().chain(&second.events).map(|event| event.id).collect();
    assert_eq!(ids_of(&log, "battle-1").await, promised);
}

#[tokio::test]
async fn opening_a_log_that_is_not_there_ends() {
    let config = JetStreamConfig {
        connect_timeout_ms: 300,
        ..JetStreamConfig::new("nats://127.0.0.1:1", Clock::system())
    };
    let opened = JetStreamLog::connect(config).await.err().unwrap();
    assert!(opened.to_string().contains("try again"), "{opened}");
    let wrong = JetStreamConfig::new("http://me:secret@127.0.0.1:1", Clock::system());
    assert!(!format!("{wrong:?}").contains("secret"));
    let opened = JetStreamLog::connect(wrong).await.err().unwrap().to_string();
    assert!(opened.contains("nats://") && !opened.contains("secret"), "{opened}");
}

#[tokio::test]
async fn a_stream_that_forgets_is_refused() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let forgetful = async_nats::jetstream::stream::Config {
        name: "NIMAORA_LOG".into(),
        subjects: vec!["nimaora.log.>".into()],
        max_messages: 10,
        ..Default::default()
    };
    async_nats::jetstream::new(client).create_stream(forgetful).await.unwrap();
    let opened =
        JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.err().unwrap();
    assert!(opened.to_string().contains("max_msgs"), "{opened}");
}

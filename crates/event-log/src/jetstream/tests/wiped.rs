//! The data goes away under a process that runs.

use std::time::Duration;

use nimaora_local_servers::{Nats, NatsOptions, scratch};

use super::*;

async fn connect(nats: &Nats) -> Arc<JetStreamLog> {
    let config = JetStreamConfig {
        append_timeout_ms: 3_000,
        read_timeout_ms: 3_000,
        ..JetStreamConfig::new(&nats.url(), Clock::system())
    };
    JetStreamLog::connect(config).await.unwrap()
}

/// Nothing goes into the log and nothing is believed of it, and whoever asks is told why.
async fn is_refused(log: &JetStreamLog, why: &str) {
    for appended in [append("battle-1", Expected::Exact(1), 1), append("battle-2", Expected::NoStream, 1)] {
        let told = log.append(appended).await.unwrap_err().to_string();
        assert!(told.contains(why) && told.contains("restore the stream from a copy"), "{told}");
    }
    for stream in ["battle-1", "battle-2"] {
        let told = log.read_stream(stream, 0, Direction::Forwards, 1).await.unwrap_err();
        assert!(matches!(told, ReadError::Damaged { .. }) && told.to_string().contains(why), "{told}");
    }
    assert!(matches!(log.status().await, Err(ReadError::Damaged { .. })));
    assert!(matches!(log.subscribe(0, Filter::default()).await.err(), Some(ReadError::Damaged { .. })));
}

/// Waits until a subscription that was live ends.
async fn end_of(mut subscription: Box<dyn crate::log::Subscription>) -> ReadError {
    let ended = async {
        loop {
            if let Err(error) = subscription.next().await {
                return error;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it goes on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_deleted_and_made_anew_takes_nothing_of_those_who_knew_the_old_one() {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&nats).await;
    log.append(append("battle-1", Expected::NoStream, 2)).await.unwrap();
    let subscription = log.subscribe(0, Filter::default()).await.unwrap();

    let context = async_nats::jetstream::new(log.store.client.clone());
    context.delete_stream(&log.store.config.stream).await.unwrap();
    let anew = connect(&nats).await;
    is_refused(&log, "it was made anew").await;
    assert!(matches!(end_of(subscription).await, ReadError::Damaged { .. }));
    assert_eq!(anew.status().await.unwrap().head, 0);
    // Also once there is more in it than the old one had.
    for number in 0..5 {
        anew.append(append(&format!("battle-{number}"), Expected::Any, 1)).await.unwrap();
    }
    is_refused(&log, "it was made anew").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_with_an_empty_folder_takes_nothing() {
    let dir = scratch().unwrap();
    let mut nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&nats).await;
    log.append(append("battle-1", Expected::NoStream, 2)).await.unwrap();
    let subscription = log.subscribe(0, Filter::default()).await.unwrap();
    nats.process.kill().await;
    let (data, away) = (dir.path().join("jetstream"), dir.path().join("away"));
    std::fs::rename(&data, &away).unwrap();
    nats.start_again().await.unwrap();
    assert!(matches!(end_of(subscription).await, ReadError::Damaged { .. } | ReadError::Unavailable { .. }));
    connected(&log).await;
    is_refused(&log, "it is not there any more").await;

    // The folder comes back, and all is well.
    nats.process.kill().await;
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&away, &data).unwrap();
    nats.start_again().await.unwrap();
    connected(&log).await;
    persist(&log, &append("battle-1", Expected::Exact(1), 1)).await;
    assert_eq!(ids_of(&log, "battle-1").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_under_a_running_process_takes_nothing() {
    let dir = scratch().unwrap();
    let mut nats = Nats::start(dir.path(), NatsOptions::default()).await.unwrap();
    let log = connect(&nats).await;
    log.append(append("battle-1", Expected::NoStream, 2)).await.unwrap();
    nats.process.stop().await;
    let (data, copy) = (dir.path().join("jetstream"), dir.path().join("copy"));
    copy_folder(&data, &copy);
    nats.start_again().await.unwrap();
    connected(&log).await;
    persist(&log, &append("battle-1", Expected::Exact(1), 2)).await;
    nats.process.kill().await;
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&copy, &data).unwrap();
    nats.start_again().await.unwrap();
    connected(&log).await;
    is_refused(&log, "it ends at message 1, and message 2 was there").await;
}

/// Waits until the log has a connection again.
async fn connected(log: &JetStreamLog) {
    let again = async {
        while log.store.client.flush().await.is_err() || !log.store.is_connected() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("there is no connection");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

//! Whether the servers sync before they acknowledge, as they themselves tell.

use std::time::Duration;

use nimaora_local_servers::{Nats, NatsOptions, Program, scratch};

use super::*;
use crate::jetstream::Syncing;

async fn told(options: NatsOptions, more: Option<&str>) -> (Syncing, Nats) {
    let dir = scratch().unwrap();
    let nats = Nats::start(dir.path(), options).await.unwrap();
    let mut config = JetStreamConfig::new(&nats.url(), Clock::system());
    config.monitors = [nats.monitor_url()].into_iter().chain(more.map(str::to_owned)).collect();
    (JetStreamLog::connect(config).await.unwrap().syncing().clone(), nats)
}

#[tokio::test]
async fn it_is_told_exactly_where_the_servers_can_be_asked() {
    assert_eq!(told(NatsOptions::default(), None).await.0, Syncing::BeforeAnswers);
    let later = NatsOptions { sync_always: false, ..NatsOptions::default() };
    let (syncing, nats) = told(later, None).await;
    let every = Some(Duration::from_secs(120));
    assert_eq!(syncing, Syncing::Later { monitor: nats.monitor_url(), every });
    // NATS before 2.10 has no such setting.
    let old = NatsOptions { program: Program::NatsOfDebian, sync_always: false };
    let (syncing, nats) = told(old, None).await;
    assert_eq!(syncing, Syncing::Later { monitor: nats.monitor_url(), every: None });
}

#[tokio::test]
async fn what_is_not_known_is_not_taken_for_good() {
    let nobody = "http://127.0.0.1:1";
    let (syncing, nats) = told(NatsOptions::default(), Some(nobody)).await;
    assert!(matches!(&syncing, Syncing::Unknown { reason } if reason.contains(nobody)), "{syncing:?}");
    // The port of clients speaks another protocol.
    let other = nats.url().replace("nats://", "http://");
    let config = JetStreamConfig {
        monitors: vec![other.clone()],
        ..JetStreamConfig::new(&nats.url(), Clock::system())
    };
    let syncing = JetStreamLog::connect(config).await.unwrap().syncing().clone();
    assert!(matches!(&syncing, Syncing::Unknown { reason } if reason.contains(&other)), "{syncing:?}");
    let log = JetStreamLog::connect(JetStreamConfig::new(&nats.url(), Clock::system())).await.unwrap();
    assert!(matches!(log.syncing(), Syncing::Unknown { .. }));

    let config = JetStreamConfig {
        monitors: vec!["https://127.0.0.1:8222".into()],
        ..JetStreamConfig::new(&nats.url(), Clock::system())
    };
    let refused = JetStreamLog::connect(config).await.err().unwrap().to_string();
    assert!(refused.contains("http://"), "{refused}");
}

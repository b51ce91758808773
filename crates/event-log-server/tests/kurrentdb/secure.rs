//! Who may write battles, and over what.

use nimaora_domain::Timestamp;
use nimaora_event_log::kurrentdb::KurrentDbLog;
use nimaora_event_log::{Append, AppendError, EventLog, Expected};
use nimaora_event_log_server::Tls;
use nimaora_local_servers::Certificates;
use nimaora_runtime::Clock;
use nimaora_sessions::{Claims, Role, TokenSigner};

use super::stage::{PASSWORD, Server, anywhere, append, config, ids_of, persist};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_node_with_the_password_writes_battles_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), anywhere()).await;
    let wrong = format!("{PASSWORD}x");
    for who in ["", "node:wrong@", &format!("node:{wrong}@"), &format!("admin:{PASSWORD}@")] {
        let settings = config(&format!("kurrentdb://{who}{}?tls=false", server.address));
        let opened = KurrentDbLog::connect(settings).await.err().unwrap().to_string();
        assert!(opened.contains("denies access"), "{who}: {opened}");
        assert!(!opened.contains(PASSWORD), "{opened}");
    }

    // An auditor reads, and writes no battle.
    let expires_at = Timestamp::from_millis(Clock::system().now_ms() + 3_600_000);
    let token = TokenSigner::from_seed([7; 32]).issue(&Claims { role: Role::Admin, expires_at });
    let settings = config(&format!("kurrentdb://admin:{token}@{}?tls=false", server.address));
    let auditor = KurrentDbLog::connect(settings).await.unwrap();
    denied(&auditor, append("battle-1", Expected::NoStream, 1)).await;

    let node = KurrentDbLog::connect(server.config()).await.unwrap();
    denied(&node, append("notes", Expected::NoStream, 1)).await;
    let battle = append("battle-1", Expected::NoStream, 1);
    persist(&node, &battle).await;
    assert_eq!(ids_of(&auditor, "battle-1").await, [battle.events[0].id]);
    server.stop().await;
}

async fn denied(log: &KurrentDbLog, append: Append) {
    let refused = log.append(append).await.unwrap_err();
    let told = matches!(&refused, AppendError::Unavailable { reason } if reason.contains("denies access"));
    assert!(told, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_checked_against_the_authority_of_the_connection_string() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Certificates::make(&dir.path().join("ours")).unwrap();
    let others = Certificates::make(&dir.path().join("others")).unwrap();
    let tls = Tls::load(&ours.certificate, &ours.key).unwrap();
    let server = Server::start_with(&dir.path().join("log"), anywhere(), Some(tls)).await;
    let port = server.address.port();
    let url = |trusted: &Certificates| {
        let file = trusted.authority.display();
        format!("kurrentdb://node:{PASSWORD}@localhost:{port}?tls=true&tlsCaFile={file}")
    };
    let log = KurrentDbLog::connect(config(&url(&ours))).await.unwrap();
    let battle = append("battle-1", Expected::NoStream, 2);
    persist(&log, &battle).await;
    assert_eq!(ids_of(&log, "battle-1").await.len(), 2);

    let mut settings = config(&url(&others));
    settings.connect_timeout_ms = 500;
    assert!(KurrentDbLog::connect(settings).await.is_err());
    server.stop().await;
}

//! Groups of commands, on servers that take small messages: a group travels as one.

use nimaora_api::details;

use crate::support::Cluster;

/// What NATS takes unless it is told otherwise.
const USUAL: &str = "max_payload: 1048576";

#[tokio::test]
async fn a_hot_battle_is_served_by_a_nats_server_that_takes_no_more_than_1_mib() {
    // Together some 3 MB, of which as many are decided at a time as come while an append is under way.
    const ANSWERS: usize = 48;
    let answer = "a".repeat(60 * 1024);
    let mut cluster = Cluster::start_on_jetstream(1, USUAL).await;
    let tokens = cluster.essays(0, ANSWERS).await;
    let answers = tokens.iter().map(|token| cluster.hand_in(0, token, &answer));
    for answered in futures::future::join_all(answers).await {
        answered.unwrap();
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_command_that_is_larger_than_a_message_is_refused_alone() {
    let mut cluster = Cluster::start_on_jetstream(1, "max_payload: 16384").await;
    let refused = cluster.create(0, &"a".repeat(16 * 1024)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
    assert_eq!(details::reason(&refused).as_deref(), Some("COMMAND_TOO_LARGE"));
    let tokens = cluster.essays(0, 2).await;
    let refused = cluster.hand_in(0, &tokens[0], &"a".repeat(20 * 1024)).await.unwrap_err();
    assert_eq!(details::reason(&refused).as_deref(), Some("COMMAND_TOO_LARGE"), "{refused:?}");
    // It has left no trace: its participant can still answer, and so can the others.
    for token in &tokens {
        cluster.hand_in(0, token, "briefly").await.unwrap();
    }
    cluster.stop().await;
}

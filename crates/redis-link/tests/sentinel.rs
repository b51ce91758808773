//! A master that is killed or hangs, and sentinels that make another one of its replica.
#![allow(clippy::unwrap_used, reason = "a suite of assertions")]

use std::time::Duration;

use nimaora_local_servers::{Certificates, RedisSentinels, SentinelOptions, scratch};
use nimaora_redis_link::{Link, LinkConfig};
use redis::{Cmd, RedisError};

/// A failover takes some seconds, on a busy machine more.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody waits who has others to ask.
const IMPATIENT: Duration = Duration::from_millis(200);

fn link(url: &str) -> Link {
    link_trusting(url, None)
}

fn link_trusting(url: &str, root_certificates: Option<&[u8]>) -> Link {
    let (connect_timeout, response_timeout) = (Duration::from_secs(2), Duration::from_secs(2));
    Link::new(&LinkConfig { url, root_certificates, connect_timeout, response_timeout }).unwrap()
}

fn set(value: u32) -> Cmd {
    let mut set = Cmd::new();
    set.arg("SET").arg("key").arg(value);
    set
}

fn get() -> Cmd {
    let mut get = Cmd::new();
    get.arg("GET").arg("key");
    get
}

/// Asks again and again, each time for a moment only, until the answer is yes.
async fn until(link: &Link, question: &Cmd, yes: impl Fn(redis::Value) -> bool) {
    let asking = async {
        loop {
            let answer: Result<Result<redis::Value, RedisError>, _> =
                tokio::time::timeout(IMPATIENT, link.run(question)).await;
            if let Ok(Ok(answer)) = answer
                && yes(answer)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

#[tokio::test]
async fn the_next_master_is_used_when_the_first_is_killed() {
    let dir = scratch().unwrap();
    let mut all = RedisSentinels::start(dir.path()).await.unwrap();
    let link = link(&all.url());
    until(&link, &set(1), |_| true).await;
    all.servers[0].process.kill().await;
    until(&link, &set(2), |_| true).await;
    assert_eq!(all.servers[1].by_hand("GET key").await.unwrap(), "2");
    // The first one comes back, and is a replica now.
    all.servers[0].start_again().await.unwrap();
    until(&link, &set(3), |_| true).await;
    assert_eq!(all.servers[1].by_hand("GET key").await.unwrap(), "3");
}

#[tokio::test]
async fn the_next_master_is_used_when_the_first_hangs() {
    let dir = scratch().unwrap();
    let all = RedisSentinels::start(dir.path()).await.unwrap();
    let link = link(&all.url());
    until(&link, &set(1), |_| true).await;
    all.servers[0].process.pause();
    until(&link, &set(2), |_| true).await;
    assert_eq!(all.servers[1].by_hand("GET key").await.unwrap(), "2");
    all.servers[0].process.resume();
    until(&link, &get(), |answer| answer == redis::Value::BulkString(b"2".to_vec())).await;
}

#[tokio::test]
async fn one_sentinel_that_is_gone_and_one_that_hangs_leave_one_to_ask() {
    let dir = scratch().unwrap();
    let mut all = RedisSentinels::start(dir.path()).await.unwrap();
    all.sentinels[0].process.kill().await;
    all.sentinels[1].process.pause();
    until(&link(&all.url()), &set(1), |_| true).await;
}

#[tokio::test]
async fn without_sentinels_it_says_so() {
    let dir = scratch().unwrap();
    let mut all = RedisSentinels::start(dir.path()).await.unwrap();
    for sentinel in &mut all.sentinels {
        sentinel.process.kill().await;
    }
    let answer: Result<redis::Value, RedisError> = link(&all.url()).run(&get()).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn servers_and_sentinels_have_passwords_of_their_own_also_after_a_failover() {
    let dir = scratch().unwrap();
    let options = SentinelOptions {
        password: Some("of-servers".to_owned()),
        sentinel_password: Some("of-sentinels".to_owned()),
        tls: None,
    };
    let mut all = RedisSentinels::start_with(dir.path(), options).await.unwrap();
    let right = link(&all.url());
    until(&right, &set(1), |_| true).await;
    for (known, unknown) in
        [("of-servers@", "wrong@"), ("=of-sentinels", "=wrong"), ("?sentinel_password=of-sentinels", "")]
    {
        let answer: Result<redis::Value, RedisError> =
            link(&all.url().replace(known, unknown)).run(&get()).await;
        assert!(answer.is_err(), "with {unknown} for {known}: {answer:?}");
    }
    all.servers[0].process.kill().await;
    until(&right, &set(2), |_| true).await;
    assert_eq!(all.servers[1].by_hand_with("of-servers", "GET key").await.unwrap(), "2");
}

#[tokio::test]
async fn sentinels_and_servers_speak_tls_also_after_a_failover() {
    let dir = scratch().unwrap();
    let certificates = Certificates::make(&dir.path().join("certificates")).unwrap();
    let authority = std::fs::read(&certificates.authority).unwrap();
    let options = SentinelOptions {
        password: Some("of-servers".to_owned()),
        sentinel_password: Some("of-sentinels".to_owned()),
        tls: Some(certificates),
    };
    let mut all = RedisSentinels::start_with(dir.path(), options).await.unwrap();
    assert!(all.url().starts_with("rediss+sentinel://"), "{}", all.url());
    let trusting = link_trusting(&all.url(), Some(&authority));
    until(&trusting, &set(1), |_| true).await;
    // The system's own authorities have not signed these.
    let answer: Result<redis::Value, RedisError> = link(&all.url()).run(&get()).await;
    assert!(answer.is_err(), "{answer:?}");
    all.servers[0].process.kill().await;
    until(&trusting, &set(2), |_| true).await;
    assert_eq!(all.servers[1].by_hand_with("of-servers", "GET key").await.unwrap(), "2");
}

//! Leadership as a lease in a NATS key-value bucket: one key that its holder refreshes and that goes away when it does not.

use std::time::Duration;

use async_nats::jetstream::kv::{self, Store};
use async_nats::jetstream::{self, stream::StorageType};
use async_nats::{Client, ConnectOptions};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::{Leadership, Term};

/// The bucket, and its one key.
const BUCKET: &str = "nimaora-projection";
const KEY: &str = "leader";
/// How long a lease lasts that is not refreshed. Then another process may lead.
const LEASE: Duration = Duration::from_secs(3);
/// How often a lease is refreshed.
const REFRESH_EVERY: Duration = Duration::from_millis(750);
/// A leader that could not ask for so long leads no more. It is longer than the lease: while the bucket has no leader, which takes some
/// seconds after a NATS server died, nobody else can claim either. Should somebody have claimed while only this process was cut off,
/// the tables take what the first of the two writes, and the other one gives way.
const BELIEVE: Duration = Duration::from_secs(20);
/// Silence on the connection after which the server is asked whether it is there; a server that hangs is left after some of them.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How often those who stand by try to lead; up to as much again is added by chance.
const TRY_EVERY_MS: u64 = 400;
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Why leadership could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot use NATS for choosing the projection that is at work: {reason}; check stores.ownership")]
pub struct LeadershipError {
    /// What hinders it.
    reason: String,
}

/// Leadership among all processes that name the same NATS servers.
pub struct NatsLeadership {
    client: Client,
    replicas: usize,
    /// Who holds the lease: the name for people who look, and a number that no other process has.
    name: Bytes,
    believe: Duration,
}

impl NatsLeadership {
    /// Connects to `url` (several servers with commas). The connection comes back by itself whenever it is lost.
    ///
    /// # Errors
    /// [`LeadershipError`]: the URL is none.
    pub async fn connect(url: &str, replicas: usize, name: &str) -> Result<Self, LeadershipError> {
        let servers: Vec<&str> = url.split(',').collect();
        let failed = |error: async_nats::ConnectError| LeadershipError { reason: error.to_string() };
        let options = ConnectOptions::new()
            .name("nimaora-projection")
            .ping_interval(PING_EVERY)
            .retry_on_initial_connect();
        let client = options.connect(servers).await.map_err(failed)?;
        let name = format!("{name} {:016x}", fastrand::u64(..));
        Ok(Self { client, replicas, name: name.into(), believe: BELIEVE })
    }

    /// A leader that could not ask for so long leads no more, instead of after 20 s.
    #[must_use]
    pub fn believing_for(self, believe: Duration) -> Self {
        Self { believe, ..self }
    }

    async fn bucket(&self) -> Option<Store> {
        let context = jetstream::new(self.client.clone());
        if let Ok(bucket) = context.get_key_value(BUCKET).await {
            return Some(bucket);
        }
        let config = kv::Config {
            bucket: BUCKET.to_owned(),
            history: 1,
            max_age: LEASE,
            storage: StorageType::Memory,
            num_replicas: self.replicas,
            ..kv::Config::default()
        };
        // Two that make it at the same moment make the same one.
        context.create_key_value(config).await.ok()
    }

    /// A term, if nobody leads.
    async fn claim(&self) -> Option<NatsTerm> {
        let bucket = self.bucket().await?;
        let claimed = Instant::now();
        let revision = bucket.create(KEY, self.name.clone()).await.ok()?;
        let (name, believe) = (self.name.clone(), self.believe);
        Some(NatsTerm { bucket, revision, name, refreshed: claimed, believe })
    }
}

#[async_trait]
impl Leadership for NatsLeadership {
    async fn lead(&self) -> Box<dyn Term> {
        loop {
            if let Ok(Some(term)) = timeout(REQUEST_TIMEOUT, self.claim()).await {
                return Box::new(term);
            }
            sleep(Duration::from_millis(TRY_EVERY_MS + fastrand::u64(..TRY_EVERY_MS))).await;
        }
    }
}

/// A lease that is held.
struct NatsTerm {
    bucket: Store,
    revision: u64,
    name: Bytes,
    /// When the request that was granted last was sent.
    refreshed: Instant,
    believe: Duration,
}

/// What a refresh came to.
enum Refreshed {
    Held,
    /// Somebody else holds the lease, or nobody.
    Lost,
    /// It is not known.
    Unknown,
}

impl NatsTerm {
    async fn refresh(&mut self) -> Refreshed {
        let sent = Instant::now();
        match timeout(REQUEST_TIMEOUT, self.bucket.update(KEY, self.name.clone(), self.revision)).await {
            Ok(Ok(revision)) => {
                (self.revision, self.refreshed) = (revision, sent);
                Refreshed::Held
            }
            Ok(Err(error)) if error.kind() == kv::UpdateErrorKind::WrongLastRevision => {
                self.claim_again(sent).await
            }
            Ok(Err(_)) | Err(_) => Refreshed::Unknown,
        }
    }

    /// A lease that ran out while the bucket could not be used is claimed again, unless somebody was faster.
    async fn claim_again(&mut self, sent: Instant) -> Refreshed {
        match timeout(REQUEST_TIMEOUT, self.bucket.create(KEY, self.name.clone())).await {
            Ok(Ok(revision)) => {
                (self.revision, self.refreshed) = (revision, sent);
                Refreshed::Held
            }
            Ok(Err(error)) if error.kind() == kv::CreateErrorKind::AlreadyExists => {
                self.look_whose_it_is(sent).await
            }
            Ok(Err(_)) | Err(_) => Refreshed::Unknown,
        }
    }

    /// A lease that this process wrote without hearing of it is its own.
    async fn look_whose_it_is(&mut self, sent: Instant) -> Refreshed {
        match timeout(REQUEST_TIMEOUT, self.bucket.entry(KEY)).await {
            Ok(Ok(Some(lease))) if lease.operation == kv::Operation::Put && lease.value == self.name => {
                (self.revision, self.refreshed) = (lease.revision, sent);
                Refreshed::Held
            }
            Ok(Ok(_)) => Refreshed::Lost,
            Ok(Err(_)) | Err(_) => Refreshed::Unknown,
        }
    }
}

#[async_trait]
impl Term for NatsTerm {
    async fn over(&mut self) {
        let mut ticks = interval_at(self.refreshed + REFRESH_EVERY, REFRESH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.refresh().await {
                Refreshed::Held => {}
                Refreshed::Lost => return,
                Refreshed::Unknown if self.refreshed.elapsed() >= self.believe => return,
                Refreshed::Unknown => {}
            }
        }
    }

    async fn resign(self: Box<Self>) {
        // A lease that cannot be given back runs out.
        let _ = timeout(REQUEST_TIMEOUT, self.bucket.delete_expect_revision(KEY, Some(self.revision))).await;
    }
}

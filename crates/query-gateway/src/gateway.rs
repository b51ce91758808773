//! The query gateway put together: what it is made from, and what every query works with.

use std::sync::Arc;

use nimaora_api::v1::query_service_server::QueryServiceServer;
use nimaora_change_bus::ChangeBus;
use nimaora_read_models::{Leaderboard, ReadModels, Wholeness};
use nimaora_runtime::{Clock, Shutdown};
use nimaora_sessions::TokenVerifier;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;

use crate::boards::Boards;
use crate::config::{Config, REQUEST_BYTES_MAX};
use crate::grpc::Queries;
use crate::tables::Tables;
use crate::waiting::{Caller, Followers, Places};
use crate::watch::Watches;

/// What the query gateway stands on.
pub struct Deps {
    /// Answers for boards, as long as it can.
    pub leaderboard: Arc<dyn Leaderboard>,
    /// Answers everything else, and for boards when the leaderboard cannot.
    pub read_models: Arc<dyn ReadModels>,
    /// The same with a replica before it, if there is one. It may be behind, and is asked wherever that does no harm.
    pub replica: Option<Arc<dyn ReadModels>>,
    /// Tells when a battle changed.
    pub bus: Arc<dyn ChangeBus>,
    /// Checks tokens.
    pub verifier: Arc<TokenVerifier>,
    /// What time it is: it says which questions are open.
    pub clock: Clock,
}

/// Answers queries. Cheap to clone.
#[derive(Clone)]
pub struct QueryGateway {
    core: Arc<Core>,
}

/// What every query works with.
pub(crate) struct Core {
    pub(crate) tables: Tables,
    pub(crate) wholeness: Wholeness,
    pub(crate) boards: Arc<Boards>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) shutdown: Shutdown,
    /// A permit for each query that is worked on.
    pub(crate) in_flight: Semaphore,
    /// A place for each query that waits for a position.
    pub(crate) places: Places,
    /// Whoever waits hears from them when to look again.
    pub(crate) followers: Followers,
}

impl QueryGateway {
    /// A gateway that answers until its server stops. When `shutdown` is requested, waiting queries and watches end with
    /// `UNAVAILABLE`; others are answered still.
    pub fn new(deps: Deps, config: Config, shutdown: &Shutdown) -> Self {
        let tables = Tables::new(deps.read_models, deps.replica);
        let boards = Arc::new(Boards::new(deps.leaderboard, tables.clone(), &config));
        let watches =
            Watches::new(Arc::clone(&boards), tables.clone(), Arc::clone(&deps.bus), &config, shutdown);
        let core = Core {
            tables,
            wholeness: Wholeness::default(),
            boards,
            watches: Arc::new(watches),
            verifier: deps.verifier,
            clock: deps.clock,
            in_flight: Semaphore::new(config.queries_max),
            places: Places::new(&config),
            followers: Followers::new(deps.bus, config.read_timeout(), shutdown),
            config,
            shutdown: shutdown.clone(),
        };
        Self { core: Arc::new(core) }
    }

    /// The gRPC service.
    pub fn grpc(&self) -> QueryServiceServer<Queries> {
        QueryServiceServer::new(Queries::new(Arc::clone(&self.core)))
            .max_decoding_message_size(REQUEST_BYTES_MAX)
    }
}

impl Core {
    /// Who makes a call that needs no token.
    pub(crate) fn caller(&self, metadata: &MetadataMap) -> Caller {
        Caller::of(metadata, &self.verifier, &self.clock)
    }
}

//! What this server can do, and where it is.

use std::net::SocketAddr;

use nimaora_runtime::Clock;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::convert::IdForm;
use crate::wire::client::Empty;
use crate::wire::client::gossip::gossip_server::Gossip;
use crate::wire::client::gossip::member_info::VNodeState;
use crate::wire::client::gossip::{ClusterInfo, EndPoint, MemberInfo};
use crate::wire::client::server_features::server_features_server::ServerFeatures;
use crate::wire::client::server_features::{SupportedMethod, SupportedMethods};

/// The version whose protocol this is, for clients that ask. Three numbers, or they refuse it.
const VERSION: &str = "25.1.0";
const STREAMS: &str = "event_store.client.streams.streams";
const PERSISTENT: &str = "event_store.client.persistent_subscriptions.persistentsubscriptions";
/// What is there: service, method, features; all in lower case.
const METHODS: &[(&str, &str, &[&str])] = &[
    (STREAMS, "read", &["position", "events"]),
    (STREAMS, "append", &[]),
    (STREAMS, "batchappend", &["deadline_duration"]),
    (STREAMS, "delete", &[]),
    (STREAMS, "tombstone", &[]),
    (PERSISTENT, "create", &["stream", "all"]),
    (PERSISTENT, "update", &["stream", "all"]),
    (PERSISTENT, "delete", &["stream", "all"]),
    (PERSISTENT, "read", &["stream", "all"]),
    (PERSISTENT, "getinfo", &["stream", "all"]),
    (PERSISTENT, "replayparked", &["stream", "all"]),
    (PERSISTENT, "list", &["stream", "all"]),
    (PERSISTENT, "restartsubsystem", &[]),
    ("event_store.client.gossip.gossip", "read", &[]),
    ("event_store.client.server_features.serverfeatures", "getsupportedmethods", &[]),
];

pub(crate) struct Features;

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(&self, _: Request<Empty>) -> Result<Response<SupportedMethods>, Status> {
        let methods = METHODS.iter().map(|(service, method, features)| SupportedMethod {
            method_name: (*method).to_owned(),
            service_name: (*service).to_owned(),
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
        });
        let (methods, version) = (methods.collect(), VERSION.to_owned());
        Ok(Response::new(SupportedMethods { methods, event_store_server_version: version }))
    }
}

/// This server as the only member and leader: whatever log is behind it, every server takes appends.
pub(crate) struct Alone {
    host: String,
    port: u16,
    id: Uuid,
    clock: Clock,
}

impl Alone {
    /// Clients are told `advertised` as host, or else the address that is listened on.
    pub(crate) fn new(listen: SocketAddr, advertised: Option<String>, clock: Clock) -> Self {
        let host = advertised.unwrap_or_else(|| listen.ip().to_string());
        Self { host, port: listen.port(), id: Uuid::new_v4(), clock }
    }
}

#[tonic::async_trait]
impl Gossip for Alone {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let member = MemberInfo {
            instance_id: Some(IdForm::Text.write(self.id)),
            time_stamp: self.clock.now_ms().saturating_mul(10_000),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(EndPoint { address: self.host.clone(), port: self.port.into() }),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}

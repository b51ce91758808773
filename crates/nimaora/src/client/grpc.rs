//! Commands and queries over one connection, with a token where one is needed.

use std::time::Duration;

use nimaora_api::v1::audit_service_client::AuditServiceClient;
use nimaora_api::v1::command_service_client::CommandServiceClient;
use nimaora_api::v1::projection_admin_service_client::ProjectionAdminServiceClient;
use nimaora_api::v1::query_service_client::QueryServiceClient;
use nimaora_api::v1::realtime_admin_service_client::RealtimeAdminServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint, Error};

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take, streams apart.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// One connection, for any number of calls at the same time. Clones share it; it is opened anew when it was lost.
#[derive(Clone, Debug)]
pub struct Connection(Channel);

impl Connection {
    /// Connects to `url`, as `http://HOST:PORT`.
    ///
    /// # Errors
    /// The URL is none, or nobody answers there.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let endpoint = Endpoint::from_shared(url.to_owned())?;
        Ok(Self(endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect().await?))
    }

    /// The calls that change a battle.
    pub fn commands(&self) -> CommandServiceClient<Channel> {
        CommandServiceClient::new(self.0.clone())
    }

    /// The calls that ask about battles.
    pub fn queries(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.0.clone())
    }

    /// The calls of an auditor.
    pub fn audits(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.0.clone())
    }

    /// The calls of an auditor about what players were told.
    pub fn realtime(&self) -> RealtimeAdminServiceClient<Channel> {
        RealtimeAdminServiceClient::new(self.0.clone())
    }

    /// The calls of an operator that ask about projections.
    pub fn projections(&self) -> ProjectionAdminServiceClient<Channel> {
        ProjectionAdminServiceClient::new(self.0.clone())
    }
}

/// The value of an `authorization` header for a token; `None` when the text cannot be one.
pub fn bearer(token: &str) -> Option<MetadataValue<Ascii>> {
    format!("Bearer {token}").parse().ok()
}

/// A request that carries a token, when there is one, and is given up after [`CALL_TIMEOUT`].
pub fn with_token<T>(message: T, token: Option<&MetadataValue<Ascii>>) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.clone());
    }
    request
}

/// A new command's id. Repeat a command with the same id when its answer was lost.
pub fn command_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

//! Who may do what: admins read everything and append to every stream that is not a battle's nor the protocol's own. Nodes that have
//! their log here may do the same, and alone append to battles' streams.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nimaora_runtime::Clock;
use nimaora_sessions::TokenVerifier;
use nimaora_sessions::token::{Claims, Role};
use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::{refusal, standing};

/// How the names of battles' streams begin.
const BATTLES: &str = "battle-";
/// How the names of the protocol's own streams begin.
const SYSTEM: &str = "$";

/// The name under which nodes come.
const NODE: &str = "node";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// An admin of the game: an auditor, or a tool.
    Admin,
    /// A node of ours whose log this is. It decides battles.
    Node,
}

/// What nodes identify themselves with.
#[derive(Clone)]
pub struct NodePassword(Arc<str>);

impl NodePassword {
    /// A password that is not empty.
    pub fn new(password: &str) -> Option<Self> {
        (!password.is_empty()).then(|| Self(password.into()))
    }

    /// Takes as long for each wrong password of this length.
    fn is(&self, other: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), other.as_bytes());
        let differing = own.iter().zip(other).fold(0, |differing, (own, other)| differing | (own ^ other));
        own.len() == other.len() && std::hint::black_box(differing) == 0
    }
}

/// Checks credentials. Clones share what was verified before.
#[derive(Clone)]
pub(crate) struct Access {
    verifier: Arc<TokenVerifier>,
    node_password: Option<NodePassword>,
    clock: Clock,
}

impl Access {
    pub(crate) fn new(verifier: TokenVerifier, node_password: Option<NodePassword>, clock: Clock) -> Self {
        Self { verifier: Arc::new(verifier), node_password, clock }
    }

    /// # Errors
    /// Access is denied.
    fn principal(&self, metadata: &MetadataMap) -> Result<Principal, Status> {
        let credentials = metadata.get("authorization").and_then(|value| basic(value.to_str().ok()?));
        let is_node = |(name, password): (String, String)| {
            name == NODE && self.node_password.as_ref().is_some_and(|node| node.is(&password))
        };
        match credentials.is_some_and(is_node) {
            true => Ok(Principal::Node),
            false => self.admin(metadata).map(|()| Principal::Admin),
        }
    }

    /// Lets whoever has an admin's token read: as `Bearer TOKEN`, or `Basic` with any name and the token as password.
    ///
    /// # Errors
    /// Access is denied.
    fn admin(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let Some(value) = metadata.get("authorization").and_then(|value| value.to_str().ok()) else {
            return Err(refusal::access_denied("this needs the credentials of an admin"));
        };
        let token = password(value).unwrap_or_else(|| value.to_owned());
        let claims: Claims = self
            .verifier
            .verify_bearer(Some(&token), self.clock.now_ms())
            .map_err(|error| Status::unauthenticated(error.to_string()))?;
        match claims.role {
            Role::Admin => Ok(()),
            _ => Err(refusal::access_denied("the token is not an admin's")),
        }
    }
}

/// Nothing of a request's body is read before its token has been checked.
impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let principal = self.principal(request.metadata())?;
        request.extensions_mut().insert(principal);
        Ok(request)
    }
}

/// Basic credentials as if the password had come as a bearer's token.
fn password(value: &str) -> Option<String> {
    let (_, password) = basic(value)?;
    Some(format!("Bearer {password}"))
}

/// Name and password of basic credentials.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Lets an admin append to the stream.
///
/// # Errors
/// It is a battle's stream or its metadata, or one of the protocol's own.
pub(crate) fn may_append(stream: &str) -> Result<(), Status> {
    may_end(standing::original_of(stream).unwrap_or(stream))
}

/// Lets an admin delete the stream, or end it.
///
/// # Errors
/// It is a battle's stream, or one of the protocol's own.
pub(crate) fn may_end(stream: &str) -> Result<(), Status> {
    if is_battle(stream) {
        return Err(refusal::access_denied("battles are decided by commands; their streams are read-only"));
    }
    if stream.starts_with(SYSTEM) {
        return Err(refusal::access_denied("streams of the protocol's own are written by the server only"));
    }
    Ok(())
}

/// Whether the stream is a battle's.
pub(crate) fn is_battle(stream: &str) -> bool {
    stream.starts_with(BATTLES)
}

//! Who may ask what only admins may.

use nimaora_api::details;
use nimaora_runtime::Clock;
use nimaora_sessions::{Role, TokenVerifier};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

/// Refuses everybody who brings no admin token.
pub(crate) fn require_admin(
    verifier: &TokenVerifier,
    clock: &Clock,
    metadata: &MetadataMap,
) -> Result<(), Status> {
    // A value that is no text is no token either.
    let value = metadata.get("authorization").map(|value| value.to_str().unwrap_or_default());
    match verifier.verify_bearer(value, clock.now_ms()) {
        Ok(claims) => match claims.role {
            Role::Admin => Ok(()),
            Role::Participant { .. } => {
                Err(details::status(Code::PermissionDenied, "ADMIN_REQUIRED", "this needs the admin token"))
            }
        },
        Err(error) => Err(details::status(Code::Unauthenticated, error.reason(), error.to_string())),
    }
}

//! Ending all sockets of a user that has signed in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::signed::Signed;
use super::{Answer, ApiError};
use crate::cluster::Say;
use crate::hub::Hub;

/// `POST /apps/{app}/users/{user}/terminate_connections`.
pub(super) async fn terminate(State(hub): State<Arc<Hub>>, request: Signed) -> Answer {
    let user_id: Arc<str> =
        request.path.first().ok_or_else(|| ApiError::wrong("no user is named"))?.as_str().into();
    hub.tell_nodes(vec![Say::Terminate { user_id: Arc::clone(&user_id) }]).await?;
    hub.users.terminate(&user_id);
    Ok(Json(json!({})))
}

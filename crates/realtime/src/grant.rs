//! What is signed together with a channel's name: whose channel it is, or who the member is.
//!
//! It travels through the client as `channel_data`, so that any node can serve the subscription without asking another.

use std::collections::BTreeSet;
use std::sync::Arc;

use nimaora_domain::{BattleId, ParticipantId, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Position;
use crate::error::Refusal;
use crate::hub::halls::hall::Member;

/// The longest id of a member, in characters; the protocol's own bound.
const USER_ID_CHARS_MAX: usize = 128;
/// Users that one user watches; the protocol's own bound, as the others.
const WATCHLIST_USERS_MAX: usize = 100;
/// What is to be known of a member, in bytes; the protocol's own bound.
const USER_INFO_BYTES_MAX: usize = 1_024;

/// Says in which battle, and under which sign-in, a participant listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) battle_id: BattleId,
    pub(crate) session_id: SessionId,
    /// The position of the last alert that the client had, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Position>,
}

impl Grant {
    /// Reads what was signed. The signature must have been checked.
    pub(crate) fn read(data: Option<&str>) -> Result<Self, Refusal> {
        data.and_then(|data| serde_json::from_str(data).ok()).ok_or(Refusal::DataWrong)
    }

    /// The text to sign.
    pub(crate) fn write(&self) -> String {
        // Ids and a number hold nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Says who a member of a presence channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) member: Member,
    /// The sign-in under which a participant is a member of its battle; it goes when that ends.
    pub(crate) session_id: Option<SessionId>,
}

impl Membership {
    /// Reads what was signed, by a node or by the application's own server. The signature must have been checked.
    pub(crate) fn read(data: Option<&str>) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            user_id: &'a RawValue,
            #[serde(borrow, default)]
            user_info: Option<&'a RawValue>,
            #[serde(default)]
            session_id: Option<SessionId>,
        }
        let data = data.and_then(|data| serde_json::from_str::<Data<'_>>(data).ok());
        let data = data.ok_or(Refusal::DataWrong)?;
        let user_id = user_id(data.user_id.get()).ok_or(Refusal::DataWrong)?;
        // Clients count on an object.
        let info = data.user_info.map_or("{}", RawValue::get);
        if info.len() > USER_INFO_BYTES_MAX {
            return Err(Refusal::DataWrong);
        }
        Ok(Self { member: Member { user_id, info: info.into() }, session_id: data.session_id })
    }

    /// The membership of a user that has signed in and brings nothing else.
    pub(crate) fn of_user(user: &User) -> Self {
        let member = Member { user_id: Arc::clone(&user.id), info: Arc::clone(&user.info) };
        Self { member, session_id: None }
    }

    /// The text to sign for a participant of a battle.
    pub(crate) fn write(user_id: impl Serialize, username: &str, session_id: SessionId) -> String {
        #[derive(Serialize)]
        struct Info<'a> {
            username: &'a str,
        }
        #[derive(Serialize)]
        struct Data<'a, T> {
            user_id: T,
            user_info: Info<'a>,
            session_id: SessionId,
        }
        let data = Data { user_id, user_info: Info { username }, session_id };
        // Ids and a name hold nothing that JSON cannot say.
        serde_json::to_string(&data).unwrap_or_default()
    }
}

/// A user that signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: Arc<str>,
    pub(crate) info: Arc<str>,
    /// The battle and the sign-in of a participant; what it has as a user goes when that ends.
    pub(crate) session: Option<(BattleId, SessionId)>,
    /// The users whose coming and going it is told.
    pub(crate) watchlist: Vec<Arc<str>>,
}

impl User {
    /// Reads what was signed, by a node or by the application's own server. The signature must have been checked.
    pub(crate) fn read(data: &str) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
            #[serde(borrow, default)]
            user_info: Option<&'a RawValue>,
            #[serde(default)]
            battle_id: Option<BattleId>,
            #[serde(default)]
            session_id: Option<SessionId>,
            #[serde(borrow, default)]
            watchlist: Option<Vec<&'a RawValue>>,
        }
        let data: Data<'_> = serde_json::from_str(data).map_err(|_| Refusal::DataWrong)?;
        let info = data.user_info.map_or("{}", RawValue::get);
        if info.len() > USER_INFO_BYTES_MAX {
            return Err(Refusal::DataWrong);
        }
        let id = user_id(data.id.get()).ok_or(Refusal::DataWrong)?;
        let watched = data.watchlist.unwrap_or_default();
        if watched.len() > WATCHLIST_USERS_MAX {
            return Err(Refusal::WatchlistTooLong);
        }
        // Each once.
        let watchlist: Option<BTreeSet<_>> = watched.into_iter().map(|id| user_id(id.get())).collect();
        let watchlist = watchlist.ok_or(Refusal::DataWrong)?.into_iter().collect();
        Ok(Self { id, info: info.into(), session: data.battle_id.zip(data.session_id), watchlist })
    }

    /// The text to sign for a participant.
    pub(crate) fn write(
        id: ParticipantId,
        username: &str,
        battle_id: BattleId,
        session_id: SessionId,
    ) -> String {
        #[derive(Serialize)]
        struct Info<'a> {
            username: &'a str,
        }
        #[derive(Serialize)]
        struct Data<'a> {
            id: ParticipantId,
            user_info: Info<'a>,
            battle_id: BattleId,
            session_id: SessionId,
        }
        let data = Data { id, user_info: Info { username }, battle_id, session_id };
        // Ids and a name hold nothing that JSON cannot say.
        serde_json::to_string(&data).unwrap_or_default()
    }
}

/// A text or a whole number, as a text: clients take one for the other.
fn user_id(json: &str) -> Option<Arc<str>> {
    let id = match serde_json::from_str(json).ok()? {
        serde_json::Value::String(id) => id,
        serde_json::Value::Number(id) if id.is_i64() || id.is_u64() => id.to_string(),
        _ => return None,
    };
    (1..=USER_ID_CHARS_MAX).contains(&id.chars().count()).then(|| id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_as_servers_write_it() {
        for (data, id, info) in [
            (r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#, "10", r#"{"name":"Mr. Channels"}"#),
            (r#"{"user_id":"a","x":1}"#, "a", "{}"),
        ] {
            let member = Membership::read(Some(data)).unwrap().member;
            assert_eq!((&*member.user_id, &*member.info), (id, info));
        }
    }

    #[test]
    fn a_member_without_an_id_or_with_too_much_is_refused() {
        let long = format!(r#"{{"user_id":"{}"}}"#, "x".repeat(129));
        let large = format!(r#"{{"user_id":"a","user_info":"{}"}}"#, "x".repeat(1_024));
        for data in
            ["", "{}", "[]", r#"{"user_id":""}"#, r#"{"user_id":1.5}"#, r#"{"user_id":null}"#, &long, &large]
        {
            assert_eq!(Membership::read(Some(data)), Err(Refusal::DataWrong), "{data}");
        }
        assert_eq!(Membership::read(None), Err(Refusal::DataWrong));
    }
}

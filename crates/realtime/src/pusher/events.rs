//! What clients are told. Each function makes one frame, ready to be written to any number of sockets.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use nimaora_domain::{BattleId, ParticipantId, SessionId, Timestamp};
use nimaora_read_models::Board;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::requests::Misunderstood;
use crate::channel::Channel;
use crate::cluster::Event;
use crate::error::{CloseReason, Refusal};
use crate::hub::halls::roster::Presence;
use crate::websocket::encode;

type Position = u64;

/// The answer to the client's ping.
pub(crate) static PONG: LazyLock<Bytes> = LazyLock::new(|| event("pusher:pong", None, &Empty {}));
/// Asks whether the client is there.
pub(crate) static PING: LazyLock<Bytes> = LazyLock::new(|| event("pusher:ping", None, &Empty {}));

/// An attack on the participant whose channel it goes to: the reference's four fields, and what tells repeats apart.
#[derive(Debug, Serialize)]
pub(crate) struct AttackReceived<'a> {
    pub(crate) attacker: &'a str,
    pub(crate) blocked: bool,
    pub(crate) points_lost: u32,
    pub(crate) timestamp: Timestamp,
    pub(crate) event_id: Uuid,
    pub(crate) position: Position,
}

/// An attack, as those who look on are told of it.
#[derive(Debug, Serialize)]
pub(crate) struct Landed {
    pub(crate) attacker_id: ParticipantId,
    pub(crate) attacker: Arc<str>,
    pub(crate) target_id: ParticipantId,
    pub(crate) target: Arc<str>,
    pub(crate) blocked: bool,
    pub(crate) points_lost: u32,
    pub(crate) timestamp: Timestamp,
    pub(crate) event_id: Uuid,
    pub(crate) position: Position,
}

/// What a participant holds now, and where it stands.
#[derive(Debug, Serialize)]
pub(crate) struct ScoreChanged {
    pub(crate) points: u32,
    pub(crate) shields: u32,
    pub(crate) arrows: u32,
    /// Where it stands, if that can be told.
    pub(crate) rank: Option<u32>,
    /// How many stand on the board.
    pub(crate) total: Option<u32>,
    pub(crate) position: Position,
}

/// Something that a battle's or a participant's channel is told.
pub(crate) enum News<'a> {
    Board(&'a Board),
    Started { started_at: Option<Timestamp>, position: Position },
    Finished { finished_at: Option<Timestamp>, position: Position, standings: Option<&'a Board> },
    Cancelled { reason: Option<&'a str>, position: Position },
    Attack(AttackReceived<'a>),
    Score(ScoreChanged),
    SessionReplaced { session_id: SessionId, position: Position },
    Gone { position: Position },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Line<'a> {
    rank: u32,
    participant_id: ParticipantId,
    username: &'a str,
    points: u32,
}

#[derive(Serialize)]
struct Standings<'a> {
    as_of: Position,
    total: u32,
    entries: Vec<Line<'a>>,
}

impl<'a> From<&'a Board> for Standings<'a> {
    fn from(board: &'a Board) -> Self {
        let line = |entry: &'a nimaora_read_models::BoardEntry| Line {
            rank: entry.rank,
            participant_id: entry.participant_id,
            username: &entry.username,
            points: entry.points,
        };
        Self { as_of: board.as_of, total: board.total, entries: board.entries.iter().map(line).collect() }
    }
}

/// The first frame of every socket.
pub(crate) fn established(socket_id: &str, activity_timeout_s: u16) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        socket_id: &'a str,
        activity_timeout: u16,
    }
    let data = Data { socket_id, activity_timeout: activity_timeout_s };
    event("pusher:connection_established", None, &data)
}

/// Tells why the socket will be closed.
pub(crate) fn closing(reason: CloseReason) -> Bytes {
    error(Some(reason.code()), reason.message())
}

/// Tells that a message was not understood.
pub(crate) fn misunderstood(why: Misunderstood) -> Bytes {
    error(why.code(), &why.to_string())
}

fn error(code: Option<u16>, message: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        code: Option<u16>,
        message: &'a str,
    }
    event("pusher:error", None, &Data { code, message })
}

/// The socket gets what is said in the channel from now on.
pub(crate) fn subscribed(channel: &str) -> Bytes {
    event("pusher_internal:subscription_succeeded", Some(channel), &Empty {})
}

/// The socket is in a presence channel, with these.
pub(crate) fn present(channel: &str, presence: &Presence<'_>) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        presence: &'a Presence<'a>,
    }
    event("pusher_internal:subscription_succeeded", Some(channel), &Data { presence })
}

/// Somebody came to a presence channel.
pub(crate) fn member_added(channel: &str, user_id: &str, info: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_id: &'a str,
        user_info: Option<&'a RawValue>,
    }
    let data = Data { user_id, user_info: serde_json::from_str(info).ok() };
    event("pusher_internal:member_added", Some(channel), &data)
}

/// Somebody went from a presence channel.
pub(crate) fn member_removed(channel: &str, user_id: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_id: &'a str,
    }
    event("pusher_internal:member_removed", Some(channel), &Data { user_id })
}

/// How many are in a presence channel that has too many to tell of each.
pub(crate) fn counted(channel: &str, count: usize, is_sampled: bool) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        count: usize,
        sampled: bool,
    }
    event("presence.updated", Some(channel), &Data { count, sampled: is_sampled })
}

/// So many sockets listen to a channel.
pub(crate) fn subscriptions(channel: &str, subscription_count: usize) -> Bytes {
    #[derive(Serialize)]
    struct Data {
        subscription_count: usize,
    }
    event("pusher_internal:subscription_count", Some(channel), &Data { subscription_count })
}

/// Something that an application or a client says to a channel.
pub(crate) fn relayed(said: &Event) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        event: &'a str,
        channel: &'a str,
        /// It was JSON when it came in; a node that says otherwise is not believed.
        data: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
    }
    let envelope = Envelope {
        event: &said.name,
        channel: &said.channel,
        data: serde_json::from_str(&said.data).ok(),
        user_id: said.user_id.as_deref(),
    };
    encode::text(&serde_json::to_string(&envelope).unwrap_or_default())
}

/// A cache channel was told nothing so far.
pub(crate) fn cache_miss(channel: &str) -> Bytes {
    event("pusher:cache_miss", Some(channel), &Empty {})
}

/// The socket has signed in.
pub(crate) fn signed_in(user_data: &str) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        user_data: &'a str,
    }
    event("pusher:signin_success", None, &Data { user_data })
}

/// Users whom the socket watches have come or gone.
pub(crate) fn watchlist(online: &[Arc<str>], offline: &[Arc<str>]) -> Bytes {
    #[derive(Serialize)]
    struct Change<'a> {
        name: &'a str,
        user_ids: Vec<&'a str>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        events: Vec<Change<'a>>,
    }
    let changes = [("online", online), ("offline", offline)].into_iter().filter(|(_, ids)| !ids.is_empty());
    let changes = changes.map(|(name, ids)| Change { name, user_ids: ids.iter().map(|id| &**id).collect() });
    event("pusher_internal:watchlist_events", None, &Data { events: changes.collect() })
}

/// The socket has not signed in.
pub(crate) fn not_signed_in(refusal: Refusal) -> Bytes {
    error(Some(refusal.sign_in_code()), &refusal.to_string())
}

/// The socket does not get what is said in the channel.
pub(crate) fn refused(channel: &str, refusal: Refusal) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        error: String,
        status: u16,
    }
    let data = Data { kind: refusal.kind(), error: refusal.to_string(), status: refusal.status() };
    event("pusher:subscription_error", Some(channel), &data)
}

/// The newest attacks of a battle in their order, and how many before them are left out.
pub(crate) fn landed(channel: &str, battle_id: BattleId, attacks: &[Landed], left_out: usize) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        battle_id: BattleId,
        attacks: &'a [Landed],
        left_out: usize,
    }
    event("attacks.landed", Some(channel), &Data { battle_id, attacks, left_out })
}

/// News of a battle, for its public channel.
pub(crate) fn of_battle(battle_id: BattleId, news: &News<'_>) -> Bytes {
    news.frame(battle_id, Channel::Battle(battle_id))
}

/// News of a participant, for its private channel.
pub(crate) fn of_participant(battle_id: BattleId, id: ParticipantId, news: &News<'_>) -> Bytes {
    news.frame(battle_id, Channel::Participant(id))
}

impl News<'_> {
    fn frame(&self, battle_id: BattleId, channel: Channel) -> Bytes {
        let channel = channel.to_string();
        match self {
            Self::Board(board) => {
                #[derive(Serialize)]
                struct Data<'a> {
                    battle_id: BattleId,
                    #[serde(flatten)]
                    standings: Standings<'a>,
                }
                let data = Data { battle_id, standings: Standings::from(*board) };
                event("leaderboard.updated", Some(&channel), &data)
            }
            Self::Started { started_at, position } => {
                #[derive(Serialize)]
                struct Data {
                    battle_id: BattleId,
                    started_at: Option<Timestamp>,
                    position: Position,
                }
                let data = Data { battle_id, started_at: *started_at, position: *position };
                event("battle.started", Some(&channel), &data)
            }
            Self::Finished { finished_at, position, standings } => {
                #[derive(Serialize)]
                struct Data<'a> {
                    battle_id: BattleId,
                    finished_at: Option<Timestamp>,
                    position: Position,
                    standings: Option<Standings<'a>>,
                }
                let standings = standings.map(Standings::from);
                let data = Data { battle_id, finished_at: *finished_at, position: *position, standings };
                event("battle.finished", Some(&channel), &data)
            }
            Self::Cancelled { reason, position } => {
                #[derive(Serialize)]
                struct Data<'a> {
                    battle_id: BattleId,
                    reason: Option<&'a str>,
                    position: Position,
                }
                let data = Data { battle_id, reason: *reason, position: *position };
                event("battle.cancelled", Some(&channel), &data)
            }
            Self::Attack(attack) => event("attack.received", Some(&channel), attack),
            Self::Score(score) => event("score.changed", Some(&channel), score),
            Self::SessionReplaced { session_id, position } => {
                #[derive(Serialize)]
                struct Data {
                    session_id: SessionId,
                    position: Position,
                }
                let data = Data { session_id: *session_id, position: *position };
                event("session.replaced", Some(&channel), &data)
            }
            Self::Gone { position } => {
                #[derive(Serialize)]
                struct Data {
                    position: Position,
                }
                event("participant.gone", Some(&channel), &Data { position: *position })
            }
        }
    }
}

/// One frame. The protocol wants `data` as a string that holds JSON.
fn event<T: Serialize>(name: &str, channel: Option<&str>, data: &T) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        event: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<&'a str>,
        data: &'a str,
    }
    // Structs of numbers, strings and lists hold nothing that JSON cannot say.
    let data = serde_json::to_string(data).unwrap_or_default();
    let envelope = Envelope { event: name, channel, data: &data };
    encode::text(&serde_json::to_string(&envelope).unwrap_or_default())
}

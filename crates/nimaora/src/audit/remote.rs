//! What a running server is asked: the calls of `AuditService`. What it exports is checked against the chain here, too.

use bytes::Bytes;
use nimaora_api::details;
use nimaora_api::v1::audit_service_client::AuditServiceClient;
use nimaora_api::v1::realtime_admin_service_client::RealtimeAdminServiceClient;
use nimaora_api::v1::{
    ExportBattleRequest, ExportBattleResponse, IssueReceiptRequest, ListSentBoardsRequest, ReplayRequest,
    ReplayResponse, Standing, StoredEvent, TailRequest, TailResponse, TellStoryRequest, VerifyReport,
    VerifyRequest, replay_request, tell_story_request,
};
use nimaora_domain::{Balance, BattleId, ParticipantId, Timestamp};
use nimaora_event_log::{Position, RecordedEvent};
use serde_json::{Value, json};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::compare::Compared;
use super::error::AuditError;
use super::replay::{Moment, Until, table};
use super::sent::{Line, Told as ToldStandings};
use super::verify::{Progress, Report, Told};
use crate::play::{ClientError, Server};

/// The reason of a call that ended because the history is not what was written.
pub(super) const DIFFERS: &str = "LOG_DIFFERS";
/// What the name that stands in the place of an erased one begins with.
const ERASED: &str = "erased player ";

/// A running server and the right to ask it.
pub(super) struct Remote {
    calls: AuditServiceClient<Channel>,
    sent: RealtimeAdminServiceClient<Channel>,
    token: MetadataValue<Ascii>,
}

/// The standings as a server told them.
pub(super) struct Standings(ReplayResponse);

/// Events as a server tells them, page by page.
pub(super) struct Events(Streaming<ExportBattleResponse>);

/// Events as they come.
pub(super) struct Tail(Streaming<TailResponse>);

fn empty() -> AuditError {
    AuditError::Client(ClientError::Empty)
}

fn refused(status: Status) -> AuditError {
    match details::reason(&status).as_deref() {
        Some(DIFFERS) => AuditError::Differs(status.message().to_owned()),
        _ => AuditError::Client(status.into()),
    }
}

fn time_of(time: Option<prost_types::Timestamp>) -> Result<Timestamp, AuditError> {
    let time = time.ok_or_else(empty)?;
    Ok(Timestamp::from_millis(time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000))
}

fn balance_of(balance: Option<nimaora_api::v1::Balance>) -> Balance {
    let balance = balance.unwrap_or_default();
    Balance { points: balance.points, shields: balance.shields, arrows: balance.arrows }
}

fn recorded(event: StoredEvent) -> Result<RecordedEvent, AuditError> {
    Ok(RecordedEvent {
        position: event.position,
        stream: event.stream.into(),
        revision: event.revision,
        id: event.event_id.parse().map_err(|_| empty())?,
        event_type: event.event_type.into(),
        created_ms: event.created_ms,
        data: event.data,
        metadata: event.metadata,
    })
}

impl Remote {
    /// Connects to a server at an `http://` URL.
    pub(super) async fn connect(url: String, token: MetadataValue<Ascii>) -> Result<Self, AuditError> {
        let server = Server::connect(url).await?;
        let (calls, sent) = (server.connection.audits(), server.connection.realtime());
        Ok(Self { calls, sent, token })
    }

    /// Without a time limit: a long log takes as long as it takes, and whoever waits can end it.
    fn with_token<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    fn calls(&self) -> AuditServiceClient<Channel> {
        self.calls.clone()
    }

    pub(super) async fn replay(&self, battle_id: BattleId, until: Until) -> Result<Standings, AuditError> {
        let until = match until {
            Until::Position(Position::MAX) => None,
            Until::Position(position) => Some(replay_request::Until::Position(position)),
            Until::Time(time) => Some(replay_request::Until::Time(super::service::timestamp(time))),
        };
        let request = ReplayRequest { battle_id: battle_id.to_string(), until };
        let told = self.calls().replay(self.with_token(request)).await.map_err(refused)?;
        Ok(Standings(told.into_inner()))
    }

    /// The standings at a position, to be compared.
    pub(super) async fn told(&self, battle_id: BattleId, at: Position) -> Result<ToldStandings, AuditError> {
        let until = Some(replay_request::Until::Position(at));
        let request = ReplayRequest { battle_id: battle_id.to_string(), until };
        let told = match self.calls().replay(self.with_token(request)).await {
            Ok(told) => told.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Err(AuditError::NoBattle(battle_id)),
            Err(status) => return Err(refused(status)),
        };
        let line = |line: Standing| {
            let participant_id = line.participant_id.parse().map_err(|_| empty())?;
            // That it was erased is told by what stands in its place.
            let username = (!line.username.starts_with(ERASED)).then_some(line.username);
            Ok(Line { participant_id, username, points: balance_of(line.balance).points })
        };
        let lines = told.standings.into_iter().map(line).collect::<Result<_, AuditError>>()?;
        Ok(ToldStandings { position: told.position, lines })
    }

    /// The boards that the server's sockets were last sent; `None` where it serves none.
    pub(super) async fn sent_boards(
        &self,
        battles: &[BattleId],
    ) -> Result<Option<Vec<(BattleId, Bytes)>>, AuditError> {
        let battle_ids = battles.iter().map(BattleId::to_string).collect();
        let request = self.with_token(ListSentBoardsRequest { battle_ids });
        let mut told = match self.sent.clone().list_sent_boards(request).await {
            Ok(told) => told.into_inner(),
            Err(status) if status.code() == Code::Unimplemented => return Ok(None),
            Err(status) => return Err(refused(status)),
        };
        let mut boards = Vec::new();
        while let Some(board) = told.message().await.map_err(refused)? {
            boards.push((board.battle_id.parse().map_err(|_| empty())?, board.message));
        }
        Ok(Some(boards))
    }

    pub(super) async fn story(
        &self,
        battle_id: BattleId,
        wanted: &str,
        until: Until,
    ) -> Result<(ParticipantId, Vec<Moment>), AuditError> {
        let until = match until {
            Until::Position(Position::MAX) => None,
            Until::Position(position) => Some(tell_story_request::Until::Position(position)),
            Until::Time(time) => Some(tell_story_request::Until::Time(super::service::timestamp(time))),
        };
        let (battle_id, participant) = (battle_id.to_string(), wanted.to_owned());
        let request = TellStoryRequest { battle_id, participant, until };
        let mut told = self.calls().tell_story(self.with_token(request)).await.map_err(refused)?.into_inner();
        let (mut who, mut moments) = (None, Vec::new());
        while let Some(moment) = told.message().await.map_err(refused)? {
            who = Some(moment.participant_id.parse().map_err(|_| empty())?);
            moments.push(Moment {
                revision: moment.revision,
                position: moment.position,
                time: time_of(moment.time)?,
                what: moment.what,
                after: balance_of(moment.after),
            });
        }
        Ok((who.ok_or_else(empty)?, moments))
    }

    pub(super) async fn export(&self, battle_id: BattleId, to: Position) -> Result<Events, AuditError> {
        let to_position = if to == Position::MAX { 0 } else { to };
        let battle_id = battle_id.to_string();
        let request = ExportBattleRequest { battle_id, from_position: 0, to_position };
        let told = self.calls().export_battle(self.with_token(request)).await.map_err(refused)?;
        Ok(Events(told.into_inner()))
    }

    pub(super) async fn verify(
        &self,
        battles: &[BattleId],
        progress: Told<'_>,
    ) -> Result<Report, AuditError> {
        let request = VerifyRequest { battle_ids: battles.iter().map(BattleId::to_string).collect() };
        let mut told = self.calls().verify(self.with_token(request)).await.map_err(refused)?.into_inner();
        while let Some(message) = told.message().await.map_err(refused)? {
            progress(Progress { events: message.events, head: message.head_position });
            if let Some(report) = message.report {
                return Ok(report_of(report, message.head_position));
            }
            if !message.difference.is_empty() {
                return Err(AuditError::Differs(message.difference));
            }
        }
        Err(empty())
    }

    pub(super) async fn receipt(&self, battle_id: BattleId) -> Result<String, AuditError> {
        let request = IssueReceiptRequest { battle_id: battle_id.to_string() };
        let issued = self.calls().issue_receipt(self.with_token(request)).await.map_err(refused)?;
        Ok(issued.into_inner().receipt)
    }

    pub(super) async fn tail(&self, after_position: Position, no_follow: bool) -> Result<Tail, AuditError> {
        let request = TailRequest { after_position, no_follow };
        let told = self.calls().tail(self.with_token(request)).await.map_err(refused)?;
        Ok(Tail(told.into_inner()))
    }
}

fn report_of(told: VerifyReport, head: Position) -> Report {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Report {
        head,
        events: told.events,
        foreign_events: told.foreign_events,
        battles: count(told.battles),
        compared: Compared {
            battle_rows: count(told.battle_rows),
            participant_rows: count(told.participant_rows),
            table_lines: count(told.table_board_lines),
            leaderboard_lines: count(told.leaderboard_lines),
        },
        answer_rows: told.answer_rows,
        attack_rows: told.attack_rows,
        sent_boards: 0,
        sent_lines: 0,
        notes: told.notes,
        not_compared: told.not_compared,
    }
}

impl Events {
    /// The next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, AuditError> {
        match self.0.message().await.map_err(refused)? {
            Some(page) => page.events.into_iter().map(recorded).collect::<Result<_, _>>().map(Some),
            None => Ok(None),
        }
    }
}

impl Tail {
    /// The next event with its time and what happened; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<(RecordedEvent, Timestamp, String)>, AuditError> {
        let Some(told) = self.0.message().await.map_err(refused)? else { return Ok(None) };
        let event = recorded(told.event.ok_or_else(empty)?)?;
        Ok(Some((event, time_of(told.time)?, told.what)))
    }
}

impl Standings {
    pub(super) fn json(&self) -> Value {
        let Self(told) = self;
        let line = |line: &nimaora_api::v1::Standing| {
            let Balance { points, shields, arrows } = balance_of(line.balance);
            json!({
                "rank": line.rank,
                "participantId": line.participant_id,
                "username": line.username,
                "points": points,
                "shields": shields,
                "arrows": arrows,
            })
        };
        json!({
            "title": told.title,
            "phase": told.phase,
            "revision": told.events.checked_sub(1),
            "position": told.position,
            "time": time_of(told.time).ok(),
            "headHash": told.head_hash,
            "standings": told.standings.iter().map(line).collect::<Vec<_>>(),
        })
    }

    pub(super) fn text(&self) -> String {
        let Self(told) = self;
        let Some(revision) = told.events.checked_sub(1) else {
            return "the battle did not exist yet\n".to_owned();
        };
        let mut table = table(["rank", "name", "points", "shields", "arrows", "participant"]);
        for line in &told.standings {
            let Balance { points, shields, arrows } = balance_of(line.balance);
            let numbers = [points, shields, arrows].map(|number| number.to_string());
            let [points, shields, arrows] = numbers;
            let (rank, name) = (line.rank.to_string(), line.username.clone());
            table.add_row([rank, name, points, shields, arrows, line.participant_id.clone()]);
        }
        let time = time_of(told.time).map(|time| time.to_string()).unwrap_or_default();
        let Self(ReplayResponse { title, phase, position, head_hash, .. }) = self;
        format!(
            "{title} ({phase})\nrevision {revision}, position {position}, {time}\nhead hash {head_hash}\n{table}\n"
        )
    }
}

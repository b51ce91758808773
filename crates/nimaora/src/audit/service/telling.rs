//! What was found, as the messages of the API.

use nimaora_api::v1::{
    Balance, ReplayResponse, Standing, StoredEvent, TailResponse, TellStoryResponse, VerifyReport,
    VerifyResponse,
};
use nimaora_domain::{ParticipantId, Timestamp};
use nimaora_event_log::RecordedEvent;

use crate::audit::replay::Moment;
use crate::audit::tail::Told;
use crate::audit::verify::{Progress, Report};
use crate::audit::walk::Fold;

/// Events in one message of an export.
pub(super) const PAGE_EVENTS: usize = 256;

pub(in crate::audit) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    nimaora_api::timestamp(time.as_millis())
}

fn balance(balance: nimaora_domain::Balance) -> Balance {
    Balance { points: balance.points, shields: balance.shields, arrows: balance.arrows }
}

pub(super) fn standings(fold: &Fold) -> ReplayResponse {
    let line = |(rank, found): (u32, &nimaora_domain::Participant)| Standing {
        rank,
        participant_id: found.id().to_string(),
        username: found.username().to_string(),
        balance: Some(balance(found.balance())),
    };
    ReplayResponse {
        title: fold.battle.title().to_owned(),
        phase: format!("{:?}", fold.battle.phase()).to_lowercase(),
        events: fold.next_revision,
        position: fold.position,
        time: fold.time.map(timestamp),
        head_hash: fold.chain.to_string(),
        standings: (1..).zip(fold.battle.standings()).map(line).collect(),
    }
}

pub(super) fn moment(who: ParticipantId, moment: Moment) -> TellStoryResponse {
    TellStoryResponse {
        participant_id: who.to_string(),
        revision: moment.revision,
        position: moment.position,
        time: Some(timestamp(moment.time)),
        what: moment.what,
        after: Some(balance(moment.after)),
    }
}

pub(super) fn stored(event: &RecordedEvent) -> StoredEvent {
    StoredEvent {
        position: event.position,
        stream: event.stream.to_string(),
        revision: event.revision,
        event_id: event.id.to_string(),
        event_type: event.event_type.to_string(),
        created_ms: event.created_ms,
        data: event.data.clone(),
        metadata: event.metadata.clone(),
    }
}

pub(super) fn told(told: &Told) -> TailResponse {
    TailResponse {
        event: Some(stored(&told.event)),
        time: Some(timestamp(told.recorded.time)),
        what: told.what.clone(),
    }
}

pub(super) fn progress(now: Progress) -> VerifyResponse {
    VerifyResponse { events: now.events, head_position: now.head, ..VerifyResponse::default() }
}

pub(super) fn difference(now: Progress, difference: String) -> VerifyResponse {
    VerifyResponse { difference, ..progress(now) }
}

pub(super) fn report(found: Report) -> VerifyResponse {
    let now = Progress { events: found.events + found.foreign_events, head: found.head };
    let report = VerifyReport {
        events: found.events,
        foreign_events: found.foreign_events,
        battles: found.battles as u64,
        battle_rows: found.compared.battle_rows as u64,
        participant_rows: found.compared.participant_rows as u64,
        table_board_lines: found.compared.table_lines as u64,
        leaderboard_lines: found.compared.leaderboard_lines as u64,
        answer_rows: found.answer_rows,
        attack_rows: found.attack_rows,
        notes: found.notes,
        not_compared: found.not_compared,
    };
    VerifyResponse { report: Some(report), ..progress(now) }
}

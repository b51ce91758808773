//! Who calls, how long they wait, and which trace the call belongs to: what a request's metadata says.

use std::time::Duration;

use nimaora_domain::{Actor, BattleId, ParticipantId, SessionId};
use nimaora_sessions::{Claims, Role};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use crate::error::CommandError;
use crate::service::{Attached, Core};

/// A participant, as its token says.
pub(super) struct Player {
    pub(super) battle_id: BattleId,
    pub(super) participant_id: ParticipantId,
    pub(super) session_id: SessionId,
}

impl Player {
    pub(super) fn actor(&self) -> Actor {
        Actor::Participant(self.participant_id, self.session_id)
    }
}

/// The participant that calls. An admin is none.
pub(super) fn player(core: &Core, metadata: &MetadataMap) -> Result<Player, CommandError> {
    match claims(core, metadata)?.role {
        Role::Participant { battle_id, participant_id, session_id } => {
            Ok(Player { battle_id, participant_id, session_id })
        }
        Role::Admin => Err(CommandError::ParticipantRequired),
    }
}

/// Refuses everybody but an admin.
pub(super) fn require_admin(core: &Core, metadata: &MetadataMap) -> Result<(), CommandError> {
    match claims(core, metadata)?.role {
        Role::Admin => Ok(()),
        Role::Participant { .. } => Err(CommandError::AdminRequired),
    }
}

fn claims(core: &Core, metadata: &MetadataMap) -> Result<Claims, CommandError> {
    // A value that is no text is no token either.
    let value = metadata.get("authorization").map(|value| value.to_str().unwrap_or_default());
    Ok(core.verifier.verify_bearer(value, core.clock.now_ms())?)
}

/// What goes along with the command.
pub(super) fn attached(core: &Core, metadata: &MetadataMap) -> Attached {
    let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
    let (longest, asked) = (core.default_deadline(), asked(metadata));
    Attached {
        deadline: asked.map_or(longest, |asked| asked.min(longest)),
        traceparent: text("traceparent").filter(|text| is_traceparent(text)).map(str::to_owned),
    }
}

/// Whether the caller would wait for longer than a command may take.
pub(super) fn is_patient(core: &Core, metadata: &MetadataMap) -> bool {
    asked(metadata).is_none_or(|asked| asked >= core.default_deadline())
}

/// Until when the caller waits; `None` for one that waits for long. A time that cannot be added up is long.
fn asked(metadata: &MetadataMap) -> Option<Instant> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    Instant::now().checked_add(timeout(text)?)
}

/// Reads `grpc-timeout`: at most eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Whether the text is a W3C trace context of version 00: `00-{32 hex}-{16 hex}-{2 hex}`, ids not all zeros.
fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        parts.next().filter(|part| part.len() == length && part.bytes().all(hex))
    };
    let not_zero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let well_formed = part(2) == Some("00")
        && part(32).is_some_and(not_zero)
        && part(16).is_some_and(not_zero)
        && part(2).is_some();
    well_formed && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(timeout("1n"), Some(Duration::from_nanos(1)));
        for wrong in ["", "m", "1", "100000000S", "-1S", "1.5S", "1s", "1é", "é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_well_formed_trace_goes_on_record() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for wrong in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(wrong), "{wrong}");
        }
    }
}

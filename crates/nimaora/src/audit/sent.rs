//! What realtime last sent of each battle's board, against the fold at the position that it says.

use nimaora_domain::{BattleId, ParticipantId};
use nimaora_event_log::{Direction, EventLog, Position};
use serde::Deserialize;

use super::error::AuditError;
use super::remote::Remote;
use super::source::Source;
use super::verify::Report;
use super::walk::fold_to;

/// What players were told was compared, and is to be named no more as what was not.
pub(super) const SENT: &str = "what realtime last sent";

/// The standings as the log tells them at a position.
pub(super) struct Told {
    /// The position of the last event that counts.
    pub(super) position: Position,
    /// Everybody on the board, best first.
    pub(super) lines: Vec<Line>,
}

/// A line of the standings.
pub(super) struct Line {
    pub(super) participant_id: ParticipantId,
    /// `None` where it was erased; players may have been told it before.
    pub(super) username: Option<String>,
    pub(super) points: u32,
}

/// The message on a battle's channel.
#[derive(Deserialize)]
struct Message {
    event: String,
    data: String,
}

/// What it says.
#[derive(Deserialize)]
struct Board {
    battle_id: BattleId,
    as_of: Position,
    total: u32,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    rank: u32,
    participant_id: ParticipantId,
    username: String,
    points: u32,
}

/// Asks these nodes what they last sent, and compares it with the log; of others of their cluster it says nothing. A node without the role
/// 'realtime' has nothing to tell. Answers whether one had, and with that whether this was compared at all.
pub(super) async fn compare(
    source: &Source,
    nodes: &[Remote],
    battles: &[BattleId],
    report: &mut Report,
) -> Result<bool, AuditError> {
    let mut asked = false;
    for node in nodes {
        let Some(boards) = node.sent_boards(battles).await? else { continue };
        asked = true;
        for (battle_id, message) in boards {
            let board = read(battle_id, &message)?;
            let told = standings(source, battle_id, board.as_of).await?;
            report.sent_lines += same(battle_id, &board, &told)?;
            report.sent_boards += 1;
        }
    }
    if asked {
        report.not_compared.retain(|what| what != SENT);
    }
    Ok(asked)
}

async fn standings(source: &Source, battle_id: BattleId, at: Position) -> Result<Told, AuditError> {
    match source {
        Source::Log(_, log, _) => folded(&**log, battle_id, at).await,
        Source::Server(server) => match server.told(battle_id, at).await {
            Err(AuditError::NoBattle(battle_id)) => Err(stranger(battle_id)),
            told => told,
        },
    }
}

async fn folded(log: &dyn EventLog, battle_id: BattleId, at: Position) -> Result<Told, AuditError> {
    let fold = fold_to(log, battle_id, at).await?;
    if fold.next_revision == 0
        && log.read_stream(&battle_id.stream(), 0, Direction::Forwards, 1).await?.is_empty()
    {
        return Err(stranger(battle_id));
    }
    let lines = fold.battle.standings().into_iter().map(|found| Line {
        participant_id: found.id(),
        username: (!found.username().is_closed()).then(|| found.username().to_string()),
        points: found.balance().points,
    });
    Ok(Told { position: fold.position, lines: lines.collect() })
}

fn stranger(battle_id: BattleId) -> AuditError {
    AuditError::Differs(format!("{SENT}: a board of battle {battle_id}, which the log does not hold"))
}

fn read(battle_id: BattleId, message: &[u8]) -> Result<Board, AuditError> {
    let wrong = |what: String| AuditError::Differs(format!("{SENT} of battle {battle_id}: {what}"));
    let message: Message = serde_json::from_slice(message).map_err(|error| wrong(error.to_string()))?;
    let board: Board = serde_json::from_str(&message.data).map_err(|error| wrong(error.to_string()))?;
    match message.event == "leaderboard.updated" && board.battle_id == battle_id {
        true => Ok(board),
        false => Err(wrong("it is no board of this battle".to_owned())),
    }
}

/// Compares line by line; answers how many there were.
fn same(battle_id: BattleId, board: &Board, told: &Told) -> Result<usize, AuditError> {
    let differs = |row: &str, column: &str, log: &str, sent: &str| {
        Err(AuditError::Differs(format!(
            "{SENT} of battle {battle_id}, {row}, column {column}: the log says {log}, sent was {sent} (as of position {})",
            board.as_of
        )))
    };
    let mut columns = vec![
        ("all".to_owned(), "as_of", told.position.to_string(), board.as_of.to_string()),
        ("all".to_owned(), "total", told.lines.len().to_string(), board.total.to_string()),
    ];
    for (rank, sent) in (1..).zip(&board.entries) {
        let rank: usize = rank;
        let row = format!("rank {rank}");
        let Some(line) = told.lines.get(rank - 1) else {
            return differs(&row, "participant_id", "nobody", &sent.participant_id.to_string());
        };
        columns.push((row.clone(), "rank", rank.to_string(), sent.rank.to_string()));
        let (log, shown) = (line.participant_id.to_string(), sent.participant_id.to_string());
        columns.push((row.clone(), "participant_id", log, shown));
        if let Some(name) = &line.username {
            columns.push((row.clone(), "username", format!("'{name}'"), format!("'{}'", sent.username)));
        }
        columns.push((row, "points", line.points.to_string(), sent.points.to_string()));
    }
    match columns.iter().find(|(_, _, log, sent)| log != sent) {
        Some((row, column, log, sent)) => differs(row, column, log, sent),
        None => Ok(board.entries.len()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const BATTLE: BattleId = BattleId(Uuid::from_u128(1));

    fn who(n: u128) -> ParticipantId {
        ParticipantId(Uuid::from_u128(n))
    }

    fn told() -> Told {
        let line =
            |n, name: &str, points| Line { participant_id: who(n), username: Some(name.to_owned()), points };
        Told { position: 9, lines: vec![line(2, "ann", 20), line(3, "bob", 10), line(4, "eve", 5)] }
    }

    fn message(as_of: u64, total: u32, second: &str, points: u32) -> Vec<u8> {
        let entry = |rank: u32, id: u128, name: &str, points: u32| serde_json::json!({ "rank": rank, "participant_id": who(id), "username": name, "points": points });
        let entries = [entry(1, 2, "ann", 20), entry(2, 3, second, points)];
        let data =
            serde_json::json!({ "battle_id": BATTLE, "as_of": as_of, "total": total, "entries": entries });
        serde_json::json!({ "event": "leaderboard.updated", "channel": "battle", "data": data.to_string() })
            .to_string()
            .into_bytes()
    }

    fn check(message: &[u8], told: &Told) -> Result<usize, String> {
        read(BATTLE, message).and_then(|board| same(BATTLE, &board, told)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_line_that_was_sent_otherwise_than_the_log_says_is_named() {
        assert_eq!(check(&message(9, 3, "bob", 10), &told()), Ok(2));
        for (message, why) in [
            (
                message(9, 3, "bob", 11),
                "rank 2, column points: the log says 10, sent was 11 (as of position 9)",
            ),
            (message(9, 3, "rob", 10), "rank 2, column username: the log says 'bob', sent was 'rob'"),
            (message(9, 2, "bob", 10), "all, column total: the log says 3, sent was 2"),
            (message(8, 3, "bob", 10), "all, column as_of: the log says 9, sent was 8"),
            (b"{}".to_vec(), "missing field"),
        ] {
            let said = check(&message, &told()).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_name_that_was_erased_since_is_no_difference() {
        let mut told = told();
        told.lines[1].username = None;
        assert_eq!(check(&message(9, 3, "bob", 10), &told), Ok(2));
    }
}

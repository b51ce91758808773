//! The board of a battle, by its events alone.

use std::cmp::Reverse;
use std::collections::HashMap;

use kurrentdb::{Client, ReadStreamOptions};
use serde_json::Value;

/// The board of a battle, best first: participants and points.
pub async fn replay(url: &str, battle: &str) -> Result<Vec<(String, u64)>, Box<dyn std::error::Error>> {
    let client = Client::new(url.parse()?)?;
    // Of a participant: its points, and the revision at which it reached them.
    let mut held: HashMap<String, (u64, u64)> = HashMap::new();
    let mut events = client.read_stream(format!("battle-{battle}"), &ReadStreamOptions::default()).await?;
    while let Some(event) = events.next().await? {
        let event = event.get_original_event();
        let fact: Value = event.as_json()?;
        let text = |field: &str| fact[field].as_str().unwrap_or_default().to_owned();
        if event.event_type == "ParticipantRemoved" {
            held.remove(&text("participantId"));
        }
        let balances =
            [("participantId", "balance"), ("attackerId", "attackerBalance"), ("targetId", "targetBalance")];
        for (who, balance) in balances {
            let Some(points) = fact[balance]["points"].as_u64() else { continue };
            if held.get(&text(who)).is_none_or(|held| held.0 != points) {
                held.insert(text(who), (points, event.revision));
            }
        }
    }
    let mut board: Vec<_> = held.into_iter().collect();
    board.sort_by_key(|(_, (points, reached))| (Reverse(*points), *reached));
    Ok(board.into_iter().map(|(participant, (points, _))| (participant, points)).collect())
}

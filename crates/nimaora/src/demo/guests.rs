//! Who plays along and is no bot: people in browsers. Now and then a bot attacks one of them, so that they feel what it is like.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1::GetLeaderboardRequest;
use nimaora_runtime::Shutdown;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::client::{Connection, with_token};

/// How often the board is looked at for people.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Lines of it. People further down are left in peace.
const LINES: u32 = 1_000;
/// How long people have between two attacks of bots that aim at people.
const PEACE: Duration = Duration::from_secs(8);

/// The people in the battle.
pub(super) struct Guests(Mutex<State>);

struct State {
    ids: Vec<String>,
    /// Whose turn it is.
    next: usize,
    /// Until when nobody is attacked.
    peace_until: Instant,
}

impl Guests {
    /// Looks for people until `shutdown`.
    pub(super) fn start(
        connection: Connection,
        battle_id: String,
        bots: HashSet<String>,
        shutdown: &Shutdown,
    ) -> Arc<Self> {
        let guests = Arc::new(Self::new());
        let (found, stop) = (Arc::clone(&guests), shutdown.clone());
        shutdown.spawn(async move {
            tokio::select! {
                () = stop.requested() => {}
                () = look(&connection, &battle_id, &bots, &found) => {}
            }
        });
        guests
    }

    fn new() -> Self {
        Self(Mutex::new(State { ids: Vec::new(), next: 0, peace_until: Instant::now() + PEACE }))
    }

    /// Somebody whom the bot that asks is to attack now; nobody most of the time.
    pub(super) fn due(&self) -> Option<String> {
        let mut state = self.0.lock();
        let now = Instant::now();
        if state.ids.is_empty() || now < state.peace_until {
            return None;
        }
        state.peace_until = now + PEACE;
        state.next = (state.next + 1) % state.ids.len();
        state.ids.get(state.next).cloned()
    }

    fn set(&self, ids: Vec<String>) {
        self.0.lock().ids = ids;
    }
}

async fn look(connection: &Connection, battle_id: &str, bots: &HashSet<String>, guests: &Guests) {
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    loop {
        looks.tick().await;
        let wish = GetLeaderboardRequest {
            battle_id: battle_id.to_owned(),
            limit: LINES,
            ..GetLeaderboardRequest::default()
        };
        // What is not answered this time is asked again.
        if let Ok(board) = connection.queries().get_leaderboard(with_token(wish, None)).await {
            let ids = board.into_inner().entries.into_iter().map(|entry| entry.participant_id);
            guests.set(ids.filter(|id| !bots.contains(id)).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn people_are_attacked_in_turn_and_have_peace_in_between() {
        let guests = Guests::new();
        tokio::time::advance(PEACE).await;
        assert_eq!(guests.due(), None, "there is nobody");
        guests.set(vec!["ada".to_owned(), "linus".to_owned()]);
        let first = guests.due().unwrap();
        assert_eq!(guests.due(), None);
        tokio::time::advance(PEACE).await;
        let second = guests.due().unwrap();
        assert_ne!(first, second);
    }
}

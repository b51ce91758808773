//! Reads what the server holds at the end, and compares all of it with what the players were answered.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use nimaora_api::v1;
use tokio::time::sleep;
use tonic::{Response, Status};

use super::api::{Api, Queries, Token, describe, with_token, within_deadline};
use super::error::LoadError;
use super::facts::Slot;
use super::verify::{
    Differences, LineSaid, ParticipantSaid, Standing, check_lines, check_participant, ranking,
};

/// Participants that are read at a time.
const READS_MAX: usize = 64;
/// The most lines of the board in one answer from the top, and how many on each side around a participant.
const TOP_LINES: u32 = 1_000;
const AROUND_LINES: u32 = 100;
/// How long an answer may wait for the position, in milliseconds.
const WAIT_MS: u32 = 10_000;
/// How often a query is tried, and the pause between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(500);

/// The battle that is audited.
pub(super) struct Audit<'a> {
    pub(super) api: &'a Api,
    pub(super) admin: &'a Token,
    pub(super) battle_id: &'a str,
    /// The participants by slot.
    pub(super) everyone: &'a [String],
    /// What each must hold, by slot.
    pub(super) standings: &'a [Standing],
    /// The position that every answer must have reached.
    pub(super) position: u64,
}

impl Audit<'_> {
    /// Compares every participant and the whole board.
    pub(super) async fn run(&self, differences: &mut Differences) -> Result<(), LoadError> {
        self.participants(differences).await?;
        self.board(differences).await
    }

    async fn participants(&self, differences: &mut Differences) -> Result<(), LoadError> {
        let slots = (0..).take(self.standings.len());
        let reads = slots.map(|slot: Slot| async move { (slot, self.participant(slot).await) });
        let mut reads = futures::stream::iter(reads).buffer_unordered(READS_MAX);
        while let Some((slot, said)) = reads.next().await {
            check_participant(slot, &self.standings[slot as usize], &said?, differences);
        }
        Ok(())
    }

    async fn participant(&self, slot: Slot) -> Result<ParticipantSaid, LoadError> {
        let request = v1::GetParticipantRequest {
            battle_id: self.battle_id.to_owned(),
            participant_id: self.everyone[slot as usize].clone(),
            min_position: self.position,
            wait_ms: WAIT_MS,
        };
        let answer = self
            .ask("tell a participant", |mut queries| {
                let request = with_token(request.clone(), self.admin);
                async move { queries.get_participant(request).await }
            })
            .await?;
        let participant = answer.participant.unwrap_or_default();
        let holding = participant.balance.unwrap_or_default().into();
        Ok(ParticipantSaid { username: participant.username, holding })
    }

    /// The top of the board, then pages around those who must stand in their middle.
    async fn board(&self, differences: &mut Differences) -> Result<(), LoadError> {
        let ranking = ranking(self.standings);
        let request = v1::GetLeaderboardRequest {
            battle_id: self.battle_id.to_owned(),
            limit: TOP_LINES,
            min_position: self.position,
            wait_ms: WAIT_MS,
        };
        let top = self
            .ask("tell the board", |mut queries| {
                let request = request.clone();
                async move { queries.get_leaderboard(request).await }
            })
            .await?;
        if top.total as usize != ranking.len() {
            differences.add(format!("the board has {} lines instead of {}", top.total, ranking.len()));
        }
        let mut told = self.lines(&ranking, top.entries, differences);
        while told < ranking.len() {
            let middle = (told + AROUND_LINES as usize).min(ranking.len() - 1);
            let page = self.around(ranking[middle]).await?;
            let last = page.iter().map(|line| line.rank as usize).max().unwrap_or(0);
            self.lines(&ranking, page, differences);
            if last <= told {
                differences.add(format!("the board ends at rank {told} instead of {}", ranking.len()));
                break;
            }
            told = last;
        }
        Ok(())
    }

    async fn around(&self, slot: Slot) -> Result<Vec<v1::LeaderboardEntry>, LoadError> {
        let request = v1::GetAroundRankRequest {
            battle_id: self.battle_id.to_owned(),
            participant_id: self.everyone[slot as usize].clone(),
            range: AROUND_LINES,
            min_position: self.position,
            wait_ms: WAIT_MS,
        };
        let answer = self
            .ask("tell the board around a participant", |mut queries| {
                let request = request.clone();
                async move { queries.get_around_rank(request).await }
            })
            .await?;
        Ok(answer.entries)
    }

    /// Compares lines and says how many there were.
    fn lines(
        &self,
        ranking: &[Slot],
        entries: Vec<v1::LeaderboardEntry>,
        differences: &mut Differences,
    ) -> usize {
        let said: Vec<_> = entries
            .into_iter()
            .map(|entry| LineSaid {
                rank: entry.rank,
                participant_id: entry.participant_id,
                points: entry.points,
            })
            .collect();
        check_lines(ranking, self.standings, self.everyone, &said, differences);
        said.len()
    }

    async fn ask<T, F>(&self, action: &'static str, query: impl Fn(Queries) -> F) -> Result<T, LoadError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            match within_deadline(query(self.api.queries())).await {
                Ok(answer) => return Ok(answer),
                Err(status) if tries == TRIES => {
                    return Err(LoadError::Server { action, reason: describe(&status) });
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    }
}

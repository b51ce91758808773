//! What players do: one function an operation, each counted from the time at which it was meant to happen.

use std::sync::atomic::Ordering;

use nimaora_api::v1;
use tonic::Status;
use uuid::Uuid;

use super::api::{Reply, bearer, code_name, with_token};
use super::crew::{Crew, Identity};
use super::error::LoadError;
use super::facts::{Deed, Fact, username};
use super::plan::{Arrival, Operation};
use super::record::Ending;
use super::time::now_us;

/// Of so many answers one is wrong.
const WRONG_ONE_OF: u32 = 5;

/// How an operation ended, and what it learned.
struct Done {
    ending: Result<(), Unsuccessful>,
    retries: u64,
    unresolved: bool,
}

enum Unsuccessful {
    Refused(String),
    Failed(&'static str),
}

impl Done {
    fn of_query<T>(answer: Result<T, Status>, retries: u64) -> Self {
        let ending = answer.map(|_| ()).map_err(|status| Unsuccessful::Failed(code_name(&status)));
        Self { ending, retries, unresolved: false }
    }

    /// A command's end; what it was answered goes to `learn`.
    fn of_command<T>(reply: Reply<T>, retries: u64, learn: impl FnOnce(T)) -> Self {
        let unresolved = matches!(reply, Reply::Unknown(_));
        let ending = match reply {
            Reply::Accepted(answer) => {
                learn(answer);
                Ok(())
            }
            Reply::Refused(reason) => Err(Unsuccessful::Refused(reason)),
            Reply::Failed(status) | Reply::Unknown(status) => Err(Unsuccessful::Failed(code_name(&status))),
        };
        Self { ending, retries, unresolved }
    }
}

impl Crew {
    /// Does what is due. `due_us` is the intended time on the machine's clock; the latency counts from there.
    pub(super) async fn act(&self, arrival: Arrival, due_us: u64) {
        let sent_us = now_us();
        self.record.lock().lag.record(sent_us.saturating_sub(due_us));
        let Some(identity) = self.players[arrival.player as usize].identity.get() else {
            return self.count(
                arrival.operation,
                due_us,
                &Done::of_query::<()>(Err(Status::aborted("not joined")), 0),
            );
        };
        let done = match arrival.operation {
            Operation::Answer => self.answer(arrival.player, identity).await,
            Operation::Attack => self.attack(self.attacker(arrival.player)).await,
            Operation::Leaderboard => self.look_at_the_board(identity).await,
            Operation::Heartbeat => self.beat(identity).await,
            // Joins happen before the measured phase; see `join`.
            Operation::Join => return,
        };
        self.count(arrival.operation, due_us, &done);
    }

    /// Lets a player join. It must succeed: no load can run with a part of its players.
    pub(super) async fn join(&self, player: u32, due_us: u64) -> Result<(), LoadError> {
        let slot = self.slot(player);
        let failed = |reason: String| LoadError::Player { player: slot, action: "join", reason };
        let request = v1::JoinRequest {
            command_id: Uuid::new_v4().to_string(),
            battle_id: self.setup.battle_id.clone(),
            username: username(slot),
        };
        let mut retries = 0;
        let reply = self
            .api
            .command(&mut retries, |mut commands| {
                let request = request.clone();
                async move { commands.join(request).await }
            })
            .await;
        let mut joined = None;
        let done = Done::of_command(reply, retries, |answer| joined = Some(answer));
        self.count(Operation::Join, due_us, &done);
        let answer = match (joined, done.ending) {
            (Some(answer), _) => answer,
            (None, Err(Unsuccessful::Refused(reason))) => return Err(failed(reason)),
            (None, Err(Unsuccessful::Failed(code))) => return Err(failed(code.to_owned())),
            (None, Ok(())) => return Err(failed("no answer".to_owned())),
        };
        let identity = Identity {
            participant_id: answer.participant_id,
            token: bearer(&answer.token)?,
            token_text: answer.token,
        };
        let balance = answer.balance.unwrap_or_default().into();
        self.learn(Fact { position: answer.position, player: slot, balance, deed: Deed::Joined });
        // A player joins once.
        let _ = self.players[player as usize].identity.set(identity);
        self.counters.joined.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn answer(&self, player: u32, identity: &Identity) -> Done {
        let turn = self.players[player as usize].answered.fetch_add(1, Ordering::Relaxed);
        let question_id = turn % self.setup.offer.questions + 1;
        let is_wrong = fastrand::u32(..WRONG_ONE_OF) == 0;
        let answer = if is_wrong { "0".to_owned() } else { accepted_answer(question_id) };
        let request = v1::SubmitAnswerRequest { command_id: Uuid::new_v4().to_string(), question_id, answer };
        let mut retries = 0;
        let reply = self
            .api
            .command(&mut retries, |mut commands| {
                let request = with_token(request.clone(), &identity.token);
                async move { commands.submit_answer(request).await }
            })
            .await;
        Done::of_command(reply, retries, |answer: v1::SubmitAnswerResponse| {
            self.learn(Fact {
                position: answer.position,
                player: self.slot(player),
                balance: answer.balance.unwrap_or_default().into(),
                deed: Deed::Answered { earned: answer.earned.unwrap_or_default().into() },
            });
        })
    }

    async fn attack(&self, player: u32) -> Done {
        let attacker = self.slot(player);
        let target = self.target(attacker);
        let (Some(identity), Some(everyone)) =
            (self.players[player as usize].identity.get(), self.everyone.get())
        else {
            return Done::of_query::<()>(Err(Status::aborted("not joined")), 0);
        };
        let target_id = everyone[target as usize].clone();
        let request = v1::AttackRequest { command_id: Uuid::new_v4().to_string(), target_id };
        let sent_us = now_us();
        let mut retries = 0;
        let reply = self
            .api
            .command(&mut retries, |mut commands| {
                let request = with_token(request.clone(), &identity.token);
                async move { commands.attack(request).await }
            })
            .await;
        Done::of_command(reply, retries, |answer: v1::AttackResponse| {
            let (blocked, points_deducted) = (answer.blocked, answer.points_deducted);
            self.points[target as usize].fetch_sub(i64::from(points_deducted), Ordering::Relaxed);
            self.learn(Fact {
                position: answer.position,
                player: attacker,
                balance: answer.balance.unwrap_or_default().into(),
                deed: Deed::Attacked { target, blocked, points_deducted, sent_us },
            });
        })
    }

    /// Of five looks three are at the top, one at the own rank and one at the board around it.
    async fn look_at_the_board(&self, identity: &Identity) -> Done {
        let battle_id = self.setup.battle_id.clone();
        let participant_id = identity.participant_id.clone();
        let (api, mut retries) = (&self.api, 0);
        match fastrand::u8(..5) {
            0 => {
                let request = v1::GetRankRequest { battle_id, participant_id, ..Default::default() };
                let attempt = || {
                    let request = request.clone();
                    async move { api.queries().get_rank(request).await }
                };
                Done::of_query(api.ask(&mut retries, attempt).await, retries)
            }
            1 => {
                let request = v1::GetAroundRankRequest { battle_id, participant_id, ..Default::default() };
                let attempt = || {
                    let request = request.clone();
                    async move { api.queries().get_around_rank(request).await }
                };
                Done::of_query(api.ask(&mut retries, attempt).await, retries)
            }
            _ => {
                let request = v1::GetLeaderboardRequest { battle_id, ..Default::default() };
                let attempt = || {
                    let request = request.clone();
                    async move { api.queries().get_leaderboard(request).await }
                };
                Done::of_query(api.ask(&mut retries, attempt).await, retries)
            }
        }
    }

    async fn beat(&self, identity: &Identity) -> Done {
        let (api, mut retries) = (&self.api, 0);
        let attempt = || {
            let request = with_token(v1::HeartbeatRequest {}, &identity.token);
            async move { api.commands().heartbeat(request).await }
        };
        Done::of_query(api.ask(&mut retries, attempt).await, retries)
    }

    /// A heartbeat that is not measured, from a player that waits for the start.
    pub(super) async fn beat_unmeasured(&self, player: u32) {
        if let Some(identity) = self.players[player as usize].identity.get() {
            self.beat(identity).await;
        }
    }

    fn count(&self, operation: Operation, due_us: u64, done: &Done) {
        let now_us = now_us();
        let began_us = self.began_us.load(Ordering::Relaxed);
        let second = (began_us > 0).then(|| (now_us.saturating_sub(began_us) / 1_000_000) as usize);
        let ending = match &done.ending {
            Ok(()) => Ending::Succeeded,
            Err(Unsuccessful::Refused(reason)) => Ending::Refused(reason),
            Err(Unsuccessful::Failed(code)) => Ending::Failed(code),
        };
        if matches!(ending, Ending::Failed(_)) {
            self.counters.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.counters.done.fetch_add(1, Ordering::Relaxed);
        let mut record = self.record.lock();
        record.retries += done.retries;
        record.unresolved += u64::from(done.unresolved);
        record.outcome(operation, now_us.saturating_sub(due_us), second, ending);
    }
}

/// The right answer to a question of a load's battle. No right answer is 0.
pub(super) fn accepted_answer(question_id: u32) -> String {
    (question_id + 1).to_string()
}

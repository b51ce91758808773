//! One player: what it does, and what its socket tells it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use nimaora_api::v1::{AttackRequest, JoinRequest, SubmitAnswerRequest, Verdict};
use nimaora_runtime::Shutdown;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};

use super::error::DemoError;
use super::guests::Guests;
use super::referee::Script;
use super::scene::{Alert, Scene};
use crate::client::{APP_KEY, Connection, PusherSocket, bearer, command_id, with_token};
use crate::quiz::RIDDLES;

/// How boards begin: bots do not read them, the spectator does.
const BOARD_PREFIX: &[u8] = br#"{"event":"leaderboard.updated""#;
/// How long a bot thinks before it answers or attacks, in seconds.
const THINKS_S: std::ops::Range<f64> = 0.2..2.0;
/// The best know nearly every answer, the worst hardly half.
const SKILL: std::ops::Range<f64> = 0.45..0.97;
/// How often a bot attacks when it can: some always, some now and then.
const TEMPER: std::ops::Range<f64> = 0.3..1.0;
/// How often a bot aims at one of the leaders instead of anybody.
const AIMS_HIGH: f64 = 0.6;

/// A name for each of the first bots; later ones get a number too.
const NAMES: [&str; 50] = [
    "ada",
    "alan",
    "annie",
    "barbara",
    "bjarne",
    "brian",
    "shannon",
    "dennis",
    "donald",
    "dorothy",
    "edsger",
    "emmy",
    "frances",
    "grace",
    "guido",
    "hedy",
    "ida",
    "james",
    "jean",
    "john",
    "karen",
    "katherine",
    "ken",
    "kurt",
    "larry",
    "leslie",
    "linus",
    "lynn",
    "margaret",
    "marvin",
    "mary",
    "niklaus",
    "noether",
    "ole",
    "radia",
    "rob",
    "robin",
    "rosalind",
    "sophie",
    "stephen",
    "tim",
    "tony",
    "ursula",
    "vera",
    "vint",
    "walter",
    "whitfield",
    "xerxes",
    "yukihiro",
    "zuse",
];

/// What all bots have in common.
pub(super) struct Arena {
    pub(super) scene: Arc<Scene>,
    pub(super) referee: Sender<Script>,
    /// When the battle started, as the bots see it, and when it ends.
    pub(super) started: Instant,
    pub(super) ends: Instant,
    /// How long after one another its questions open.
    pub(super) opens_every: Duration,
    /// Every bot's id.
    pub(super) bots: Vec<String>,
    pub(super) guests: Arc<Guests>,
}

/// A player that has joined.
pub(super) struct Bot {
    pub(super) participant_id: String,
    username: String,
    token: String,
    bearer: MetadataValue<Ascii>,
    connection: Connection,
    arrows: u32,
    rng: Rng,
}

/// The name of the bot with this number.
pub(super) fn name(number: u32) -> String {
    let name = NAMES[number as usize % NAMES.len()];
    match number as usize / NAMES.len() {
        0 => name.to_owned(),
        round => format!("{name}_{}", round + 1),
    }
}

impl Bot {
    /// Joins the battle.
    pub(super) async fn join(
        number: u32,
        connection: Connection,
        battle_id: String,
        seed: u64,
    ) -> Result<Self, DemoError> {
        let wish = JoinRequest { command_id: command_id(), battle_id, username: name(number) };
        let joined = connection.commands().join(with_token(wish, None)).await;
        let joined = joined.map_err(DemoError::refused("let a bot join"))?.into_inner();
        let bearer = bearer(&joined.token).ok_or(DemoError::Token)?;
        Ok(Self {
            participant_id: joined.participant_id,
            username: joined.username,
            token: joined.token,
            bearer,
            connection,
            arrows: joined.balance.unwrap_or_default().arrows,
            rng: Rng::with_seed(seed.wrapping_add(u64::from(number))),
        })
    }

    /// Opens the bot's socket: the battle's channel, and its own. Its alerts go to the scene until `shutdown`.
    pub(super) async fn listen(
        &self,
        authority: &str,
        battle_id: &str,
        scene: Arc<Scene>,
        shutdown: &Shutdown,
    ) -> Result<(), DemoError> {
        let mut socket = PusherSocket::connect(authority, APP_KEY).await?;
        let own = format!("private-participant.{}", self.participant_id);
        let signature = socket.authorise(&own, &self.token).await?;
        socket.subscribe(&own, Some(&signature)).await?;
        socket.subscribe(&format!("battle.{battle_id}"), None).await?;
        let (stop, username) = (shutdown.clone(), self.username.clone());
        shutdown.spawn(async move {
            tokio::select! {
                () = stop.requested() => {}
                () = hear(socket, &username, &scene) => {}
            }
        });
        Ok(())
    }

    /// Plays until everything is answered or the time is over. What was sent is waited for.
    pub(super) async fn play(mut self, arena: Arc<Arena>) {
        let skill = between(&mut self.rng, SKILL);
        let temper = between(&mut self.rng, TEMPER);
        let mut opens_at = arena.started;
        for index in 0..RIDDLES.len() {
            if !rest_until(opens_at, &arena).await || !self.think(&arena).await {
                return;
            }
            opens_at += arena.opens_every;
            let right = self.rng.f64() < skill;
            if !self.answer(&arena, index, right).await && self.think(&arena).await {
                // A second attempt is as good as the first.
                let right = self.rng.f64() < skill;
                self.answer(&arena, index, right).await;
            }
            while self.arrows > 0 && self.rng.f64() < temper && self.think(&arena).await {
                self.attack(&arena).await;
            }
        }
    }

    /// Rests for a while; whether the battle goes on.
    async fn think(&mut self, arena: &Arena) -> bool {
        let while_s = between(&mut self.rng, THINKS_S);
        rest_until(Instant::now() + Duration::from_secs_f64(while_s), arena).await
    }

    /// Answers a question; whether there is nothing more to say about it.
    async fn answer(&mut self, arena: &Arena, index: usize, right: bool) -> bool {
        let riddle = RIDDLES[index];
        let answer = if right { riddle.right } else { riddle.wrong };
        let question_id = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let wish = SubmitAnswerRequest { command_id: command_id(), question_id, answer: answer.to_owned() };
        let answered = self.connection.commands().submit_answer(with_token(wish, Some(&self.bearer))).await;
        let answered = match answered {
            Ok(answered) => answered.into_inner(),
            Err(status) => {
                count_failure(&arena.scene, &status);
                return true;
            }
        };
        let verdict = answered.verdict();
        self.arrows = answered.balance.unwrap_or_default().arrows;
        arena.scene.count(|counts| {
            counts.commands += 1;
            counts.answers += 1;
            counts.right += u64::from(verdict == Verdict::Correct);
        });
        if verdict == Verdict::Pending {
            let participant_id = self.participant_id.clone();
            let script = Script { participant_id, question_id, attempt: answered.attempt, answer };
            // The referee is gone only when the battle is over.
            let _ = arena.referee.send(script).await;
        }
        verdict != Verdict::Wrong
    }

    /// Attacks somebody. The alerts of bots are awaited; those of people come where they play.
    async fn attack(&mut self, arena: &Arena) {
        let Some(target_id) = self.target(arena) else { return };
        let sent = Instant::now();
        let is_bot = arena.bots.contains(&target_id);
        let wish = AttackRequest { command_id: command_id(), target_id };
        match self.connection.commands().attack(with_token(wish, Some(&self.bearer))).await {
            Ok(attacked) => {
                let attacked = attacked.into_inner();
                self.arrows = attacked.balance.unwrap_or_default().arrows;
                arena.scene.count(|counts| counts.commands += 1);
                if is_bot {
                    arena.scene.attacked(attacked.position, attacked.blocked, sent);
                }
            }
            Err(status) => count_failure(&arena.scene, &status),
        }
    }

    fn target(&mut self, arena: &Arena) -> Option<String> {
        if let Some(guest) = arena.guests.due() {
            return Some(guest);
        }
        let leaders = arena.scene.leaders();
        let among = if self.rng.f64() < AIMS_HIGH { &leaders } else { &arena.bots };
        let others: Vec<&String> = among.iter().filter(|id| **id != self.participant_id).collect();
        self.rng.choice(others).cloned()
    }
}

/// Waits until `then`, but not past the end of the battle; whether it goes on.
async fn rest_until(then: Instant, arena: &Arena) -> bool {
    sleep_until(then.min(arena.ends)).await;
    then < arena.ends
}

fn between(rng: &mut Rng, range: std::ops::Range<f64>) -> f64 {
    range.start + rng.f64() * (range.end - range.start)
}

fn count_failure(scene: &Scene, status: &Status) {
    scene.count(|counts| match status.code() {
        Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists => counts.refused += 1,
        _ => counts.failed += 1,
    });
}

/// Tells the scene of every alert until the socket ends.
async fn hear(mut socket: PusherSocket, username: &str, scene: &Scene) {
    loop {
        match socket.next_event_unless(|text| text.starts_with(BOARD_PREFIX)).await {
            Ok(Some(event)) if event.name == "attack.received" => match event.read::<Alert>() {
                Ok(alert) => scene.alerted(username, alert),
                Err(_) => scene.count(|counts| counts.failed += 1),
            },
            Ok(Some(_) | None) => {}
            Err(_) => return scene.count(|counts| counts.failed += 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_bot_has_a_name_of_its_own() {
        let names: HashSet<_> = (0..1_000).map(name).collect();
        assert_eq!(names.len(), 1_000);
    }
}

//! Battles that are written straight to a log, as the command-service would write them.

use std::sync::Arc;

use nimaora_domain::event::{AttackLanded, BattleCreated, BattleStarted, ParticipantJoined};
use nimaora_domain::{
    Balance, BattleId, CommandId, Event, ParticipantId, Rules, SessionId, Timestamp, Username, codec,
};
use nimaora_event_log::{Append, Appended, ChainHead, Envelope, EventLog, Expected, NewEvent, envelope};
use uuid::Uuid;

use crate::BenchError;

/// What everybody begins with.
const INITIAL: Balance = Balance { points: 100_000, shields: 10, arrows: 100_000 };
/// How many events go in the log at once.
const APPEND_EVENTS: usize = 1_024;
/// When the first event was decided; each further one a millisecond later.
const BEGUN_MS: i64 = 1_795_484_834_123;

/// A battle whose players attack each other at random.
pub struct History {
    /// Its id.
    pub battle: BattleId,
    number: u64,
    chain: ChainHead,
    revision: u64,
    balances: Vec<Balance>,
    rng: fastrand::Rng,
}

impl History {
    /// A battle that has not begun.
    pub fn new(number: u64) -> Self {
        Self {
            battle: BattleId(Uuid::from_u64_pair(0x019a_0000_0000_7000, number)),
            number,
            chain: ChainHead::default(),
            revision: 0,
            balances: Vec::new(),
            rng: fastrand::Rng::with_seed(number),
        }
    }

    /// Creates it, lets so many players join, and starts it; answers how many events that were.
    ///
    /// # Errors
    /// The log refuses.
    pub async fn begin(&mut self, log: &dyn EventLog, players: u64) -> Result<u64, BenchError> {
        let (questions, rules) = (Vec::new(), Rules::default());
        let (title, join_code) = ("history".to_owned(), format!("HISTORY{}", self.number));
        let (starts_at, ends_at) = (None, None);
        let created = BattleCreated { title, rules, questions, starts_at, ends_at, join_code };
        let mut events = vec![self.seal(&Event::BattleCreated(created))];
        for n in 0..players {
            let event = self.joined(n)?;
            events.push(self.seal(&event));
        }
        let started = BattleStarted { started_at: Timestamp::from_millis(1) };
        events.push(self.seal(&Event::BattleStarted(started)));
        self.append_all(log, events).await?;
        Ok(self.revision)
    }

    /// Appends so many attacks.
    ///
    /// # Errors
    /// The log refuses.
    pub async fn attack(&mut self, log: &dyn EventLog, count: u64) -> Result<Appended, BenchError> {
        let events = (0..count).map(|_| self.next_attack()).collect();
        self.append_all(log, events).await
    }

    async fn append_all(&self, log: &dyn EventLog, events: Vec<NewEvent>) -> Result<Appended, BenchError> {
        let stream: Arc<str> = self.battle.stream().into();
        let mut last = None;
        for some in events.chunks(APPEND_EVENTS) {
            let stream = Arc::clone(&stream);
            last = Some(log.append(Append { stream, expected: Expected::Any, events: some.to_vec() }).await?);
        }
        last.ok_or_else(|| BenchError::Invalid("nothing was appended".to_owned()))
    }

    fn next_attack(&mut self) -> NewEvent {
        let players = self.balances.len();
        let (attacker, step) = (self.rng.usize(0..players), self.rng.usize(1..players));
        let target = (attacker + step) % players;
        let arrows = &mut self.balances[attacker].arrows;
        *arrows = arrows.saturating_sub(1);
        let hit = &mut self.balances[target];
        let blocked = hit.shields > 0;
        let points_deducted = u32::from(!blocked && hit.points > 0);
        hit.shields -= u32::from(blocked);
        hit.points -= points_deducted;
        let event = AttackLanded {
            attacker_id: self.participant(attacker as u64),
            target_id: self.participant(target as u64),
            blocked,
            points_deducted,
            attacker_balance: self.balances[attacker],
            target_balance: self.balances[target],
        };
        self.seal(&Event::AttackLanded(event))
    }

    fn participant(&self, n: u64) -> ParticipantId {
        // Spread like real ones, whose last half is random.
        let first = 0x019a_0000_0000_7000 + self.number * 0x1_0000 + n / 16;
        ParticipantId(Uuid::from_u64_pair(first, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn joined(&mut self, n: u64) -> Result<Event, BenchError> {
        let username = Username::new(&format!("player {n}"))
            .map_err(|violation| BenchError::Invalid(violation.description.to_owned()))?;
        self.balances.push(INITIAL);
        Ok(Event::ParticipantJoined(ParticipantJoined {
            participant_id: self.participant(n),
            username,
            session_id: SessionId(Uuid::from_u128(n.into())),
            balance: INITIAL,
        }))
    }

    fn seal(&mut self, event: &Event) -> NewEvent {
        let command_id = CommandId(Uuid::from_u64_pair(self.number, self.revision));
        let surrounded = Envelope {
            command_id,
            correlation_id: command_id.0,
            causation_id: command_id.0,
            actor: "system".to_owned(),
            time: Timestamp::from_millis(BEGUN_MS + self.revision as i64),
            traceparent: None,
        };
        let encoded = codec::encode(event);
        let (stream, id) = (self.battle.stream(), command_id.event_id(0));
        let (event_type, data) = (encoded.event_type, encoded.data);
        let revision = self.revision;
        self.revision += 1;
        envelope::seal(&stream, revision, id, event_type, data, &surrounded, &mut self.chain)
    }
}

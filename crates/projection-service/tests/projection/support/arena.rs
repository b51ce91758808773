//! A battle that is played: commands in, events in the log.

use std::sync::Arc;

use nimaora_domain::command::NewQuestion;
use nimaora_domain::decide::Decision;
use nimaora_domain::{
    Actor, AnswerKey, Balance, Battle, BattleId, Command, CommandContext, CommandId, Event, ParticipantId,
    QuestionId, QuestionKind, Recorded, Rules, SessionId, Timestamp, codec, decide,
};
use nimaora_event_log::embedded::EmbeddedLog;
use nimaora_event_log::{Append, ChainHead, Envelope, EventLog, Expected, NewEvent, envelope};
use uuid::Uuid;

/// When a battle of a test begins, in milliseconds since the Unix epoch.
const BEGIN_MS: i64 = 1_795_484_834_123;

/// One battle: its state, and the log that it is written to.
pub struct Arena {
    log: Arc<EmbeddedLog>,
    key: AnswerKey,
    chain: ChainHead,
    revision: u64,
    commands: u128,
    pub id: BattleId,
    pub state: Battle,
    /// The position of the battle's last event.
    pub position: u64,
}

impl Arena {
    /// The `n`th battle, with five questions, three of them external, and rich players.
    pub async fn create(log: &Arc<EmbeddedLog>, n: u128) -> Self {
        let id = BattleId(Uuid::from_u128(n));
        let mut arena = Self {
            log: Arc::clone(log),
            key: AnswerKey::new([7; 32]),
            chain: ChainHead::default(),
            revision: 0,
            commands: n << 64,
            id,
            state: Battle::default(),
            position: 0,
        };
        let question = |kind, accepted: &[&str]| NewQuestion {
            kind,
            prompt: "What is it?".to_owned(),
            choices: Vec::new(),
            accepted_answers: accepted.iter().map(|&answer| answer.to_owned()).collect(),
            reward: Balance { points: 10, shields: 1, arrows: 2 },
            attempts_max: 3,
            opens_after_ms: 0,
            answering_time_ms: 0,
        };
        let mut questions =
            vec![question(QuestionKind::Text, &["yes"]), question(QuestionKind::Number, &["7"])];
        questions.resize_with(5, || question(QuestionKind::External, &[]));
        let rules = Rules { initial: Balance { points: 5, shields: 1, arrows: 3 }, ..Rules::default() };
        let (title, join_code) = (format!("battle {n}"), format!("CODE{n:04}"));
        let (starts_at, ends_at) = (None, None);
        let create = Command::CreateBattle { title, rules, questions, starts_at, ends_at, join_code };
        arena.admin(create).await;
        arena
    }

    /// A running battle with so many participants, from the 1st on; ids differ from those of other battles.
    pub async fn running(log: &Arc<EmbeddedLog>, n: u128, players: u128) -> Self {
        let mut arena = Self::create(log, n).await;
        for player in 1..=players {
            arena.join(player).await;
        }
        arena.admin(Command::StartBattle).await;
        arena
    }

    /// The `n`th participant of this battle.
    pub fn who(&self, n: u128) -> ParticipantId {
        ParticipantId(Uuid::from_u128((self.id.0.as_u128() << 32) + n))
    }

    /// Somebody joins. Answers whether the rules allowed it.
    pub async fn join(&mut self, n: u128) -> bool {
        let (participant_id, session_id) = (self.who(n), self.session());
        let username = format!("player {n}");
        self.command(Command::Join { participant_id, username, session_id }, Actor::Guest).await
    }

    /// One attacks another. Answers whether the rules allowed it.
    pub async fn attack(&mut self, attacker: u128, target: u128) -> bool {
        let (attacker_id, target_id) = (self.who(attacker), self.who(target));
        self.act(attacker, Command::Attack { attacker_id, target_id }).await
    }

    /// Somebody answers a question. Answers whether the rules allowed it.
    pub async fn answer(&mut self, n: u128, question: u32, answer: &str) -> bool {
        let (participant_id, answer) = (self.who(n), answer.to_owned());
        let question_id = QuestionId(question);
        self.act(n, Command::SubmitAnswer { participant_id, question_id, answer }).await
    }

    /// An admin's command. Answers whether the rules allowed it.
    pub async fn admin(&mut self, command: Command) -> bool {
        self.command(command, Actor::Admin).await
    }

    /// The revision of the battle's last event.
    pub fn last_revision(&self) -> u64 {
        self.revision - 1
    }

    /// A session that nobody has yet.
    pub fn session(&self) -> SessionId {
        SessionId(Uuid::from_u128(self.commands + (1 << 32)))
    }

    /// A participant's own command, in its newest session. Answers whether the rules allowed it.
    pub async fn act(&mut self, n: u128, command: Command) -> bool {
        let id = self.who(n);
        let Some(participant) = self.state.participant(id) else { return false };
        let actor = Actor::Participant(id, participant.session_id());
        self.command(command, actor).await
    }

    /// A command. Answers whether the rules allowed it.
    pub async fn command(&mut self, command: Command, actor: Actor) -> bool {
        self.commands += 1;
        let command_id = CommandId(Uuid::from_u128(self.commands));
        let context = CommandContext { command_id, actor, received_at: self.now() };
        match decide(self.id, &self.state, &self.key, &command, &context) {
            Ok(Decision::Append(events)) => {
                self.append(command_id, events).await;
                true
            }
            Ok(Decision::Repeat { .. } | Decision::Nothing) | Err(_) => false,
        }
    }

    /// Something that no rule would ever say, in the battle's stream.
    pub async fn append_unheard_of(&mut self, event_type: &'static str, data: &str) {
        self.commands += 1;
        let command_id = CommandId(Uuid::from_u128(self.commands));
        let sealed = self.seal(command_id, 0, event_type, data.as_bytes().to_vec());
        self.write(vec![sealed]).await;
    }

    /// An event of the right form that no rule allows.
    pub async fn append_unruly(&mut self, event: Event) {
        let encoded = codec::encode(&event);
        let data = String::from_utf8(encoded.data).unwrap();
        self.append_unheard_of(encoded.event_type, &data).await;
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + i64::try_from(self.revision).unwrap())
    }

    async fn append(&mut self, command_id: CommandId, events: Vec<Event>) {
        let mut sealed = Vec::new();
        for (index, event) in (0..).zip(events) {
            let (revision, time, event_id) = (self.revision, self.now(), command_id.event_id(index));
            let encoded = codec::encode(&event);
            sealed.push(self.seal(command_id, index, encoded.event_type, encoded.data));
            self.state.evolve(&Recorded { revision, event_id, command_id, time, event });
        }
        self.write(sealed).await;
    }

    fn seal(
        &mut self,
        command_id: CommandId,
        index: u32,
        event_type: &'static str,
        data: Vec<u8>,
    ) -> NewEvent {
        let surrounded = Envelope {
            command_id,
            correlation_id: command_id.0,
            causation_id: command_id.0,
            actor: "system".to_owned(),
            time: self.now(),
            traceparent: None,
        };
        let (stream, id) = (self.id.stream(), command_id.event_id(index));
        let revision = self.revision;
        self.revision += 1;
        envelope::seal(&stream, revision, id, event_type, data, &surrounded, &mut self.chain)
    }

    async fn write(&mut self, events: Vec<NewEvent>) {
        let append = Append { stream: self.id.stream().into(), expected: Expected::Any, events };
        self.position = self.log.append(append).await.unwrap().last_position;
    }
}

//! Given these events, when this command comes, then these events follow, or nothing, or a refusal. For tests
//! only.

use uuid::Uuid;

use crate::answer::AnswerKey;
use crate::battle::Battle;
use crate::codec;
use crate::command::{Actor, Command, CommandContext, NewQuestion};
use crate::decide::{Decision, decide};
use crate::event::{BattleStarted, Event, ParticipantJoined, ParticipantsLapsed, Recorded};
use crate::ids::{BattleId, CommandId, ParticipantId, QuestionId, SessionId};
use crate::refusal::Refusal;
use crate::rules::{Balance, QuestionKind, Rules};
use crate::time::Timestamp;
use crate::username::Username;

pub(crate) const ADA: ParticipantId = ParticipantId(Uuid::from_u128(0xada));
pub(crate) const BOB: ParticipantId = ParticipantId(Uuid::from_u128(0xb0b));
pub(crate) const EVE: ParticipantId = ParticipantId(Uuid::from_u128(0xe7e));

/// The questions of [`creation`].
pub(crate) const CAPITAL: QuestionId = QuestionId(1);
pub(crate) const COLOUR: QuestionId = QuestionId(2);
pub(crate) const HALF: QuestionId = QuestionId(3);
pub(crate) const PROGRAM: QuestionId = QuestionId(4);

const CREATION: CommandId = CommandId(Uuid::from_u128(0xc4ea7e));

pub(crate) fn key() -> AnswerKey {
    AnswerKey::new([7; 32])
}

pub(crate) fn battle_id() -> BattleId {
    BattleId::created_by(CREATION)
}

/// The session that a participant gets on joining.
pub(crate) fn session(of: ParticipantId) -> SessionId {
    SessionId(of.0)
}

pub(crate) fn command_id(number: u128) -> CommandId {
    CommandId(Uuid::from_u128(number))
}

/// So many milliseconds after the battle's start.
pub(crate) fn after_start(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_795_484_834_000).plus_millis(millis)
}

pub(crate) fn balance(points: u32, shields: u32, arrows: u32) -> Balance {
    Balance { points, shields, arrows }
}

/// A battle with a question of each kind. All are open for as long as it runs, but for the one that opens
/// after 10 s for 5 s.
pub(crate) fn creation() -> Command {
    let question = |kind, prompt: &str, accepted: &[&str]| NewQuestion {
        kind,
        prompt: prompt.to_owned(),
        choices: Vec::new(),
        accepted_answers: accepted.iter().map(|&answer| answer.to_owned()).collect(),
        reward: balance(10, 1, 2),
        attempts_max: 2,
        opens_after_ms: 0,
        answering_time_ms: 0,
    };
    let colour = NewQuestion {
        choices: vec!["red".to_owned(), "green".to_owned()],
        opens_after_ms: 10_000,
        answering_time_ms: 5_000,
        ..question(QuestionKind::Choice, "Which colour?", &["2"])
    };
    Command::CreateBattle {
        title: "Autumn cup".to_owned(),
        rules: Rules { initial: balance(3, 0, 1), ..Rules::default() },
        questions: vec![
            question(QuestionKind::Text, "The capital of Norway?", &["Oslo", "oslo"]),
            colour,
            question(QuestionKind::Number, "Half of three?", &["1.5"]),
            question(QuestionKind::External, "Write a program.", &[]),
        ],
        starts_at: None,
        ends_at: None,
        join_code: "CUP2026".to_owned(),
    }
}

/// The event of [`creation`], its rules changed by `change`.
pub(crate) fn created_with(change: impl FnOnce(&mut Rules)) -> Event {
    let mut command = creation();
    if let Command::CreateBattle { rules, .. } = &mut command {
        change(rules);
    }
    created_by(&command)
}

/// The event of a creation.
pub(crate) fn created_by(command: &Command) -> Event {
    let context = CommandContext { command_id: CREATION, actor: Actor::Admin, received_at: after_start(0) };
    match decide(battle_id(), &Battle::default(), &key(), command, &context) {
        Ok(Decision::Append(mut events)) => events.remove(0),
        other => panic!("the creation came to {other:?}"),
    }
}

pub(crate) fn created() -> Event {
    created_with(|_| {})
}

pub(crate) fn started() -> Event {
    Event::BattleStarted(BattleStarted { started_at: after_start(0) })
}

pub(crate) fn joined(participant_id: ParticipantId, name: &str, balance: Balance) -> Event {
    let username = Username::new(name).unwrap();
    let session_id = session(participant_id);
    Event::ParticipantJoined(ParticipantJoined { participant_id, username, session_id, balance })
}

pub(crate) fn lapsed(participant_id: ParticipantId) -> Event {
    Event::ParticipantsLapsed(ParticipantsLapsed { participant_ids: vec![participant_id] })
}

/// A running battle with Ada, who holds 3 points, 1 shield and 2 arrows, and Bob, who holds 2 points and 1
/// arrow.
pub(crate) fn duel() -> Vec<Event> {
    vec![created(), joined(ADA, "Ada", balance(3, 1, 2)), joined(BOB, "Bob", balance(2, 0, 1)), started()]
}

/// The events of `first`, then those of `more`.
pub(crate) fn and<const N: usize>(mut first: Vec<Event>, more: [Event; N]) -> Vec<Event> {
    first.extend(more);
    first
}

pub(crate) fn join(participant_id: ParticipantId, name: &str) -> Command {
    Command::Join { participant_id, username: name.to_owned(), session_id: session(participant_id) }
}

pub(crate) fn answer(participant_id: ParticipantId, question_id: QuestionId, text: &str) -> Command {
    Command::SubmitAnswer { participant_id, question_id, answer: text.to_owned() }
}

pub(crate) fn attack(attacker_id: ParticipantId, target_id: ParticipantId) -> Command {
    Command::Attack { attacker_id, target_id }
}

/// A battle as its events made it, before a command.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) battle: Battle,
    now: Timestamp,
    actor: Option<Actor>,
    command_id: Option<CommandId>,
}

/// The battle after these events, each of a command of its own; the first one has the id of [`battle_id`].
pub(crate) fn given(events: impl IntoIterator<Item = Event>) -> Given {
    let mut given =
        Given { battle: Battle::default(), now: after_start(1_000), actor: None, command_id: None };
    for event in events {
        let command_id = given.fresh_command_id();
        given.record(command_id, event);
    }
    given
}

impl Given {
    /// The command is received so long after the start; else one second.
    pub(crate) fn at(mut self, millis: u64) -> Self {
        self.now = after_start(millis);
        self
    }

    /// The command is given by `actor`; else by whoever may give it.
    pub(crate) fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }

    /// The command has this id; else one that was not used before.
    pub(crate) fn with_id(mut self, number: u128) -> Self {
        self.command_id = Some(command_id(number));
        self
    }

    /// Then this happened too, by a command of its own.
    pub(crate) fn after(mut self, event: Event) -> Self {
        let command_id = self.fresh_command_id();
        self.record(command_id, event);
        self
    }

    /// The command comes.
    pub(crate) fn when(self, command: Command) -> Then {
        let context = CommandContext {
            command_id: self.command_id.unwrap_or_else(|| self.fresh_command_id()),
            actor: self.actor.unwrap_or_else(|| rightful_actor(&command)),
            received_at: self.now,
        };
        let decided = decide(battle_id(), &self.battle, &key(), &command, &context);
        Then { given: self, context, decided }
    }

    fn fresh_command_id(&self) -> CommandId {
        self.battle.revision().map_or(CREATION, |revision| command_id(1_000_001 + u128::from(revision)))
    }

    /// Through its bytes, as an event comes back from the log.
    fn record(&mut self, command_id: CommandId, event: Event) {
        let encoded = codec::encode(&event);
        let recorded = Recorded {
            revision: self.battle.revision().map_or(0, |revision| revision + 1),
            event_id: command_id.event_id(0),
            command_id,
            time: self.now,
            event: codec::decode(encoded.event_type, &encoded.data).unwrap(),
        };
        assert_eq!(recorded.event, event);
        self.battle.evolve(&recorded);
    }
}

/// What came of a command.
pub(crate) struct Then {
    given: Given,
    context: CommandContext,
    decided: Result<Decision, Refusal>,
}

impl Then {
    /// Exactly these events follow. Answers the battle after them.
    #[track_caller]
    pub(crate) fn then<const N: usize>(self, expected: [Event; N]) -> Given {
        assert_eq!(self.decided, Ok(Decision::Append(expected.to_vec())));
        self.accepted()
    }

    /// Some events follow. Answers the battle after them.
    #[track_caller]
    pub(crate) fn accepted(self) -> Given {
        let Ok(Decision::Append(events)) = self.decided else { panic!("it came to {:?}", self.decided) };
        assert!(!events.is_empty());
        let mut given = self.given;
        for event in events {
            given.record(self.context.command_id, event);
        }
        Given { actor: None, command_id: None, ..given }
    }

    /// The only event that follows.
    #[track_caller]
    pub(crate) fn event(self) -> Event {
        match self.decided {
            Ok(Decision::Append(mut events)) if events.len() == 1 => events.remove(0),
            other => panic!("it came to {other:?}"),
        }
    }

    /// The refusal, if it was refused.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        self.decided.err()
    }

    #[track_caller]
    pub(crate) fn refused(self, expected: Refusal) {
        assert_eq!(self.decided, Err(expected));
    }

    /// The command is malformed in exactly these fields.
    #[track_caller]
    pub(crate) fn invalid<const N: usize>(self, fields: [&str; N]) {
        let Err(Refusal::Invalid(violations)) = self.decided else { panic!("it came to {:?}", self.decided) };
        let found: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(found, fields);
    }

    /// The command was carried out before, and its last event is at this revision.
    #[track_caller]
    pub(crate) fn repeats(self, revision: u64) {
        assert_eq!(self.decided, Ok(Decision::Repeat { revision }));
    }

    #[track_caller]
    pub(crate) fn nothing(self) {
        assert_eq!(self.decided, Ok(Decision::Nothing));
    }
}

/// Who may give the command, in the session of the participant's join.
pub(crate) fn rightful_actor(command: &Command) -> Actor {
    let participant = |id: &ParticipantId| Actor::Participant(*id, session(*id));
    match command {
        Command::CreateBattle { .. }
        | Command::StartBattle
        | Command::FinishBattle
        | Command::CancelBattle { .. }
        | Command::JudgeAnswer { .. }
        | Command::RemoveParticipant { .. }
        | Command::EraseName { .. } => Actor::Admin,
        Command::Join { .. } => Actor::Guest,
        Command::ReplaceSession { participant_id, .. }
        | Command::SubmitAnswer { participant_id, .. }
        | Command::Leave { participant_id } => participant(participant_id),
        Command::Attack { attacker_id, .. } => participant(attacker_id),
        Command::RecordLapse { .. } | Command::RecordReturn { .. } => Actor::System,
    }
}

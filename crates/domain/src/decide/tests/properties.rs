//! What holds whatever happens: random commands, also senseless and repeated ones, to one battle.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::battle::{PARTICIPANT_COMMANDS_MAX, Status};
use crate::rules::{ITEMS_MAX, POINTS_MAX};
use crate::testing::*;
use crate::{
    Actor, Balance, Battle, Command, CommandContext, CommandId, Decision, Event, ParticipantId, Phase,
    QuestionId, Recorded, SessionId, codec, decide,
};

/// Few enough to meet often.
const PLAYERS: u128 = 6;

/// One thing that happens, with all that chance decides of it.
#[derive(Clone, Debug)]
struct Step {
    command: Command,
    /// Somebody else than who may give it, in the newest session.
    actor: Option<Actor>,
    /// The id of the command so many steps ago, instead of one of its own.
    reuses: Option<usize>,
    passes_ms: u64,
}

fn player() -> impl Strategy<Value = ParticipantId> {
    (1..=PLAYERS).prop_map(|number| ParticipantId(command_id(number).0))
}

fn any_command() -> impl Strategy<Value = Command> {
    let question = || (1..=5_u32).prop_map(QuestionId);
    let text = prop_oneof!["Oslo", "1.5", "2", "1", "[a-z0-9]{0,4}"];
    prop_oneof![
        8 => (player(), 0..PLAYERS).prop_map(|(id, name)| join(id, &format!("Player {name}"))),
        30 => (player(), question(), text).prop_map(|(id, question, text)| answer(id, question, &text)),
        60 => (player(), player()).prop_map(|(attacker, target)| attack(attacker, target)),
        8 => (player(), question(), 1..3_u32, any::<bool>()).prop_map(
            |(participant_id, question_id, attempt, correct)| Command::JudgeAnswer {
                participant_id,
                question_id,
                attempt,
                correct,
            }
        ),
        2 => (player(), 0..3_u128).prop_map(|(participant_id, session)| Command::ReplaceSession {
            participant_id,
            session_id: SessionId(command_id(100 + session).0),
        }),
        2 => vec(player(), 0..4).prop_map(|participant_ids| Command::RecordLapse { participant_ids }),
        2 => player().prop_map(|participant_id| Command::RecordReturn { participant_id }),
        1 => player().prop_map(|participant_id| Command::Leave { participant_id }),
        1 => player().prop_map(|participant_id| Command::RemoveParticipant {
            participant_id,
            reason: "unfair".to_owned(),
        }),
        1 => player().prop_map(|participant_id| Command::EraseName {
            participant_id,
            reason: "asked".to_owned(),
        }),
        2 => Just(Command::StartBattle),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let others = prop_oneof![
        Just(Actor::Admin),
        Just(Actor::Guest),
        Just(Actor::System),
        player().prop_map(|id| Actor::Participant(id, session(id))),
    ];
    let actor = prop_oneof![9 => Just(None), 1 => others.prop_map(Some)];
    let reuses = prop_oneof![9 => Just(None), 1 => (1..20_usize).prop_map(Some)];
    (any_command(), actor, reuses, 0..400_u64).prop_map(|(command, actor, reuses, passes_ms)| Step {
        command,
        actor,
        reuses,
        passes_ms,
    })
}

/// Steps, perhaps an end, and a few steps behind it.
fn any_story() -> impl Strategy<Value = Vec<Step>> {
    let end =
        prop_oneof![Just(Command::FinishBattle), Just(Command::CancelBattle { reason: "rain".to_owned() })];
    let end = end.prop_map(|command| Step { command, actor: None, reuses: None, passes_ms: 0 });
    (vec(any_step(), 1..200), vec(end, 0..2), vec(any_step(), 0..10)).prop_map(|(mut steps, end, more)| {
        steps.extend(end);
        steps.extend(more);
        steps
    })
}

/// Any rules, also ones under which the limits are near.
fn any_rules() -> impl Strategy<Value = (Balance, u32)> {
    let points = prop_oneof![3 => 0..20_u32, 1 => POINTS_MAX - 15..=POINTS_MAX];
    let items = || prop_oneof![5 => 0..4_u32, 1 => ITEMS_MAX - 2..=ITEMS_MAX];
    let initial = (points, items(), items());
    (initial.prop_map(|(points, shields, arrows)| Balance { points, shields, arrows }), 1..4_u32)
}

/// A battle that is played.
struct Play {
    battle: Battle,
    log: Vec<Recorded>,
    now_ms: u64,
    /// The commands that were given, and what came of them the first time.
    given: Vec<(CommandId, Step)>,
    /// The last revision of each command that was carried out.
    carried_out: HashMap<CommandId, (Step, u64)>,
}

impl Play {
    fn new((initial, points_per_attack): (Balance, u32)) -> Self {
        let created = created_with(|rules| {
            rules.initial = initial;
            rules.points_per_attack = points_per_attack;
        });
        let mut play = Self {
            battle: Battle::default(),
            log: vec![],
            now_ms: 0,
            given: vec![],
            carried_out: HashMap::new(),
        };
        play.record(command_id(0xc4ea7e), vec![created]);
        play
    }

    fn record(&mut self, command_id: CommandId, events: Vec<Event>) {
        for (index, event) in (0..).zip(events) {
            let recorded = Recorded {
                revision: self.log.len() as u64,
                event_id: command_id.event_id(index),
                command_id,
                time: after_start(self.now_ms),
                event,
            };
            self.battle.evolve(&recorded);
            self.log.push(recorded);
        }
    }

    fn decide(&self, command_id: CommandId, step: &Step) -> Result<Decision, crate::Refusal> {
        let actor = step.actor.unwrap_or_else(|| self.in_newest_session(rightful_actor(&step.command)));
        let context = CommandContext { command_id, actor, received_at: after_start(self.now_ms) };
        decide(battle_id(), &self.battle, &key(), &step.command, &context)
    }

    fn in_newest_session(&self, actor: Actor) -> Actor {
        match actor {
            Actor::Participant(id, _) => match self.battle.participant(id) {
                Some(participant) => Actor::Participant(id, participant.session_id()),
                None => actor,
            },
            Actor::Admin | Actor::Guest | Actor::System => actor,
        }
    }

    fn play(&mut self, step: Step) {
        self.now_ms += step.passes_ms;
        let own = command_id(1_000 + self.given.len() as u128);
        let reused = step.reuses.and_then(|ago| self.given.len().checked_sub(ago));
        let (command_id, step) = match reused {
            // Half of the repeats are true ones; the others give a used id to another command.
            Some(place) if step.passes_ms.is_multiple_of(2) => self.given[place].clone(),
            Some(place) => (self.given[place].0, step),
            None => (own, step),
        };
        let decided = self.decide(command_id, &step);
        assert_eq!(self.decide(command_id, &step), decided, "deciding is deterministic");
        self.given.push((command_id, step.clone()));
        match decided {
            Ok(Decision::Append(events)) => {
                assert!(!events.is_empty());
                self.record(command_id, events);
                let revision = self.battle.revision().unwrap();
                assert_eq!(self.decide(command_id, &step), Ok(Decision::Repeat { revision }));
                self.carried_out.insert(command_id, (step, revision));
            }
            Ok(Decision::Repeat { revision }) => {
                let answer = &self.log[revision as usize];
                // A name is erased once, and everybody who asks for it is answered by that.
                let erased = matches!(step.command, Command::EraseName { .. });
                assert!(
                    answer.command_id == command_id || erased && matches!(answer.event, Event::NameErased(_)),
                    "the answer is the command's own"
                );
            }
            Ok(Decision::Nothing) | Err(_) => {}
        }
    }

    /// What a participant should hold, counted from what happened alone.
    fn counted(&self, participant_id: ParticipantId) -> Balance {
        let mut count = Balance::default();
        for recorded in &self.log {
            match &recorded.event {
                Event::ParticipantJoined(e) if e.participant_id == participant_id => count = e.balance,
                Event::AnswerSubmitted(e) if e.participant_id == participant_id => add(&mut count, e.earned),
                Event::AnswerJudged(e) if e.participant_id == participant_id => add(&mut count, e.earned),
                Event::AttackLanded(e) if e.attacker_id == participant_id => count.arrows -= 1,
                Event::AttackLanded(e) if e.target_id == participant_id => {
                    count.points -= e.points_deducted;
                    count.shields -= u32::from(e.blocked);
                    assert!(!e.blocked || e.points_deducted == 0);
                    assert!(e.blocked || e.points_deducted > 0);
                }
                _ => {}
            }
        }
        count
    }

    fn check_balances(&self) {
        for participant in self.battle.participants() {
            let balance = participant.balance();
            assert_eq!(balance, self.counted(participant.id()));
            assert!(
                balance.points <= POINTS_MAX && balance.shields <= ITEMS_MAX && balance.arrows <= ITEMS_MAX
            );
        }
    }

    /// The board: points first, then who reached them first, told from the events alone.
    fn check_ranks(&self) {
        let reached = |id| {
            let mut points = None;
            let mut reached = 0;
            for recorded in &self.log {
                let now = points_after(&recorded.event, id);
                if now.is_some() && now != points {
                    (points, reached) = (now, recorded.revision);
                }
            }
            (Reverse(points.unwrap()), reached)
        };
        let standings = self.battle.standings();
        let order: Vec<_> = standings.iter().map(|participant| reached(participant.id())).collect();
        assert!(order.is_sorted() && standings.iter().all(|p| p.status() != Status::Removed));
        for (participant, (_, revision)) in standings.iter().zip(order) {
            assert_eq!(participant.reached_revision(), revision);
        }
    }

    /// The state that comes of the events as the log has them, from the beginning or from a snapshot.
    fn check_replay(&self, snapshot_at: usize) {
        let mut replayed = Battle::default();
        for (number, recorded) in self.log.iter().enumerate() {
            if number == snapshot_at {
                let json = serde_json::to_vec(&replayed).unwrap();
                let restored: Battle = serde_json::from_slice(&json).unwrap();
                assert_eq!(restored, replayed);
                replayed = restored;
            }
            let encoded = codec::encode(&recorded.event);
            let event = codec::decode(encoded.event_type, &encoded.data).unwrap();
            replayed.evolve(&Recorded { event, ..recorded.clone() });
        }
        assert_eq!(replayed, self.battle);
    }

    /// Every command that was carried out is answered as it was, for as long as it is remembered.
    fn check_repeats(&self) {
        let mut later: HashMap<Option<ParticipantId>, usize> = HashMap::new();
        let mut latest_first: Vec<_> = self.carried_out.iter().collect();
        latest_first.sort_by_key(|(_, (_, revision))| Reverse(*revision));
        for (command_id, (step, revision)) in latest_first {
            let (_, with) = crate::battle::CommandKind::of(&step.command);
            let count = later.entry(with).or_default();
            *count += 1;
            if *count <= PARTICIPANT_COMMANDS_MAX {
                let expected = Ok(Decision::Repeat { revision: *revision });
                assert_eq!(self.decide(*command_id, step), expected, "{step:?}");
            }
        }
    }
}

fn add(balance: &mut Balance, earned: Balance) {
    balance.points += earned.points;
    balance.shields += earned.shields;
    balance.arrows += earned.arrows;
}

fn points_after(event: &Event, id: ParticipantId) -> Option<u32> {
    match event {
        Event::ParticipantJoined(e) if e.participant_id == id => Some(e.balance.points),
        Event::AnswerSubmitted(e) if e.participant_id == id => Some(e.balance.points),
        Event::AnswerJudged(e) if e.participant_id == id => Some(e.balance.points),
        Event::AttackLanded(e) if e.attacker_id == id => Some(e.attacker_balance.points),
        Event::AttackLanded(e) if e.target_id == id => Some(e.target_balance.points),
        _ => None,
    }
}

/// How many stories are played.
const STORIES: u32 = 128;

/// A runner that says its seed first. `NIMAORA_SEED` replays a run.
fn runner() -> TestRunner {
    let replayed = std::env::var("NIMAORA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = replayed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("NIMAORA_SEED={seed}");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed.to_le_bytes().repeat(4));
    let config = Config { cases: STORIES, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
}

#[test]
fn hold_in_every_story() {
    let stories = (any_rules(), any_story(), 0..100_usize);
    let played = runner().run(&stories, |(rules, story, snapshot_at)| {
        let mut play = Play::new(rules);
        for step in story {
            play_and_check_the_end(&mut play, step);
        }
        play.check_balances();
        play.check_ranks();
        play.check_replay(snapshot_at);
        play.check_repeats();
        Ok(())
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}

/// Once the battle is over, nothing moves the standings.
fn play_and_check_the_end(play: &mut Play, step: Step) {
    let over = matches!(play.battle.phase(), Phase::Finished | Phase::Cancelled);
    let (events, points) = (play.log.len(), total_points(&play.battle));
    play.play(step);
    assert!(!over || play.log[events..].iter().all(moves_no_standings));
    assert!(!over || total_points(&play.battle) == points);
}

fn total_points(battle: &Battle) -> u64 {
    battle.participants().iter().map(|participant| u64::from(participant.balance().points)).sum()
}

/// All that can still happen after the end: a participant signs in, or its name is erased.
fn moves_no_standings(recorded: &Recorded) -> bool {
    let event = &recorded.event;
    matches!(event, Event::SessionReplaced(_) | Event::ParticipantReturned(_) | Event::NameErased(_))
}

//! The bytes of every event type, pinned: what is once in a log must be readable for ever.
//!
//! Set `UPDATE_GOLDEN=1` to write the files anew after an intended change; then give the type its next
//! version too.

use std::fs;
use std::path::PathBuf;

use nimaora_domain::event::*;
use nimaora_domain::{
    Balance, CommandId, Event, ParticipantId, Question, QuestionId, QuestionKind, Rules, SealedName,
    SessionId, Timestamp, Username, codec,
};
use uuid::Uuid;

const ADA: ParticipantId = ParticipantId(Uuid::from_u128(0x0193_5b0f_0000_7000_8000_0000_0000_0ada));
const BOB: ParticipantId = ParticipantId(Uuid::from_u128(0x0193_5b0f_0000_7000_8000_0000_0000_0b0b));
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0193_5b0f_0000_7000_8000_0000_0000_5e55));

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_795_484_834_000).plus_millis(millis)
}

fn balance(points: u32, shields: u32, arrows: u32) -> Balance {
    Balance { points, shields, arrows }
}

fn question(id: u32, kind: QuestionKind) -> Question {
    Question {
        id: QuestionId(id),
        kind,
        prompt: "Quelle est la réponse ?".to_owned(),
        choices: Vec::new(),
        answer_hashes: Vec::new(),
        reward: balance(10, 1, 2),
        attempts_max: 3,
        opens_after_ms: 60_000,
        answering_time_ms: 30_000,
    }
}

fn created() -> BattleCreated {
    let choice = Question {
        choices: vec!["rouge".to_owned(), "vert".to_owned()],
        answer_hashes: vec!["5f".repeat(32)],
        ..question(1, QuestionKind::Choice)
    };
    let text = Question { answer_hashes: vec!["a0".repeat(32)], ..question(2, QuestionKind::Text) };
    let number = Question { answer_hashes: vec!["b1".repeat(32)], ..question(3, QuestionKind::Number) };
    BattleCreated {
        title: "Autumn \"cup\"".to_owned(),
        rules: Rules { initial: balance(0, 1, 2), ..Rules::default() },
        questions: vec![choice, text, number, question(4, QuestionKind::External)],
        starts_at: Some(time(0)),
        ends_at: Some(time(3_600_000)),
        join_code: "CUP2026".to_owned(),
    }
}

fn submitted(verdict: Verdict) -> AnswerSubmitted {
    AnswerSubmitted {
        participant_id: ADA,
        question_id: QuestionId(1),
        attempt: 1,
        verdict,
        earned: balance(10, 1, 2),
        balance: balance(10, 2, 4),
        answer_hash: Some("5f".repeat(32)),
        answer: None,
    }
}

/// Each type, and each way in which one may leave fields out, under the name of its file.
fn events() -> Vec<(&'static str, Event)> {
    let unscheduled = BattleCreated { starts_at: None, ends_at: None, questions: vec![], ..created() };
    let waiting = AnswerSubmitted {
        question_id: QuestionId(4),
        earned: Balance::default(),
        answer_hash: None,
        answer: Some("fn main() {\n}\n".to_owned()),
        ..submitted(Verdict::Pending)
    };
    let username = Username::new("Zoë 🎯").unwrap_or_else(|violation| unreachable!("{violation:?}"));
    let text = "c2VhbGVkIHVuZGVyIHRoZSBrZXkgd2l0aCBpdHMgbnVtYmVy".into();
    let sealed = Username::erased(3).sealed_as(SealedName { number: 3, text });
    let joined = |username| ParticipantJoined {
        participant_id: ADA,
        username,
        session_id: SESSION,
        balance: balance(0, 1, 2),
    };
    let judged = AnswerJudged {
        participant_id: ADA,
        question_id: QuestionId(4),
        attempt: 1,
        verdict: Verdict::Correct,
        earned: balance(10, 1, 2),
        balance: balance(20, 3, 6),
    };
    let landed = AttackLanded {
        attacker_id: ADA,
        target_id: BOB,
        blocked: false,
        points_deducted: 1,
        attacker_balance: balance(20, 3, 5),
        target_balance: balance(4, 0, 1),
    };
    let blocked = AttackLanded { blocked: true, points_deducted: 0, ..landed.clone() };
    let reason = "it rains".to_owned();
    vec![
        ("BattleCreated", Event::BattleCreated(created())),
        ("BattleCreated.unscheduled", Event::BattleCreated(unscheduled)),
        ("BattleStarted", Event::BattleStarted(BattleStarted { started_at: time(7) })),
        ("BattleFinished", Event::BattleFinished(BattleFinished { finished_at: time(3_600_000) })),
        (
            "BattleCancelled",
            Event::BattleCancelled(BattleCancelled { cancelled_at: time(9), reason: reason.clone() }),
        ),
        ("ParticipantJoined", Event::ParticipantJoined(joined(username))),
        ("ParticipantJoined.sealed", Event::ParticipantJoined(joined(sealed))),
        (
            "SessionReplaced",
            Event::SessionReplaced(SessionReplaced { participant_id: ADA, session_id: SESSION }),
        ),
        ("AnswerSubmitted", Event::AnswerSubmitted(submitted(Verdict::Correct))),
        ("AnswerSubmitted.pending", Event::AnswerSubmitted(waiting)),
        ("AnswerJudged", Event::AnswerJudged(judged)),
        ("AttackLanded", Event::AttackLanded(landed)),
        ("AttackLanded.blocked", Event::AttackLanded(blocked)),
        ("ParticipantLeft", Event::ParticipantLeft(ParticipantLeft { participant_id: ADA })),
        ("ParticipantRemoved", Event::ParticipantRemoved(ParticipantRemoved { participant_id: BOB, reason })),
        (
            "ParticipantsLapsed",
            Event::ParticipantsLapsed(ParticipantsLapsed { participant_ids: vec![ADA, BOB] }),
        ),
        ("ParticipantReturned", Event::ParticipantReturned(ParticipantReturned { participant_id: ADA })),
        (
            "NameErased",
            Event::NameErased(NameErased {
                participant_id: ADA,
                number: 3,
                was_sealed: true,
                reason: "asked to be forgotten".to_owned(),
            }),
        ),
    ]
}

/// Files of schema versions that are not written any more, each with the name of what it is read as.
const OLD: [(&str, &str); 1] = [("ParticipantJoined.v1", "ParticipantJoined")];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"))
}

#[test]
fn every_event_is_written_as_it_always_was_and_read_back() {
    for (name, event) in events() {
        let encoded = codec::encode(&event);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(file(name), &encoded.data).unwrap();
        }
        let golden = fs::read(file(name)).unwrap();
        assert_eq!(String::from_utf8_lossy(&encoded.data), String::from_utf8_lossy(&golden), "{name}");
        assert_eq!(codec::decode(encoded.event_type, &golden).unwrap(), event, "{name}");
    }
}

#[test]
fn what_an_older_program_wrote_is_read_as_what_it_is_today() {
    for (old, today) in OLD {
        let golden = fs::read(file(old)).unwrap();
        let (_, event) = events().into_iter().find(|(name, _)| *name == today).unwrap();
        assert_eq!(codec::decode(codec::event_type(&event), &golden).unwrap(), event, "{old}");
    }
}

#[test]
fn every_type_and_nothing_else_has_a_file() {
    let types: Vec<_> = events().iter().map(|(_, event)| codec::event_type(event)).collect();
    for event_type in codec::EVENT_TYPES {
        assert!(types.contains(event_type), "{event_type} has no golden file");
    }
    let mut names: Vec<_> = events().iter().map(|(name, _)| format!("{name}.json")).collect();
    names.extend(OLD.map(|(name, _)| format!("{name}.json")));
    names.sort_unstable();
    let mut files: Vec<_> = fs::read_dir(file("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    files.sort_unstable();
    assert_eq!(files, names);
}

#[test]
fn a_name_stands_in_one_event_only() {
    for (name, event) in events() {
        let json = String::from_utf8(codec::encode(&event).data).unwrap();
        assert_eq!(json.contains("Zoë"), name == "ParticipantJoined", "{name}");
    }
}

#[test]
fn ids_that_follow_from_a_command_stay_the_same() {
    let command = CommandId(Uuid::from_u128(0x0193_5b0f_0000_7000_8000_0000_0000_0001));
    let battle = nimaora_domain::BattleId::created_by(command);
    let ids = [battle.to_string(), command.event_id(0).to_string(), command.event_id(1).to_string()];
    let expected = [
        "a4c5fbc3-9648-5fa7-9a06-d3b0d4d642e8",
        "bf68540d-8895-566c-877b-0de8004168d7",
        "1cba7bdf-8b32-5646-81a8-55a5a25c1b0c",
    ];
    assert_eq!(ids, expected);
    assert_eq!(nimaora_domain::BattleId::from_stream(&battle.stream()), Some(battle));
    assert_eq!(nimaora_domain::BattleId::from_stream("battle-"), None);
    assert_eq!(nimaora_domain::BattleId::from_stream(&battle.to_string()), None);
}

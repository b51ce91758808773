use crate::command::NewQuestion;
use crate::rules::{
    ATTEMPTS_MAX, BATTLE_BYTES_MAX, ITEMS_MAX, PARTICIPANTS_MAX, POINTS_MAX, PROMPT_BYTES_MAX,
    QUESTION_TIME_MS_MAX, QUESTIONS_MAX, QuestionKind, Rules,
};
use crate::testing::*;
use crate::{Balance, Command, Event, Phase, Refusal, Timestamp};

/// The fields of a creation, to be changed one at a time.
struct New {
    title: String,
    rules: Rules,
    questions: Vec<NewQuestion>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    join_code: String,
}

/// A creation, changed by `change`.
fn new(change: impl FnOnce(&mut New)) -> Command {
    let Command::CreateBattle { title, rules, questions, starts_at, ends_at, join_code } = creation() else {
        panic!("no creation")
    };
    let mut new = New { title, rules, questions, starts_at, ends_at, join_code };
    change(&mut new);
    let New { title, rules, questions, starts_at, ends_at, join_code } = new;
    Command::CreateBattle { title, rules, questions, starts_at, ends_at, join_code }
}

/// A creation whose first question, of the kind text, is changed by `change`.
fn asking(change: impl FnOnce(&mut NewQuestion)) -> Command {
    new(|new| change(&mut new.questions[0]))
}

#[test]
fn makes_a_battle_that_takes_joins() {
    let command = new(|new| {
        new.title = "  Autumn cup ".to_owned();
        new.starts_at = Some(after_start(2_000));
        new.ends_at = Some(after_start(9_000));
    });
    let battle = given([]).with_id(0xc4ea7e).when(command).accepted().battle;
    assert_eq!((battle.phase(), battle.revision()), (Phase::Created, Some(0)));
    assert_eq!((battle.title(), battle.join_code()), ("Autumn cup", "CUP2026"));
    assert_eq!((battle.starts_at(), battle.ends_at()), (Some(after_start(2_000)), Some(after_start(9_000))));
    assert_eq!(battle.rules().initial, balance(3, 0, 1));
    assert_eq!(battle.questions().len(), 4);
    assert_eq!(battle.question(COLOUR).unwrap().choices, ["red", "green"]);
    assert!(battle.question(crate::QuestionId(0)).is_none());
    assert!(battle.question(crate::QuestionId(5)).is_none());
}

#[test]
fn keeps_accepted_answers_as_keyed_hashes_only() {
    let Event::BattleCreated(event) = created() else { panic!("no creation") };
    let hashes: Vec<_> = ["Oslo", "oslo"].iter().map(|text| key().hash(battle_id(), CAPITAL, text)).collect();
    assert_eq!(event.questions[0].answer_hashes, hashes);
    assert!(event.questions[3].answer_hashes.is_empty());
    let json = String::from_utf8(crate::codec::encode(&created()).data).unwrap();
    assert!(!json.contains("Oslo") && !json.contains("1.5"), "{json}");
}

#[test]
fn says_nothing_of_an_answer_that_is_malformed() {
    let command = new(|new| new.questions[2].accepted_answers[0] = "secret".to_owned());
    let refusal = given([]).when(command).refusal().unwrap();
    assert!(!refusal.to_string().contains("secret"), "{refusal}");
}

#[test]
fn is_refused_when_there_is_another_battle() {
    given([created()]).when(creation()).refused(Refusal::BattleExists);
}

#[test]
fn tells_all_mistakes_at_once_and_where_they_are() {
    let command = new(|new| {
        new.title = " ".to_owned();
        new.rules.participants_max = 0;
        new.rules.points_per_attack = 0;
        new.rules.initial = Balance { points: POINTS_MAX + 1, shields: ITEMS_MAX + 1, arrows: ITEMS_MAX + 1 };
        new.questions[0].prompt = String::new();
        new.questions[1].choices[0] = String::new();
        new.questions[2].accepted_answers[0] = "abc".to_owned();
        new.questions[3].reward.points = POINTS_MAX + 1;
        new.starts_at = Some(after_start(9_000));
        new.ends_at = Some(after_start(9_000));
        new.join_code = "a b".to_owned();
    });
    given([]).when(command).invalid([
        "title",
        "rules.participants_max",
        "rules.points_per_attack",
        "rules.initial.points",
        "rules.initial.shields",
        "rules.initial.arrows",
        "questions[0].prompt",
        "questions[1].choices[0]",
        "questions[2].accepted_answers[0]",
        "questions[3].reward.points",
        "schedule.ends_at",
        "join_code",
    ]);
}

#[test]
fn takes_values_up_to_their_limits() {
    let all_that_one_can_hold = Balance { points: POINTS_MAX, shields: ITEMS_MAX, arrows: ITEMS_MAX };
    let command = new(|new| {
        new.title = "é".repeat(200);
        new.rules.participants_max = PARTICIPANTS_MAX;
        new.rules.points_per_attack = POINTS_MAX;
        new.rules.initial = all_that_one_can_hold;
        let question = &mut new.questions[0];
        question.prompt = "x".repeat(PROMPT_BYTES_MAX);
        question.reward = all_that_one_can_hold;
        question.attempts_max = ATTEMPTS_MAX;
        question.opens_after_ms = QUESTION_TIME_MS_MAX;
        question.answering_time_ms = QUESTION_TIME_MS_MAX;
        question.accepted_answers = vec!["x".repeat(1_024); 100];
        new.questions[1].choices = ('a'..='z').map(|letter| letter.to_string().repeat(500)).collect();
        new.join_code = "A".repeat(16);
    });
    given([]).when(command).accepted();
}

#[test]
fn takes_a_battle_without_questions_or_schedule() {
    given([]).when(new(|new| new.questions.clear())).accepted();
}

#[test]
fn has_a_title_of_one_line() {
    given([]).when(new(|new| new.title = "é".repeat(201))).invalid(["title"]);
    given([]).when(new(|new| new.title = "two\nlines".to_owned())).invalid(["title"]);
    for bad in ["\u{200B}", "a\u{202E}b", "a\u{FFFF}", "a\u{E000}", "\u{301}"] {
        given([]).when(new(|new| new.title = bad.to_owned())).invalid(["title"]);
    }
    for good in ["Ara\u{AD}bisch \u{200F}(\u{627})", "ខ្ញុំ\u{200B}ស្រឡាញ់", "👩🏽‍🚀 cup"]
    {
        given([]).when(new(|new| new.title = good.to_owned())).accepted();
    }
}

#[test]
fn has_choices_that_can_be_told_apart() {
    let choosing =
        |choices: [&str; 2]| new(|new| new.questions[1].choices = choices.map(str::to_owned).into());
    for same in [["red", "red"], ["red", " red"], ["Zoë", "Zoe\u{308}"], ["red", "re\u{200D}d"]] {
        given([]).when(choosing(same)).invalid(["questions[1].choices[1]"]);
    }
    for different in [["red", "Red"], ["1.5", "1.50"]] {
        given([]).when(choosing(different)).accepted();
    }
    given([]).when(choosing(["red", "gr\u{202E}een"])).invalid(["questions[1].choices[1]"]);
}

#[test]
fn has_rules_within_the_limits() {
    let many = PARTICIPANTS_MAX + 1;
    given([]).when(new(|new| new.rules.participants_max = many)).invalid(["rules.participants_max"]);
    let hard = POINTS_MAX + 1;
    given([]).when(new(|new| new.rules.points_per_attack = hard)).invalid(["rules.points_per_attack"]);
}

#[test]
fn has_questions_within_the_limits() {
    given([]).when(asking(|q| q.prompt = "x".repeat(PROMPT_BYTES_MAX + 1))).invalid(["questions[0].prompt"]);
    given([]).when(asking(|q| q.prompt = "a\0b".to_owned())).invalid(["questions[0].prompt"]);
    given([]).when(asking(|q| q.prompt = "a\n\tb".to_owned())).accepted();
    for bad in ["\u{200B}\n", "a\u{202E}b", "a\u{FFFE}"] {
        given([]).when(asking(|q| q.prompt = bad.to_owned())).invalid(["questions[0].prompt"]);
    }
    given([]).when(asking(|q| q.attempts_max = 0)).invalid(["questions[0].attempts_max"]);
    given([]).when(asking(|q| q.attempts_max = ATTEMPTS_MAX + 1)).invalid(["questions[0].attempts_max"]);
    let long = QUESTION_TIME_MS_MAX + 1;
    given([]).when(asking(|q| q.opens_after_ms = long)).invalid(["questions[0].opens_after_ms"]);
    given([]).when(asking(|q| q.answering_time_ms = long)).invalid(["questions[0].answering_time_ms"]);
    given([]).when(asking(|q| q.accepted_answers.clear())).invalid(["questions[0].accepted_answers"]);
    let many = vec!["x".to_owned(); 101];
    given([]).when(asking(|q| q.accepted_answers = many)).invalid(["questions[0].accepted_answers"]);
    given([]).when(asking(|q| q.kind = QuestionKind::External)).invalid(["questions[0].accepted_answers"]);
    given([]).when(asking(|q| q.choices = vec!["a".to_owned()])).invalid(["questions[0].choices"]);
    given([])
        .when(new(|new| new.questions[1].choices.truncate(1)))
        .invalid(["questions[1].choices", "questions[1].accepted_answers[0]"]);
    given([])
        .when(new(|new| new.questions[1].choices = vec!["a".to_owned(); 27]))
        .invalid(["questions[1].choices"]);
}

#[test]
fn is_bounded_as_a_whole() {
    let many = new(|new| new.questions = vec![new.questions[0].clone(); 1_001]);
    given([]).when(many).invalid(["questions"]);
    let large = new(|new| {
        new.questions[0].prompt = "x".repeat(PROMPT_BYTES_MAX);
        new.questions = vec![new.questions[0].clone(); 60];
    });
    given([]).when(large).invalid(["questions"]);
}

#[test]
fn may_be_as_large_as_its_bounds() {
    given([]).when(new(|new| new.questions = vec![new.questions[0].clone(); QUESTIONS_MAX])).accepted();
    // The last prompt makes up what is missing to the largest battle that there can be.
    let of_size = |last_prompt: usize| {
        new(|new| {
            let last = new.questions[0].clone();
            new.questions[0].prompt = "x".repeat(PROMPT_BYTES_MAX);
            new.questions = vec![new.questions[0].clone(); 55];
            new.questions.push(NewQuestion { prompt: "x".repeat(last_prompt), ..last });
        })
    };
    let bytes = |command| crate::codec::encode(&given([]).when(command).event()).data.len();
    let missing = BATTLE_BYTES_MAX - bytes(of_size(1));
    assert_eq!(bytes(of_size(1 + missing)), BATTLE_BYTES_MAX);
    given([]).when(of_size(2 + missing)).invalid(["questions"]);
}

#[test]
fn ends_after_it_starts_and_not_in_the_past() {
    let ending = |starts_at, ends_at| new(|new| (new.starts_at, new.ends_at) = (starts_at, Some(ends_at)));
    given([]).at(5_000).when(ending(None, after_start(5_000))).invalid(["schedule.ends_at"]);
    given([]).at(5_000).when(ending(None, after_start(5_001))).accepted();
    given([]).at(5_000).when(ending(Some(after_start(0)), after_start(5_001))).accepted();
    given([]).when(ending(Some(after_start(9_000)), after_start(8_999))).invalid(["schedule.ends_at"]);
}

#[test]
fn has_a_join_code_that_people_can_type() {
    for bad in ["", "ABC", "abcd", "AB-CD", "ÄBCD", &"A".repeat(17)] {
        given([]).when(new(|new| new.join_code = bad.to_owned())).invalid(["join_code"]);
    }
}

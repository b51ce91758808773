use uuid::Uuid;

use super::*;

const NODE: NodeId = Uuid::from_u128(1);

fn key(text: &str) -> Key {
    text.into()
}

fn there(number: u64, text: &str) -> Word {
    Word::There { number, key: key(text), is_new: true }
}

fn gone(number: u64, text: &str) -> Word {
    Word::Gone { number, key: key(text) }
}

fn whole(number: u64, part: u32, parts: u32, keys: &[&str]) -> Word {
    Word::Whole(Whole { number, part, parts, keys: keys.iter().map(|text| key(text)).collect() })
}

fn appeared(keys: &[&str]) -> Heard {
    Heard { appeared: keys.iter().map(|text| key(text)).collect(), ..Heard::default() }
}

fn asks() -> Heard {
    Heard { ask: true, ..Heard::default() }
}

#[test]
fn it_appears_once_and_is_gone_a_while_after_it_was_last_anywhere() {
    let all = Whereabouts::default();
    let mut said = Vec::new();
    assert!(all.opened(&key("a"), |word| said.push(word)));
    assert_eq!(all.heard(NODE, there(1, "a"), 0), Heard::default(), "it was here before");
    all.closed(&key("a"), 0, |word| said.push(word));
    assert_eq!(said, [there(1, "a"), gone(2, "a")]);
    assert!(all.take_gone(GRACE_MS * 2).is_empty(), "it is elsewhere");
    assert!(!all.opened(&key("a"), drop));
    all.heard(NODE, gone(2, "a"), 0);
    all.closed(&key("a"), 10_000, drop);
    assert!(!all.opened(&key("a"), drop), "a page was loaded anew");
    all.closed(&key("a"), 11_000, drop);
    assert!(all.take_gone(10_000 + GRACE_MS).is_empty());
    assert!(all.is_there("a"));
    assert_eq!(all.take_gone(11_000 + GRACE_MS), [key("a")]);
    assert!(!all.is_there("a"));
    assert!(all.opened(&key("a"), drop));
}

#[test]
fn what_a_node_that_died_had_is_gone() {
    let all = Whereabouts::default();
    assert_eq!(all.heard(NODE, there(1, "a"), 0), appeared(&["a"]));
    all.forget(NODE, 0);
    assert_eq!(all.take_gone(GRACE_MS), [key("a")]);
    // It was silent for a while only, and goes on where it was.
    assert_eq!(all.heard(NODE, there(2, "b"), 0), asks());
    assert_eq!(all.heard(NODE, there(3, "c"), 0), Heard::default(), "it is asked once");
    let mut heard = all.heard(NODE, whole(3, 0, 1, &["a", "b", "c"]), 0);
    heard.appeared.sort();
    assert_eq!(heard, appeared(&["a", "b", "c"]));
}

#[test]
fn what_comes_back_between_the_looks_of_two_nodes_is_told_of_by_who_told_that_it_is_gone() {
    let (one, other) = (Whereabouts::default(), Whereabouts::default());
    let say = |to: &Whereabouts, word| to.heard(NODE, word, 0);
    let open = |on: &Whereabouts, to: &Whereabouts| {
        let mut said = None;
        let is_new = on.opened(&key("a"), |word| said = Some(word));
        (is_new, say(to, said.unwrap()))
    };
    assert_eq!(open(&other, &one), (true, appeared(&["a"])));
    other.closed(&key("a"), 0, |word| drop(say(&one, word)));
    // It comes back when one has looked at what is gone, and the other has not yet.
    assert_eq!(one.take_gone(GRACE_MS), [key("a")]);
    assert_eq!(open(&other, &one), (false, Heard { is_untold: true, ..appeared(&["a"]) }));
    assert!(other.take_gone(GRACE_MS * 2).is_empty());
    // As both know it again, it is nothing new to either.
    assert_eq!(open(&one, &other), (false, Heard::default()));
}

#[test]
fn a_word_that_was_lost_is_noticed_and_mended() {
    let all = Whereabouts::default();
    all.heard(NODE, there(1, "a"), 0);
    all.heard(NODE, there(2, "b"), 0);
    // That "a" is gone was lost, and nothing is said after it but the number.
    assert_eq!(all.heard(NODE, Word::Still { number: 2 }, 0), Heard::default());
    assert_eq!(all.heard(NODE, Word::Still { number: 3 }, 0), asks());
    assert_eq!(all.heard(NODE, Word::Still { number: 3 }, 0), asks(), "the answer was lost");
    assert_eq!(all.heard(NODE, whole(3, 0, 2, &["b"]), 0), Heard::default());
    assert_eq!(all.heard(NODE, whole(3, 1, 2, &["c"]), 0), appeared(&["c"]));
    assert_eq!(all.take_gone(GRACE_MS), [key("a")]);
    assert_eq!(all.heard(NODE, Word::Still { number: 3 }, 0), Heard::default());
    // A part of the whole was lost.
    assert_eq!(all.heard(NODE, Word::Still { number: 4 }, 0), asks());
    assert_eq!(all.heard(NODE, whole(4, 1, 2, &["d"]), 0), Heard::default());
    assert!(!all.is_there("d"));
}

#[test]
fn the_whole_of_one_node_is_the_whole_on_another() {
    let (here, there) = (Whereabouts::default(), Whereabouts::default());
    let keys: Vec<_> = (0..20_000).map(|n| key(&format!("private-participant.{n:036}"))).collect();
    for key in &keys {
        here.opened(key, drop);
    }
    let mut words = Vec::new();
    here.tell_whole(|word| words.push(word));
    assert!(words.len() > 1, "no message is larger than a relay takes");
    let appeared: usize = words.into_iter().map(|word| there.heard(NODE, word, 0).appeared.len()).sum();
    assert_eq!(appeared, keys.len());
    assert_eq!(there.heard(NODE, here.still(), 0), Heard::default());
}

use ahash::AHashMap;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const OWN: NodeId = Uuid::from_u128(1);
const NODE: NodeId = Uuid::from_u128(2);
const GRACE_MS: u64 = 100;

fn id(name: &str) -> UserId {
    name.into()
}

fn info() -> Info {
    "{}".into()
}

fn version(life: u64, change: u64) -> Version {
    Version { life, change }
}

fn here(life: u64, change: u64, part: u32, parts: u32, members: &[&str]) -> Here {
    let members = members.iter().map(|name| (id(name), info())).collect();
    Here { channel: "presence-a".into(), version: version(life, change), part, parts, members, sockets: None }
}

/// What viewers are told.
fn told(effects: Vec<Effect>) -> Vec<Effect> {
    let is_told = |effect: &Effect| !{
        use Effect::{Arrived, Ask, Came, Departed, Went};
        matches!(effect, Came(..) | Went(..) | Ask(_) | Arrived(_) | Departed(_))
    };
    effects.into_iter().filter(is_told).collect()
}

#[test]
fn a_user_is_added_once_and_goes_with_its_last_socket() {
    let mut roster = Roster::new(OWN, 10, 1);
    assert_eq!(told(roster.join(&id("a"), &info())), [Effect::Added(id("a"), info())]);
    assert_eq!(roster.join(&id("a"), &info()), []);
    assert!(!roster.leave(&id("a"), 0, GRACE_MS));
    assert!(roster.leave(&id("a"), 0, GRACE_MS));
    assert_eq!(roster.tick(GRACE_MS - 1, GRACE_MS), (vec![], true));
    assert_eq!(told(roster.tick(GRACE_MS, GRACE_MS).0), [Effect::Removed(id("a"))]);
    assert!(roster.is_empty_here());
}

#[test]
fn who_comes_back_in_time_is_not_missed() {
    let mut roster = Roster::new(OWN, 10, 1);
    roster.join(&id("a"), &info());
    roster.leave(&id("a"), 0, GRACE_MS);
    assert_eq!(roster.join(&id("a"), &info()), []);
    // It goes again before its first time is over; the second counts.
    roster.leave(&id("a"), 90, GRACE_MS);
    assert_eq!(roster.tick(150, GRACE_MS), (vec![], true));
    assert_eq!(told(roster.tick(190, GRACE_MS).0), [Effect::Removed(id("a"))]);
}

#[test]
fn who_is_on_two_nodes_goes_with_the_last() {
    let mut roster = Roster::new(OWN, 10, 1);
    assert_eq!(roster.came(NODE, version(1, 1), &id("a"), &info()), [Effect::Added(id("a"), info())]);
    assert_eq!(told(roster.join(&id("a"), &info())), []);
    assert_eq!(roster.went(NODE, version(1, 2), &id("a"), true), []);
    roster.leave(&id("a"), 0, 0);
    assert_eq!(told(roster.tick(0, 0).0), [Effect::Removed(id("a"))]);
}

#[test]
fn who_goes_from_two_nodes_in_one_moment_is_told_of_by_one() {
    for (own, other, tells) in [(OWN, NODE, true), (NODE, OWN, false)] {
        let mut roster = Roster::new(own, 10, 1);
        roster.join(&id("a"), &info());
        roster.came(other, version(1, 1), &id("a"), &info());
        roster.leave(&id("a"), 0, 0);
        assert_eq!(roster.tick(0, 0).0, [Effect::Went(id("a"), version(1, 2), false)]);
        let effects = roster.went(other, version(1, 2), &id("a"), false);
        assert_eq!(effects.contains(&Effect::Departed(id("a"))), tells);
    }
}

#[test]
fn what_was_lost_between_nodes_is_asked_for_and_put_right() {
    let mut roster = Roster::new(OWN, 10, 1);
    roster.came(NODE, version(1, 1), &id("a"), &info());
    assert_eq!(roster.came(NODE, version(1, 3), &id("c"), &info()), [Effect::Ask(NODE)]);
    assert_eq!(roster.still(NODE, version(1, 3)), Some(Effect::Ask(NODE)));
    let (effects, is_whole) = roster.here(NODE, here(1, 3, 0, 2, &["b"]));
    assert_eq!((effects, is_whole), (vec![], false));
    let (effects, is_whole) = roster.here(NODE, here(1, 3, 1, 2, &["c"]));
    assert!(is_whole);
    let added = |name| Effect::Added(id(name), info());
    assert_eq!(effects, [Effect::Removed(id("a")), added("b"), added("c")]);
    assert_eq!(roster.still(NODE, version(1, 3)), None);
    assert_eq!(roster.went(NODE, version(1, 4), &id("b"), true), [Effect::Removed(id("b"))]);
    assert_eq!(roster.went(NODE, version(1, 4), &id("c"), true), [], "a repeat");
}

#[test]
fn a_part_without_those_before_it_is_no_roster() {
    let mut roster = Roster::new(OWN, 10, 1);
    assert_eq!(roster.here(NODE, here(1, 3, 1, 2, &["b"])), (vec![], false));
    assert_eq!(roster.count(), 0);
}

#[test]
fn members_of_a_node_that_is_gone_or_began_anew_go() {
    let mut roster = Roster::new(OWN, 10, 1);
    roster.came(NODE, version(1, 1), &id("a"), &info());
    let effects = roster.came(NODE, version(2, 1), &id("b"), &info());
    assert_eq!(effects, [Effect::Removed(id("a")), Effect::Added(id("b"), info())]);
    assert_eq!(roster.forget(NODE, true), [Effect::Removed(id("b")), Effect::Departed(id("b"))]);
    assert_eq!(roster.forget(NODE, true), []);
}

#[test]
fn a_node_that_says_nothing_of_its_members_is_asked() {
    let mut roster = Roster::new(OWN, 10, 1);
    roster.came(NODE, version(1, 1), &id("a"), &info());
    let asked = (0..LOOKS_MAX).map(|_| roster.look_at_peers()).collect::<Vec<_>>();
    assert_eq!(asked.concat(), [Effect::Ask(NODE)]);
    // It has no such channel any more.
    assert_eq!(roster.here(NODE, here(0, 0, 0, 1, &[])).0, [Effect::Removed(id("a"))]);
}

#[test]
fn a_large_channel_shows_a_sample_and_counts() {
    let mut roster = Roster::new(OWN, 10, 1);
    for n in 0..10 {
        assert_eq!(told(roster.join(&id(&format!("m{n}")), &info())).len(), 1);
    }
    assert!(!roster.is_sampled());
    assert_eq!(told(roster.join(&id("late"), &info())), [Effect::Count]);
    let shown = serde_json::to_value(roster.presence(Some(&id("late")))).unwrap();
    assert_eq!((shown["count"].as_u64(), shown["ids"].as_array().unwrap().len()), (Some(11), 11));
    let shown = serde_json::to_value(roster.presence(Some(&id("m1")))).unwrap();
    assert_eq!((shown["count"].as_u64(), shown["ids"].as_array().unwrap().len()), (Some(11), 10));

    // Where one went a newcomer is shown, and nobody who was hidden.
    roster.leave(&id("m0"), 0, 0);
    assert_eq!(told(roster.tick(0, 0).0), [Effect::Removed(id("m0")), Effect::Count]);
    assert_eq!(told(roster.join(&id("new"), &info())), [Effect::Added(id("new"), info()), Effect::Count]);

    for n in 1..3 {
        roster.leave(&id(&format!("m{n}")), 0, 0);
    }
    let effects = told(roster.tick(0, 0).0);
    assert!(effects.contains(&Effect::Renew), "{effects:?}");
    assert!(!roster.is_sampled());
    let shown = serde_json::to_value(roster.presence(None)).unwrap();
    assert_eq!((shown["count"].as_u64(), shown["ids"].as_array().unwrap().len()), (Some(9), 9));
}

/// Does what pusher-js does with what it is told.
#[derive(Debug, Default)]
struct Page {
    members: AHashSet<String>,
    count: usize,
}

impl Page {
    fn take(&mut self, roster: &Roster, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Added(id, _) => {
                    self.count += usize::from(self.members.insert(id.to_string()));
                }
                Effect::Removed(id) => {
                    self.count -= usize::from(self.members.remove(&*id));
                }
                Effect::Renew => self.renew(roster),
                _ => {}
            }
        }
    }

    fn renew(&mut self, roster: &Roster) {
        let shown = serde_json::to_value(roster.presence(Some(&id("me")))).unwrap();
        self.members = shown["hash"].as_object().unwrap().keys().cloned().collect();
        self.count = shown["count"].as_u64().unwrap() as usize;
    }
}

proptest! {
    /// However users come and go on two nodes: whom a page shows is there, and a small channel is shown whole.
    #[test]
    fn a_page_shows_who_is_there(steps in proptest::collection::vec((0..4u8, 0..12u8), 1..200)) {
        let mut roster = Roster::new(OWN, 5, 1);
        let mut change = 0;
        let (mut here, mut there) = (AHashMap::<u8, u32>::new(), AHashSet::<u8>::new());
        roster.join(&id("me"), &info());
        let mut page = Page::default();
        page.renew(&roster);
        for (now_ms, (step, n)) in steps.into_iter().enumerate() {
            let user = id(&format!("u{n}"));
            let mut effects = match step {
                0 => {
                    *here.entry(n).or_default() += 1;
                    roster.join(&user, &info())
                }
                1 => {
                    if let Some(sockets) = here.get_mut(&n) {
                        *sockets -= 1;
                        roster.leave(&user, now_ms as u64, 0);
                        if *sockets == 0 {
                            here.remove(&n);
                        }
                    }
                    Vec::new()
                }
                2 if there.insert(n) => {
                    change += 1;
                    roster.came(NODE, version(1, change), &user, &info())
                }
                3 if there.remove(&n) => {
                    change += 1;
                    roster.went(NODE, version(1, change), &user, true)
                }
                _ => Vec::new(),
            };
            effects.extend(roster.tick(now_ms as u64, 0).0);
            page.take(&roster, effects);

            let mut all: AHashSet<String> = here.keys().chain(&there).map(|n| format!("u{n}")).collect();
            all.insert("me".to_owned());
            prop_assert_eq!(roster.count(), all.len());
            prop_assert!(page.members.iter().all(|member| all.contains(member)), "{:?} {:?}", page, all);
            prop_assert!(page.members.contains("me"));
            if !roster.is_sampled() {
                prop_assert_eq!(page.members.len(), all.len());
                prop_assert_eq!(page.count, all.len());
            }
        }
    }
}

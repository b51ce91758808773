//! Which battles run, and what is scheduled, as the log says. Holds only battles that are not over.

use std::collections::{BTreeSet, HashMap};

use ahash::RandomState;
use nimaora_domain::{BattleId, Event, Timestamp};
use serde::{Deserialize, Serialize};

/// What a schedule wants to happen to a battle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// It starts.
    Start,
    /// It ends.
    End,
}

/// Something scheduled. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// When.
    pub(crate) at: Timestamp,
    /// To what.
    pub(crate) battle_id: BattleId,
    /// What.
    pub(crate) kind: Kind,
}

/// The battles that are not over, and what is scheduled for them.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    battles: HashMap<BattleId, Entry, RandomState>,
    schedule: BTreeSet<Due>,
}

#[derive(Debug)]
struct Entry {
    running: bool,
    ends_at: Option<Timestamp>,
    /// What stands in the schedule for this battle. A battle's end is scheduled once it runs.
    due: Option<Due>,
}

/// A battle that is not over, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    battle_id: BattleId,
    running: bool,
    ends_at: Option<Timestamp>,
    due: Option<(Kind, Timestamp)>,
}

impl Directory {
    /// What is known, to be kept.
    pub(crate) fn to_open(&self) -> Vec<Open> {
        let open = |(battle_id, entry): (&BattleId, &Entry)| Open {
            battle_id: *battle_id,
            running: entry.running,
            ends_at: entry.ends_at,
            due: entry.due.map(|due| (due.kind, due.at)),
        };
        self.battles.iter().map(open).collect()
    }

    /// What was kept. Something that was given and not carried out yet is due again.
    pub(crate) fn from_open(open: Vec<Open>) -> Self {
        let mut directory = Self::default();
        for Open { battle_id, running, ends_at, due } in open {
            directory.battles.insert(battle_id, Entry { running, ends_at, due: None });
            directory.schedule(battle_id, due.map(|(kind, at)| Due { at, battle_id, kind }));
        }
        directory
    }

    /// Takes note of an event. Those that are not about a battle's life change nothing.
    pub(crate) fn apply(&mut self, battle_id: BattleId, event: &Event) {
        match event {
            Event::BattleCreated(created) => {
                let entry = Entry { running: false, ends_at: created.ends_at, due: None };
                self.battles.insert(battle_id, entry);
                let due = created.starts_at.map(|at| Due { at, battle_id, kind: Kind::Start });
                self.schedule(battle_id, due);
            }
            Event::BattleStarted(_) => {
                let Some(entry) = self.battles.get_mut(&battle_id) else { return };
                entry.running = true;
                let due = entry.ends_at.map(|at| Due { at, battle_id, kind: Kind::End });
                self.schedule(battle_id, due);
            }
            Event::BattleFinished(_) | Event::BattleCancelled(_) => {
                self.schedule(battle_id, None);
                self.battles.remove(&battle_id);
            }
            Event::ParticipantJoined(_)
            | Event::SessionReplaced(_)
            | Event::AnswerSubmitted(_)
            | Event::AnswerJudged(_)
            | Event::AttackLanded(_)
            | Event::ParticipantLeft(_)
            | Event::ParticipantRemoved(_)
            | Event::ParticipantsLapsed(_)
            | Event::ParticipantReturned(_)
            | Event::NameErased(_) => {}
        }
    }

    fn schedule(&mut self, battle_id: BattleId, due: Option<Due>) {
        let Some(entry) = self.battles.get_mut(&battle_id) else { return };
        if let Some(before) = std::mem::replace(&mut entry.due, due) {
            self.schedule.remove(&before);
        }
        self.schedule.extend(due);
    }

    /// Takes what is due at `now` out of the schedule, the longest due first, at most `limit`.
    pub(crate) fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Due> {
        let due: Vec<_> = self.schedule.iter().take_while(|due| due.at <= now).take(limit).copied().collect();
        for due in &due {
            self.schedule.remove(due);
        }
        due
    }

    /// Puts what was taken back into the schedule, to be due at another time.
    pub(crate) fn postpone(&mut self, due: Due, at: Timestamp) {
        self.schedule(due.battle_id, Some(Due { at, ..due }));
    }

    /// When the next thing is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.schedule.first().map(|due| due.at)
    }

    /// Whether the battle exists and is not over.
    pub(crate) fn knows(&self, battle_id: BattleId) -> bool {
        self.battles.contains_key(&battle_id)
    }

    /// The battles that are not over, and whether each runs.
    pub(crate) fn open(&self) -> impl Iterator<Item = (BattleId, bool)> {
        self.battles.iter().map(|(battle_id, entry)| (*battle_id, entry.running))
    }
}

#[cfg(test)]
mod tests {
    use nimaora_domain::event::{BattleCancelled, BattleCreated, BattleFinished, BattleStarted};
    use uuid::Uuid;

    use super::*;

    fn battle(n: u128) -> BattleId {
        BattleId(Uuid::from_u128(n))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn created(starts_at: Option<i64>, ends_at: Option<i64>) -> Event {
        Event::BattleCreated(BattleCreated {
            title: "t".into(),
            rules: nimaora_domain::Rules::default(),
            questions: Vec::new(),
            starts_at: starts_at.map(at),
            ends_at: ends_at.map(at),
            join_code: "ABCDEFGH".into(),
        })
    }

    fn started() -> Event {
        Event::BattleStarted(BattleStarted { started_at: at(0) })
    }

    #[test]
    fn a_start_is_due_at_its_time_and_an_end_once_the_battle_runs() {
        let mut directory = Directory::default();
        directory.apply(battle(1), &created(Some(100), Some(200)));
        assert_eq!(directory.take_due(at(99), 9), []);
        assert_eq!(directory.next_due(), Some(at(100)));
        let start = Due { at: at(100), battle_id: battle(1), kind: Kind::Start };
        assert_eq!(directory.take_due(at(300), 9), [start]);
        assert_eq!(directory.take_due(at(300), 9), []);
        directory.apply(battle(1), &started());
        assert_eq!(directory.open().collect::<Vec<_>>(), [(battle(1), true)]);
        let end = Due { at: at(200), battle_id: battle(1), kind: Kind::End };
        assert_eq!(directory.take_due(at(300), 9), [end]);
        directory.apply(battle(1), &Event::BattleFinished(BattleFinished { finished_at: at(300) }));
        assert_eq!(directory.open().count(), 0);
    }

    #[test]
    fn the_longest_due_comes_first() {
        let mut directory = Directory::default();
        for n in [3, 1, 2] {
            directory.apply(battle(n), &created(Some(i64::try_from(n).unwrap()), None));
        }
        let order: Vec<_> = directory.take_due(at(9), 2).into_iter().map(|due| due.battle_id).collect();
        assert_eq!(order, [battle(1), battle(2)]);
        assert_eq!(directory.next_due(), Some(at(3)));
    }

    #[test]
    fn what_was_kept_goes_on_as_it_was() {
        let mut directory = Directory::default();
        for n in 1..=3 {
            directory.apply(battle(n), &created(Some(100), Some(200)));
        }
        directory.apply(battle(2), &started());
        // It was given, and nobody knows yet whether it was carried out.
        directory.take_due(at(100), 1);
        let mut again = Directory::from_open(directory.to_open());
        assert_eq!(again.take_due(at(100), 9).len(), 2);
        assert_eq!(again.take_due(at(200), 9).len(), 1);
        let open = |directory: &Directory| directory.open().collect::<std::collections::BTreeMap<_, _>>();
        assert_eq!(open(&again), open(&directory));
    }

    #[test]
    fn what_the_log_has_overtaken_is_not_due_any_more() {
        let mut directory = Directory::default();
        directory.apply(battle(1), &created(Some(100), None));
        directory.apply(battle(1), &started());
        assert_eq!(directory.next_due(), None);

        directory.apply(battle(2), &created(Some(100), Some(200)));
        let cancelled = BattleCancelled { cancelled_at: at(50), reason: "rain".into() };
        directory.apply(battle(2), &Event::BattleCancelled(cancelled));
        assert_eq!(directory.next_due(), None);
    }
}

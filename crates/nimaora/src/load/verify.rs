//! Whether the server is right: everything that players were answered is folded in the log's order, and what the server
//! holds and what the sockets were told must equal the result.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::facts::{Alert, Arrival, Deed, Fact, Holding, Slot, username};
use super::record::Latencies;

/// How many differences are told in words.
pub(super) const DIFFERENCES_TOLD_MAX: usize = 10;

/// What does not fit together. The first ones are kept in words, all are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    pub(super) first: Vec<String>,
    pub(super) count: u64,
}

impl Differences {
    pub(super) fn add(&mut self, difference: String) {
        self.count += 1;
        if self.first.len() < DIFFERENCES_TOLD_MAX {
            self.first.push(difference);
        }
    }
}

/// What a player must hold at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) holding: Holding,
    /// The position at which the points were reached. Within one battle positions rise as revisions do, so they rank alike.
    pub(super) reached: u64,
}

/// Folds the facts of all players, which may come in any order, to the standings by slot. Each answer must have said what the
/// fold says at its place.
pub(super) fn fold(
    users: u32,
    initial: Holding,
    facts: &mut [Fact],
    differences: &mut Differences,
) -> Vec<Standing> {
    let mut standings = vec![Standing::default(); users as usize];
    facts.sort_unstable_by_key(|fact| fact.position);
    for two in facts.windows(2) {
        if two[0].position == two[1].position {
            let (one, other) = (username(two[0].player), username(two[1].player));
            differences.add(format!("position {} was answered to {one} and to {other}", two[0].position));
        }
    }
    for fact in facts {
        apply(&mut standings, initial, fact);
        let holding = standings[fact.player as usize].holding;
        if holding != fact.balance {
            let player = username(fact.player);
            let (answered, position) = (fact.balance, fact.position);
            differences
                .add(format!("{player} was answered {answered:?} at position {position}, not {holding:?}"));
        }
    }
    standings
}

fn apply(standings: &mut [Standing], initial: Holding, fact: &Fact) {
    let own = &mut standings[fact.player as usize];
    match fact.deed {
        Deed::Joined => *own = Standing { holding: initial, reached: fact.position },
        Deed::Answered { earned } => {
            own.holding.shields += earned.shields;
            own.holding.arrows += earned.arrows;
            own.set_points(own.holding.points + earned.points, fact.position);
        }
        Deed::Attacked { target, blocked, points_deducted, .. } => {
            own.holding.arrows = own.holding.arrows.saturating_sub(1);
            let target = &mut standings[target as usize];
            target.holding.shields = target.holding.shields.saturating_sub(u32::from(blocked));
            target.set_points(target.holding.points.saturating_sub(points_deducted), fact.position);
        }
    }
}

impl Standing {
    fn set_points(&mut self, points: u32, position: u64) {
        if points != self.holding.points {
            self.holding.points = points;
            self.reached = position;
        }
    }
}

/// The players in the board's order: by points, and of equal points by who reached them first.
pub(super) fn ranking(standings: &[Standing]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = (0..).take(standings.len()).collect();
    slots.sort_by_key(|slot| {
        let standing = &standings[*slot as usize];
        (Reverse(standing.holding.points), standing.reached)
    });
    slots
}

/// What became of the alerts.
#[derive(Clone, Debug, Default)]
pub(super) struct AlertCount {
    /// Attacks that landed.
    pub(super) landed: u64,
    /// Of those, the ones that came on the target's socket.
    pub(super) on_socket: u64,
    /// The ones that the target fetched after its socket had been away.
    pub(super) recovered: u64,
    /// The ones that never came.
    pub(super) missing: u64,
    /// How often a socket said an attack again.
    pub(super) repeats: u64,
    /// From the sending of the attack to the frame at the target.
    pub(super) latencies: Latencies,
}

/// Compares the attacks that landed with the alerts that came.
pub(super) fn check_alerts(facts: &[Fact], alerts: Vec<Alert>, differences: &mut Differences) -> AlertCount {
    let mut count = AlertCount::default();
    let mut came: HashMap<(u64, Slot), Alert> = HashMap::with_capacity(alerts.len());
    for alert in alerts {
        count.repeats += u64::from(alert.repeats);
        came.insert((alert.position, alert.player), alert);
    }
    for fact in facts {
        let Deed::Attacked { target, blocked, points_deducted, sent_us } = fact.deed else {
            continue;
        };
        count.landed += 1;
        let attacker = username(fact.player);
        let Some(alert) = came.remove(&(fact.position, target)) else {
            count.missing += 1;
            let target = username(target);
            differences
                .add(format!("{target} was not told of {attacker}'s attack at position {}", fact.position));
            continue;
        };
        match alert.arrival {
            Arrival::OnSocket(received_us) => {
                count.on_socket += 1;
                count.latencies.record(received_us.saturating_sub(sent_us));
            }
            Arrival::Fetched => count.recovered += 1,
        }
        if (alert.attacker.as_str(), alert.blocked, alert.points_lost)
            != (&attacker, blocked, points_deducted)
        {
            let target = username(target);
            differences
                .add(format!("{target} was told {alert:?} of {attacker}'s attack, which was {fact:?}"));
        }
    }
    for alert in came.into_values() {
        let player = username(alert.player);
        differences.add(format!("{player} was told of an attack that nobody was answered: {alert:?}"));
    }
    count
}

/// What the server says of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParticipantSaid {
    pub(super) username: String,
    pub(super) holding: Holding,
}

/// Compares what the server says of a player with what it must hold.
pub(super) fn check_participant(
    slot: Slot,
    standing: &Standing,
    said: &ParticipantSaid,
    differences: &mut Differences,
) {
    let name = username(slot);
    if said.username != name || said.holding != standing.holding {
        let must = standing.holding;
        differences.add(format!("{name} holds {must:?}, but the server says {said:?}"));
    }
}

/// A line of the board, as the server says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineSaid {
    pub(super) rank: u32,
    pub(super) participant_id: String,
    pub(super) points: u32,
}

/// Compares lines of the board with those that must stand there.
pub(super) fn check_lines(
    ranking: &[Slot],
    standings: &[Standing],
    everyone: &[String],
    said: &[LineSaid],
    differences: &mut Differences,
) {
    for line in said {
        let place = line.rank.checked_sub(1).and_then(|place| ranking.get(place as usize));
        let Some(slot) = place else {
            differences.add(format!("the board has a rank {} of {}", line.rank, ranking.len()));
            continue;
        };
        let (slot, points) = (*slot as usize, standings[*slot as usize].holding.points);
        if everyone[slot] != line.participant_id || points != line.points {
            let name = username(*place.unwrap_or(&0));
            let rank = line.rank;
            differences
                .add(format!("rank {rank} belongs to {name} ({points} points), but the board says {line:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: Holding = Holding { points: 10, shields: 0, arrows: 1 };

    fn joined(position: u64, player: Slot) -> Fact {
        Fact { position, player, balance: INITIAL, deed: Deed::Joined }
    }

    fn answered(position: u64, player: Slot, points: u32, balance: Holding) -> Fact {
        let earned = Holding { points, shields: 1, arrows: 0 };
        Fact { position, player, balance, deed: Deed::Answered { earned } }
    }

    fn attacked(position: u64, player: Slot, target: Slot, blocked: bool) -> Fact {
        let deed = Deed::Attacked {
            target,
            blocked,
            points_deducted: u32::from(!blocked),
            sent_us: position * 1_000,
        };
        Fact { position, player, balance: Holding { arrows: 0, ..INITIAL }, deed }
    }

    fn alert(position: u64, player: Slot, attacker: Slot, blocked: bool) -> Alert {
        Alert {
            position,
            player,
            attacker: username(attacker),
            blocked,
            points_lost: u32::from(!blocked),
            arrival: Arrival::OnSocket(position * 1_000 + 500),
            repeats: 0,
        }
    }

    /// Three join; 1 earns a shield; 0 attacks 1 (blocked), 2 attacks 0 (lands).
    fn battle() -> Vec<Fact> {
        vec![
            attacked(6, 2, 0, false),
            joined(1, 0),
            joined(2, 1),
            joined(3, 2),
            answered(4, 1, 10, Holding { points: 20, shields: 1, arrows: 1 }),
            attacked(5, 0, 1, true),
        ]
    }

    fn folded(facts: &mut [Fact]) -> (Vec<Standing>, Differences) {
        let mut differences = Differences::default();
        let standings = fold(3, INITIAL, facts, &mut differences);
        (standings, differences)
    }

    #[test]
    fn a_right_server_shows_no_difference() {
        let mut facts = battle();
        let (standings, mut differences) = folded(&mut facts);
        assert_eq!(standings[0].holding, Holding { points: 9, shields: 0, arrows: 0 });
        assert_eq!(standings[1].holding, Holding { points: 20, shields: 0, arrows: 1 });
        let count = check_alerts(&facts, vec![alert(5, 1, 0, true), alert(6, 0, 2, false)], &mut differences);
        assert_eq!(differences, Differences::default());
        assert_eq!((count.landed, count.on_socket, count.missing, count.repeats), (2, 2, 0, 0));
        assert!((count.latencies.percentiles().max - 0.5).abs() < 0.01);
    }

    #[test]
    fn of_equal_points_the_first_to_reach_them_ranks_first() {
        let mut facts = vec![joined(1, 0), joined(2, 1), joined(3, 2), attacked(4, 2, 0, false)];
        facts.push(answered(5, 0, 1, Holding { points: 10, shields: 1, arrows: 1 }));
        let (standings, differences) = folded(&mut facts);
        assert_eq!(differences.count, 0, "{differences:?}");
        assert_eq!(ranking(&standings), [1, 2, 0]);
    }

    #[test]
    fn a_wrong_balance_in_an_answer_is_found() {
        let mut facts = battle();
        facts[4].balance.points = 21;
        let (_, differences) = folded(&mut facts);
        assert_eq!(differences.count, 1);
        assert!(differences.first[0].starts_with("player-00001 was answered"), "{differences:?}");
    }

    #[test]
    fn a_lost_attack_and_a_wrong_score_are_found() {
        let (standings, mut differences) = folded(&mut battle());
        let said = |points| ParticipantSaid {
            username: username(0),
            holding: Holding { points, ..standings[0].holding },
        };
        check_participant(0, &standings[0], &said(9), &mut differences);
        assert_eq!(differences.count, 0);
        check_participant(0, &standings[0], &said(10), &mut differences);
        assert_eq!(differences.count, 1);
    }

    #[test]
    fn a_board_out_of_order_is_found() {
        let (standings, mut differences) = folded(&mut battle());
        let everyone: Vec<_> = (0..3).map(|slot| format!("id-{slot}")).collect();
        let ranking = ranking(&standings);
        assert_eq!(ranking, [1, 2, 0]);
        let line = |rank, slot: usize| LineSaid {
            rank,
            participant_id: everyone[slot].clone(),
            points: standings[slot].holding.points,
        };
        let right = [line(1, 1), line(2, 2), line(3, 0)];
        check_lines(&ranking, &standings, &everyone, &right, &mut differences);
        assert_eq!(differences.count, 0);
        let wrong = [line(1, 1), line(2, 0), line(3, 2), line(4, 0)];
        check_lines(&ranking, &standings, &everyone, &wrong, &mut differences);
        assert_eq!(differences.count, 3, "{differences:?}");
    }

    #[test]
    fn a_missing_alert_is_found() {
        let mut facts = battle();
        let (_, mut differences) = folded(&mut facts);
        let count = check_alerts(&facts, vec![alert(5, 1, 0, true)], &mut differences);
        assert_eq!((count.missing, differences.count), (1, 1));
        assert!(differences.first[0].contains("player-00000 was not told"), "{differences:?}");
    }

    #[test]
    fn an_attack_told_twice_under_different_positions_is_found() {
        let mut facts = battle();
        let (_, mut differences) = folded(&mut facts);
        let alerts = vec![alert(5, 1, 0, true), alert(6, 0, 2, false), alert(7, 0, 2, false)];
        check_alerts(&facts, alerts, &mut differences);
        assert_eq!(differences.count, 1);
        assert!(differences.first[0].contains("nobody was answered"), "{differences:?}");
    }

    #[test]
    fn a_repeat_and_a_fetched_alert_are_counted_apart() {
        let mut facts = battle();
        let (_, mut differences) = folded(&mut facts);
        let repeated = Alert { repeats: 1, ..alert(5, 1, 0, true) };
        let fetched = Alert { arrival: Arrival::Fetched, ..alert(6, 0, 2, false) };
        let count = check_alerts(&facts, vec![repeated, fetched], &mut differences);
        assert_eq!(differences.count, 0);
        assert_eq!((count.on_socket, count.recovered, count.repeats), (1, 1, 1));
    }

    #[test]
    fn an_alert_to_the_wrong_player_or_with_wrong_words_is_found() {
        let mut facts = battle();
        let (_, mut differences) = folded(&mut facts);
        check_alerts(&facts, vec![alert(5, 2, 0, true), alert(6, 0, 1, false)], &mut differences);
        // Not told to 1, told to 2 instead, and told with another attacker's name.
        assert_eq!(differences.count, 3, "{differences:?}");
    }

    #[test]
    fn two_answers_with_one_position_are_found() {
        let (_, differences) = folded(&mut [joined(1, 0), joined(1, 1), joined(3, 2)]);
        assert_eq!(differences.count, 1);
    }
}

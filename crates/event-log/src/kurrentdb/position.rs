//! Positions of `$all`, as ours.
//!
//! The server's positions are places in its files, so one cannot count on from them, and it must not be asked for a place that is none.
//! Ours are twice as large: an even one is an event's, and the odd ones beside it, which readers make when they go on behind or
//! before an event, say so without a second look.

use kurrentdb::Position as Place;

use crate::types::Position;

/// The last place that the server's own numbers can have.
const PLACE_MAX: u64 = i64::MAX as u64;

/// The position of the event at this place.
pub(super) fn of(place: Place) -> Position {
    place.commit.saturating_mul(2)
}

/// The place of the event whose position this is, or from which it was counted on by one.
pub(super) fn place_at_or_before(position: Position) -> Place {
    place(position / 2)
}

/// The place of the event whose position this is, or from which it was counted back by one; `None` behind everything.
pub(super) fn place_at_or_after(position: Position) -> Option<Place> {
    let commit = position.div_ceil(2);
    (commit <= PLACE_MAX / 2).then(|| place(commit))
}

/// Whether an event has this position.
pub(super) fn is_of_event(position: Position) -> bool {
    position > 0 && position.is_multiple_of(2)
}

fn place(commit: u64) -> Place {
    Place { commit, prepare: commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_an_event_it_is_known_which_one() {
        let event = of(place(700));
        assert!(is_of_event(event) && !is_of_event(event + 1) && !is_of_event(event - 1));
        assert_eq!(place_at_or_before(event + 1), place(700));
        assert_eq!(place_at_or_after(event - 1), Some(place(700)));
        assert_eq!((place_at_or_before(event), place_at_or_after(event)), (place(700), Some(place(700))));
        assert_eq!(place_at_or_after(u64::MAX), None);
    }
}

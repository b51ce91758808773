//! Points and the revision at which they were reached, as one exact number that sorts as the board does.

/// Scores have 33 bits behind the point, and points are below 2^20: 53 bits, as many as a double holds.
const REVISIONS: u64 = 1 << 33;
/// The most points that the rules allow.
pub(super) const POINTS_MAX: u32 = 1_000_000;

/// The score, whose floor is the points; `None` for what no battle reaches.
pub(super) fn encode(points: u32, reached_revision: u64) -> Option<f64> {
    if points > POINTS_MAX || reached_revision >= REVISIONS - 1 {
        return None;
    }
    let parts = (u64::from(points) + 1) * REVISIONS - (reached_revision + 1);
    Some(parts as f64 / REVISIONS as f64)
}

/// Points and revision; `None` for what is no score of a board.
pub(super) fn decode(score: f64) -> Option<(u32, u64)> {
    if !(0.0..=f64::from(POINTS_MAX) + 1.0).contains(&score) {
        return None;
    }
    let parts = score * REVISIONS as f64;
    let points = score.floor();
    let reached_revision = ((points + 1.0) * REVISIONS as f64 - parts) as u64;
    Some((points as u32, reached_revision.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REVISION_MAX: u64 = REVISIONS - 2;

    fn survives(points: u32, revision: u64) {
        let score = encode(points, revision).unwrap();
        assert_eq!(score.floor(), f64::from(points));
        assert_eq!(decode(score), Some((points, revision)));
        let written = score.to_string();
        assert_eq!(written.parse::<f64>().unwrap().to_bits(), score.to_bits(), "{written}");
        // Redis writes 17 significant digits.
        let redis = format!("{score:.16e}");
        assert_eq!(redis.parse::<f64>().unwrap().to_bits(), score.to_bits(), "{redis}");
    }

    #[test]
    fn the_ends_of_the_range_are_exact() {
        for points in [0, 1, POINTS_MAX - 1, POINTS_MAX] {
            for revision in [0, 1, REVISION_MAX - 1, REVISION_MAX] {
                survives(points, revision);
            }
        }
        assert_eq!(encode(POINTS_MAX + 1, 0), None);
        assert_eq!(encode(0, REVISION_MAX + 1), None);
    }

    proptest! {
        #[test]
        fn every_score_is_exact(points in 0..=POINTS_MAX, revision in 0..=REVISION_MAX) {
            survives(points, revision);
        }

        #[test]
        fn scores_sort_as_the_board_does(
            one in (0..=POINTS_MAX, 0..=REVISION_MAX), more in 0..3_u32, later in 1..=3_u64,
        ) {
            let (points, revision) = one;
            let first = encode(points, revision).unwrap();
            if let Some(other) = encode(points, revision + later) {
                prop_assert!(first > other);
            }
            if let Some(other) = encode(points + more + 1, REVISION_MAX) {
                prop_assert!(other > first);
            }
        }
    }
}

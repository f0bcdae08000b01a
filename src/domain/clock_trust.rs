//! For how long the clock is disbelieved after a start or a jump.

use std::time::Duration;

use super::Timestamp;

/// How long the clock must have run steadily before anything is deleted or recorded on its word.
pub const SETTLING_TIME: Duration = Duration::from_mins(10);

/// How far the clocks of replicas may be apart: a moment that is no further ahead is not from the future,
/// but by the clock of another replica.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// What time it is, and for how long the clock has been steady.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The time by the wall clock.
    pub at: Timestamp,
    /// For how long the wall clock has kept step with the monotonic clock.
    pub steady_for: Duration,
}

impl Now {
    /// Returns the time, or a moment that is a little ahead of it: what is told of a pair never goes
    /// back because the clocks of two replicas differ.
    #[must_use]
    pub fn not_before(&self, moment: Timestamp) -> Timestamp {
        if self.has_reached(moment) { self.at.max(moment) } else { self.at }
    }

    /// Whether a moment is past, or ahead by no more than the clocks of replicas may differ.
    #[must_use]
    pub fn has_reached(&self, moment: Timestamp) -> bool {
        moment <= self.at.plus(CLOCK_TOLERANCE)
    }

    /// Whether the clock has been steady for [`SETTLING_TIME`].
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.steady_for >= SETTLING_TIME
    }

    /// Whether to believe that a deadline of an entry has passed: the clock has settled, or it has
    /// been steady since the entry was last updated.
    #[must_use]
    pub fn confirms_silence_since(&self, updated_at: Timestamp) -> bool {
        self.has_settled() || updated_at >= self.at.minus(self.steady_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_pair_stands_still_until_a_slow_clock_has_caught_up() {
        let at = Timestamp::from_millis;
        let now = Now { at: at(100_000), steady_for: Duration::ZERO };
        assert_eq!(now.not_before(at(99_000)), at(100_000));
        assert_eq!(now.not_before(at(104_999)), at(104_999));
        assert_eq!(now.not_before(at(105_001)), at(100_000), "a clock was wrong");
    }

    #[test]
    fn silence_is_believed_once_the_clock_has_settled_or_has_seen_all_of_it() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let now = |steady_for| Now { at: at(10_000), steady_for: Duration::from_secs(steady_for) };
        assert!(!now(599).confirms_silence_since(at(9_400)));
        assert!(now(600).confirms_silence_since(at(0)));
        assert!(now(20).confirms_silence_since(at(9_990)));
        assert!(!now(20).confirms_silence_since(at(9_979)));
    }
}

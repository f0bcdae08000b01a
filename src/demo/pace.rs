//! How the fleet's time passes by the clock.
//!
//! Fleet time is in milliseconds, with 0 at the start of the demo. From there on it runs faster than
//! the clock. Before, it ran four times slower, so that a day of history needs few reports.

use std::time::Duration;

use crate::domain::Timestamp;

/// A second of fleet time.
pub(super) const SECOND: i64 = 1000;
/// A minute of fleet time.
pub(super) const MINUTE: i64 = 60 * SECOND;
/// An hour of fleet time.
pub(super) const HOUR: i64 = 60 * MINUTE;

/// The most times faster than the clock that the fleet may live.
pub const HIGHEST_SPEED: u32 = 600;

/// The clock's time at each moment of the fleet's life.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    start: Timestamp,
    speed: i64,
    slowness_before: i64,
}

impl Pace {
    /// A fleet that lives `speed` times faster than the clock from `start` on, and four times slower
    /// before.
    #[must_use]
    pub fn with_a_slow_past(start: Timestamp, speed: u32) -> Self {
        Self { start, speed: i64::from(speed.max(1)), slowness_before: 4 }
    }

    /// A fleet that has lived `speed` times faster than the clock ever since its birth at `birth`.
    #[must_use]
    pub fn since_birth(birth: Timestamp, speed: u32) -> Self {
        let speed = i64::from(speed.max(1));
        let start = Timestamp::from_millis(birth.millis() - super::fleet::BIRTH / speed);
        Self { start, speed, slowness_before: 0 }
    }

    /// Returns the same with another start: the clock was set, or the machine has slept.
    #[must_use]
    pub fn starting_at(self, start: Timestamp) -> Self {
        Self { start, ..self }
    }

    /// Returns the time by the clock at a moment of the fleet.
    #[must_use]
    pub fn clock_at(&self, at: i64) -> Timestamp {
        let since_start = if at < 0 && self.slowness_before > 0 {
            at * self.slowness_before
        } else {
            at.div_euclid(self.speed)
        };
        Timestamp::from_millis(self.start.millis().saturating_add(since_start))
    }

    /// Returns how much of the fleet's time passes after the start in a span by the clock.
    #[must_use]
    pub fn lived_in(&self, span: Duration) -> i64 {
        i64::try_from(span.as_millis()).unwrap_or(i64::MAX).saturating_mul(self.speed)
    }

    /// Returns the seconds by the clock in which a span of the fleet's time passes.
    pub(super) fn seconds(&self, from: i64, span: i64) -> u32 {
        let millis = self.clock_at(from + span).millis() - self.clock_at(from).millis();
        // Rounded, so that equal spans are equal numbers wherever they begin.
        u32::try_from((millis + SECOND / 2) / SECOND).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_on_at_the_start_slower_before_and_faster_after() {
        let pace = Pace::with_a_slow_past(Timestamp::from_millis(1_000_000_000_000), 60);
        let clock = |at| pace.clock_at(at).millis() - 1_000_000_000_000;
        assert_eq!([-HOUR, 0, HOUR].map(clock), [-4 * HOUR, 0, MINUTE]);
        assert_eq!(pace.seconds(-HOUR, 2 * HOUR), 4 * 3600 + 60, "one hour each side");
        assert_eq!(pace.lived_in(Duration::from_mins(1)), HOUR);
        assert_eq!(pace.seconds(HOUR, MINUTE / 60 / 60), 1, "never 0, which would be never");
    }
}
